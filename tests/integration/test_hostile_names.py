"""Names that lead elsewhere, on every route that takes one; and words that would act on a
terminal, in everything that is logged or answered."""
import re

import pytest

from harness.rawhttp import exchange

ODD = ("..", ".", "../..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2f", "..%5c..%5c",
       "..;", "....//", "%252e%252e%252f", "%c0%ae%c0%ae", "%e0%80%ae", "%c0%af", "%ff%fe", "%ed%a0%80",
       "%00", "a%00", "a%00.txt", "%0d%0aX-Injected:%20yes", "%0aforged", "%1b%5b2J", "%1b]0;t%07",
       "%e2%80%ae", "%e2%80%a8", "%ef%bc%8e%ef%bc%8e", "%c2%85", "%7f", "a%2fb", "%2fetc%2fpasswd",
       "~root", "-rf", "--help", "a" * 80, "a" * 5000, "%25s%25n", "$(id)", "%60id%60", "'%20or%201=1",
       "con", "A", "_", "*")
PLAIN = re.compile(r"[a-z0-9-]+")
VERBS = ("get", "put", "post", "patch", "delete")


def ask(daemon, method, path, body=b"{}"):
    body = body if method != "get" else b""
    head = (f"{method.upper()} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {daemon.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n")
    return exchange(daemon.port, head.encode() + body)


def routes(daemon):
    document = daemon.api.get("/openapi.json", base="").ok()
    return [(verb, path) for path, verbs in document["paths"].items() for verb in verbs
            if verb in VERBS and "{" in path]


@pytest.mark.limit(180)
def test_no_route_takes_a_name_that_leads_elsewhere(shared):
    """Every route of the API's own description, each parameter in turn."""
    found = routes(shared)
    assert len(found) >= 15, found
    for verb, path in found:
        parameters = re.findall(r"\{[^}]*\}", path)
        for parameter in parameters:
            for odd in ODD:
                asked = re.sub(r"\{[^}]*\}", "some", path.replace(parameter, odd, 1))
                answer = ask(shared, verb, asked)
                if PLAIN.fullmatch(odd):
                    assert answer.status and answer.status < 500, (verb, asked, answer)
                    continue
                assert answer.status and 400 <= answer.status < 500, (verb, asked, answer)
                assert b"root:" not in answer.data, (verb, asked)
                assert b"\r\nX-Injected" not in answer.data, (verb, asked)


BODIES = ({"name": "{}", "image": "a:1"}, {"name": "ok", "image": "{}"},
          {"name": "ok", "image": "a:1", "placement": {"scheduler": "{}"}},
          {"name": "ok", "image": "a:1", "labels": {"{}": "x"}},
          {"name": "ok", "image": "a:1", "env": {"A={}": "x"}},
          {"name": "ok", "image": "a:1", "ports": [{"name": "{}", "containerPort": 1}]},
          {"name": "ok", "image": "a:1", "security": {"capabilities": {"add": ["{}"]}}})
WORDS = ("../../etc/passwd", "..", "/etc/passwd", "a/../../b", "\x1b[2J", "a\r\nb", "\u202ea", "\x07",
         "\x7f", "a\u2028b", "\u009b2J", "$(id)", "%n%n", "x" * 3000)


def filled(value, word):
    if isinstance(value, dict):
        return {key.replace("{}", word): filled(entry, word) for key, entry in value.items()}
    if isinstance(value, list):
        return [filled(entry, word) for entry in value]
    return value.replace("{}", word) if isinstance(value, str) else value


def raw_control_bytes(data):
    """Those that a terminal would act on: C0, DEL, C1 and the marks that turn text around."""
    text = data.decode(errors="replace")
    return {char for char in text if (ord(char) < 32 and char != "\n") or 127 <= ord(char) < 160
            or char in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"}


@pytest.mark.parametrize("body", BODIES, ids=[str(index) for index in range(len(BODIES))])
def test_odd_words_in_a_body_are_refused_in_words_that_do_no_harm(shared, body):
    for word in WORDS:
        reply = shared.api.post("/deployments", filled(body, word))
        reply.error(400, "VALIDATION_FAILED")
        assert not [char for char in reply.body if char < 32 or char == 127], reply
    for kind in ("deployments", "services"):
        assert not shared.api.items(f"/{kind}")


def test_no_raw_control_character_is_logged_whatever_is_asked(make_daemon):
    daemon = make_daemon({"log": {"level": "debug"}})
    evil = "\x1b[2J\x1b]0;owned\x07\r\nforged line\u202e\u009b31m\x7f"
    escaped = "".join(f"%{byte:02x}" for byte in evil.encode())
    for path in (f"/api/v1/deployments/{escaped}", f"/api/v1/deployments?selector={escaped}",
                 f"/{escaped}", f"/api/v1/events?after={escaped}"):
        for verb in ("get", "post", "delete"):
            assert ask(daemon, verb, path).status
    for header in ("User-Agent", "X-Request-Id", "Idempotency-Key", "X-API-Key", "Origin", "Referer",
                   "X-Forwarded-For"):
        exchange(daemon.port, b"GET /api/v1/whoami HTTP/1.1\r\nHost: 127.0.0.1\r\n" +
                 header.encode() + b": a\x1b[2J\x07\xc2\x9b\xe2\x80\xaeb\r\nConnection: close\r\n\r\n")
    noted = {"name": "noted", "image": "a:1", "replicas": 1, "annotations": {"note": evil},
             "env": {"EVIL": evil}, "command": ["sh", "-c", evil]}
    daemon.api.post("/deployments", noted).check(201)
    daemon.api.post("/deployments", {"name": evil, "image": evil}).error(400)
    daemon.api.delete("/deployments/noted").check(202)
    daemon.terminate()
    log = daemon.log_path.read_bytes()
    assert log, "nothing was logged at all"
    assert not raw_control_bytes(log), log[-2000:]
    assert not [line for line in log.decode().splitlines() if line.startswith("forged")]
