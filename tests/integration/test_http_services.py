"""What `protocol: http` adds to a service: requests, not connections, are balanced and drained."""
import collections
import http.client
import socket
import threading

import pytest

from harness.load import KeepAliveLoad
from harness.objects import (containers, http_deployment, service, wait_complete, wait_endpoints,
                             wait_gone)
from harness.ports import free_port
from harness.rawhttp import exchange, receive
from harness.wait import eventually


@pytest.fixture
def api(shared_http):
    return shared_http.api


@pytest.fixture
def port(api, name):
    """A service's port in front of three ready containers."""
    port = free_port()
    api.post("/services", service(name, f"127.0.0.1:{port}", protocol="http")).check(201)
    api.post("/deployments", http_deployment(name, replicas=3)).check(201)
    wait_complete(api, name)
    wait_endpoints(api, name, 3)
    return port


def ask(connection, headers=None, path="/"):
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    body = answer.read().decode()
    assert answer.status == 200, (answer.status, body)
    return body


def test_one_connection_reaches_every_container(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    served = collections.Counter(ask(connection) for _ in range(30))
    assert sorted(served.values()) == [10, 10, 10]
    connection.close()


def test_figures_count_requests(api, port, name):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    for _ in range(30):
        ask(connection)
    eventually(lambda: sum(item["served"] for item in
                           api.items(f"/services/{name}/endpoints")) == 30, what="the count")
    connection.close()


def test_a_header_chooses_the_container(api, port, name):
    api.patch(f"/services/{name}", {"balancer": "consistent-hash", "balancerConfig":
                                    {"key": "header", "name": "X-User"}}).check(200)
    eventually(lambda: len({ask_as(port, "ann") for _ in range(5)}) == 1, what="the new balancer")
    by_user = {user: {ask_as(port, user) for _ in range(4)} for user in map(str, range(30))}
    assert all(len(served) == 1 for served in by_user.values()), by_user
    assert len(set.union(*by_user.values())) == 3


def ask_as(port, user):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        return ask(connection, {"X-User": user})
    finally:
        connection.close()


def test_a_malformed_request_is_refused_and_reaches_no_container(api, port, name):
    answer = exchange(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n"
                            b"Host: a\r\n\r\n", enough=None)
    assert answer.statuses == [400] and answer.closed
    assert all(item["served"] == 0 for item in api.items(f"/services/{name}/endpoints"))


def test_with_nothing_ready_it_answers_at_once(api, port, name):
    api.post(f"/deployments/{name}/scale", {"replicas": 0}).check(200)
    wait_endpoints(api, name, 0)
    answer = exchange(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.status == 503 and b"Retry-After: 1" in answer.data


def test_rollouts_scaling_and_kills_fail_no_request_and_close_no_connection(api, port, name):
    with KeepAliveLoad(port, threads=4, path="/?delay=5") as load:
        for number in range(2, 5):
            eventually(lambda at=load.served + 50: load.served > at, what="load")
            api.patch(f"/deployments/{name}", {"image": f"app/web:{number}"}).check(200)
            wait_complete(api, name)
        api.post(f"/deployments/{name}/scale", {"replicas": 1}).check(200)
        eventually(lambda: len(containers(api, name)) == 1, what="one container")
        api.post(f"/deployments/{name}/scale", {"replicas": 3}).check(200)
        wait_complete(api, name)
        api.delete(f"/containers/{containers(api, name)[0]['id']}").check(202)
        wait_complete(api, name)
        eventually(lambda at=load.served + 50: load.served > at, what="load")
    load.check(200)
    assert load.connects == 4, "a client's connection was closed"


def test_a_slow_request_ends_before_its_container_is_stopped(api, port, name):
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(6)]
    for connection in held:
        connection.sendall(b"GET /?delay=1500 HTTP/1.1\r\nHost: a\r\n\r\n")
    eventually(lambda: sum(item["inFlight"] for item in
                           api.items(f"/services/{name}/endpoints")) == 6, what="in flight")
    api.post(f"/deployments/{name}/scale", {"replicas": 0}).check(200)
    answers = [receive(connection, 10, lambda data: data.endswith(b"\n") or b"}" in data)
               for connection in held]
    assert [answer.status for answer in answers] == [200] * 6, answers


def test_a_removed_service_says_goodbye_with_its_last_reply(api, port, name):
    replies = []

    def hold():
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET /?delay=3000 HTTP/1.1\r\nHost: a\r\n\r\n")
            replies.append(receive(connection, 10))

    holder = threading.Thread(target=hold)
    holder.start()
    eventually(lambda: sum(item["inFlight"] for item in
                           api.items(f"/services/{name}/endpoints")) == 1, what="in flight")
    api.delete(f"/services/{name}").check(204)
    wait_gone(api, f"/services/{name}")
    holder.join(15)
    assert replies[0].status == 200 and replies[0].closed
    assert b"\r\nConnection: close\r\n" in replies[0].data


def test_services_share_a_listen_by_host_and_path(api, port, name):
    listen = f"127.0.0.1:{port}"
    other = f"{name}-api"
    taken = api.post("/services", service(other, listen, protocol="http"))
    assert taken.error(409)["code"] == "CONFLICT"
    assert api.post("/services", service(other, listen)).error(409)
    api.post("/services", service(other, listen, protocol="http", deployment="none",
                                  pathPrefix="/api", hosts=["shop.example.org"])).check(201)
    shown = api.get(f"/services/{other}").ok()
    assert shown["hosts"] == ["shop.example.org"] and shown["pathPrefix"] == "/api"
    wait_listening(api, other)
    for path, host, status in (("/", "shop.example.org", 200), ("/api", "shop.example.org", 503),
                               ("/api/x", "shop.example.org", 503), ("/api", "a.test", 200)):
        answer = exchange(port, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert answer.status == status, (path, host, answer)
    api.delete(f"/services/{other}").check(204)
    eventually(lambda: exchange(port, b"GET /api HTTP/1.1\r\nHost: shop.example.org\r\n\r\n")
               .status == 200, what="the other service")


def wait_listening(api, name):
    eventually(lambda: [item["state"] for item in
                        api.get(f"/services/{name}").ok()["status"]["listeners"]] ==
               ["listening"], what="its listener")


def test_a_sticky_cookie_keeps_a_client_at_its_container(api, port, name):
    api.patch(f"/services/{name}", {"sticky": {"cookie": "seat"}}).check(200)

    def seated():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.read() and answer.getheader("Set-Cookie")

    cookie = eventually(seated, what="a cookie").split(";")[0]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    assert len({ask(connection, {"Cookie": cookie}) for _ in range(12)}) == 1
    connection.close()
    assert "sticky.cookie" in api.patch(f"/services/{name}", {"sticky": {"cookie": "a b"}}).faults()


@pytest.mark.parametrize("change", [
    {"hosts": ["Shop.example.org"]}, {"hosts": ["a:80"]}, {"hosts": ["*"]}, {"hosts": ["a", "a"]},
    {"hosts": [""]}, {"hosts": ["a.*.b"]}, {"pathPrefix": "api"}, {"pathPrefix": "/api/"},
    {"pathPrefix": "/a?b"}, {"pathPrefix": ""}, {"protocol": "tcp", "hosts": ["a"]},
    {"protocol": "tcp", "pathPrefix": "/a"}])
def test_routes_that_make_no_sense_are_refused(api, name, change):
    body = service(name, f"127.0.0.1:{free_port()}", protocol="http")
    field = "hosts" if "hosts" in change else "pathPrefix"
    assert any(key.startswith(field) for key in api.post("/services", {**body, **change}).faults())


@pytest.mark.parametrize("field, value", [
    ("weight", 0), ("weight", 1001), ("headers", [{"name": "a b"}]), ("headers", [{}]),
    ("headers", [{"name": "a", "value": ""}]), ("headers", [{"name": "a"}, {"name": "A"}]),
    ("trustedProxies", ["10.0.0.0/33"]), ("trustedProxies", ["proxy.test"]),
    ("trustedProxies", ["10.0.0.0/"]), ("maxConnectionsPerClient", 0)])
def test_settings_of_requests_that_make_no_sense_are_refused(api, name, field, value):
    body = service(name, f"127.0.0.1:{free_port()}", protocol="http", **{field: value})
    assert any(key.startswith(field) for key in api.post("/services", body).faults())


@pytest.mark.parametrize("field, value", [
    ("weight", 1), ("headers", [{"name": "a", "value": None}]), ("trustedProxies", ["::1"]),
    ("maxConnectionsPerClient", 1)])
def test_settings_of_requests_are_for_http(api, name, field, value):
    body = service(name, f"127.0.0.1:{free_port()}", **{field: value})
    assert list(api.post("/services", body).faults()) == [field]


def test_services_share_requests_when_all_have_a_weight(api, port, name):
    other, listen = f"{name}-other", f"127.0.0.1:{port}"
    made = service(other, listen, protocol="http", deployment="none", weight=3)
    assert api.post("/services", made).error(409)["code"] == "CONFLICT"
    api.post("/services", {**made, "weight": None, "headers": [{"name": "X-Canary"}]}).check(201)
    wait_listening(api, other)
    for line, status in ((b"", 200), (b"X-Canary: 1\r\n", 503)):
        answer = exchange(port, b"GET / HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n")
        assert answer.status == status
    api.patch(f"/services/{name}", {"weight": 1}).check(200)
    shown = api.patch(f"/services/{other}", {"weight": 3, "headers": []}).ok()
    assert shown["weight"] == 3 and shown["headers"] == []
    assert {exchange(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").status
            for _ in range(8)} == {200}, "the one without containers is left out"
    api.delete(f"/services/{other}").check(204)
    api.patch(f"/services/{name}", {"weight": None}).check(200)


def test_another_protocol_cuts_no_connection(api, port, name):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    ask(connection)
    api.patch(f"/services/{name}", {"protocol": "tcp"}).check(200)
    wait_endpoints(api, name, 3)
    ask(connection)
    connection.close()
