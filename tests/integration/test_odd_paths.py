"""Ids that no object has: every route answers 4xx, and nothing is found, made or logged raw."""
import pytest

from harness.rawhttp import exchange

ODD = ("..", ".", "../..", "..%2f..%2fetc%2fpasswd", "%2e%2e", "%2e%2e%2f", "..%5c", "%00", "a%00b",
       "%c0%ae%c0%ae", "%c0%af", "%ff", "%ed%a0%80", "%", "%2", "%zz", "%25", "%252e%252e",
       "a%2fb", "a%5cb", "%0d%0aX-Injected:%20yes", "%0a", "%1b[2J", "%e2%80%ae", "%ef%bc%8e",
       "%20", "a%20b", "*", "~", "$(id)", "`id`", "'or'1'='1", "%22", "%3cscript%3e", "{}", "A",
       "-", "_", "a" * 64, "a" * 200, "a" * 4000, "null", "undefined", "0", "-1", "1e9", ";", "a;b",
       "%7f", "%e4%b8%96")
ROUTES = (("GET", "/deployments/{}"), ("DELETE", "/deployments/{}"), ("PATCH", "/deployments/{}"),
          ("POST", "/deployments/{}/scale"), ("POST", "/deployments/{}/restart"),
          ("GET", "/deployments/{}/containers"), ("GET", "/deployments/{}/revisions"),
          ("GET", "/containers/{}"), ("DELETE", "/containers/{}"), ("GET", "/containers/{}/logs"),
          ("GET", "/nodes/{}"), ("PATCH", "/nodes/{}"), ("POST", "/nodes/{}/cordon"),
          ("GET", "/services/{}"), ("DELETE", "/services/{}"), ("GET", "/services/{}/endpoints"),
          ("GET", "/{}"), ("POST", "/plan/{}/apply"))


def ask(daemon, method, path):
    body = b"{}" if method in ("POST", "PATCH", "PUT") else b""
    head = (f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {daemon.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n")
    return exchange(daemon.port, head.encode() + body)


@pytest.mark.parametrize("method, route", ROUTES, ids=[" ".join(route) for route in ROUTES])
def test_odd_ids_are_answered_with_4xx(shared, method, route):
    for odd in ODD:
        answer = ask(shared, method, "/api/v1" + route.format(odd))
        if answer.status and answer.status < 300 and odd in ("..", "."):
            # A path that a reader may normalise: the list above it is no leak.
            assert method == "GET", (odd, answer)
            continue
        assert answer.status and 400 <= answer.status < 500, (odd, answer)
        assert b"X-Injected" not in answer.data.split(b"\r\n\r\n")[0], odd


def test_no_file_of_the_machine_is_served(shared):
    for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd",
                 "//etc/passwd", "/static/../../../etc/passwd", "/api/v1/../../etc/passwd",
                 "/%2fetc%2fpasswd", "/etc/passwd", "/.git/config", "/api-key", "/state/api-key"):
        answer = exchange(shared.port, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                       "Connection: close\r\n\r\n".encode())
        assert b"root:" not in answer.data and shared.key.encode() not in answer.data, path
        assert answer.status in (400, 401, 404, 301, 308), (path, answer)


def test_a_path_that_only_looks_like_another_is_not_open(shared):
    for path in ("/healthz/../api/v1/whoami", "//api/v1/whoami", "/api/v1//whoami",
                 "/api/v1/./whoami", "/API/V1/whoami", "/api/v1/whoami/", "/api%2fv1%2fwhoami",
                 "/api/v1/whoami%00", "/api/v1/whoami;x", "/metrics/../api/v1/whoami"):
        answer = exchange(shared.port, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                       "Connection: close\r\n\r\n".encode())
        assert answer.status and 300 <= answer.status < 500, (path, answer)
        assert b"role" not in answer.data


def test_nothing_raw_of_it_is_in_the_log(shared):
    shared.api.get("/deployments/x%1b%5b2J%0d%0aforged").check(400, 404)
    shared.api.get("/deployments", headers={"User-Agent": "a\tb"}).check(200, 400)
    log = shared.log_path.read_bytes()
    raw = {byte for byte in log if (byte < 32 and byte not in (10,)) or byte == 127}
    assert not raw, f"control bytes in the log: {raw}"
