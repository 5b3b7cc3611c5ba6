"""What goes through a service's port."""
import collections
import socket
import time

import pytest

from harness.load import Load, ask
from harness.objects import (containers, deploy, http_deployment, service, wait_complete,
                             wait_endpoints)
from harness.ports import free_port
from harness.rawhttp import closes_at_once, connect, receive
from harness.wait import eventually


@pytest.fixture
def api(shared_http):
    return shared_http.api


@pytest.fixture
def port(api, name):
    """A service's port in front of three ready containers."""
    port = free_port()
    api.post("/services", service(name, f"127.0.0.1:{port}")).check(201)
    api.post("/deployments", http_deployment(name, replicas=3)).check(201)
    wait_complete(api, name)
    wait_endpoints(api, name, 3)
    return port


def ids(api, name):
    return {item["id"] for item in containers(api, name)}


def test_requests_reach_every_container_alike(api, port, name):
    served = collections.Counter(ask(port)[1] for _ in range(90))
    assert len(served) == 3, served
    # Round-robin holds per worker: with few workers nobody is far from a third.
    assert all(20 <= count <= 40 for count in served.values()), served
    assert all(any(known in body for known in ids(api, name)) for body in served)


def test_what_endpoints_served_is_counted(api, port, name):
    for _ in range(30):
        assert ask(port)[0] == 200
    eventually(lambda: sum(item["served"] for item in
                           api.items(f"/services/{name}/endpoints")) >= 30, what="the count")


def test_figures_move_no_number(api, port, name):
    before = api.get("/services").ok()["seq"]
    service_before = api.get(f"/services/{name}").ok()
    for _ in range(20):
        ask(port)
    eventually(lambda: sum(item["served"] for item in
                           api.items(f"/services/{name}/endpoints")) >= 20)
    assert api.get(f"/services/{name}").ok()["seq"] == service_before["seq"]
    assert api.get("/services").ok()["seq"] == before


def test_least_connections_prefers_the_idle(api, port, name):
    api.patch(f"/services/{name}", {"balancer": "least-connections"}).check(200)
    held = [_begin(port) for _ in range(3)]
    try:
        eventually(lambda: sum(item["inFlight"] for item in
                               api.items(f"/services/{name}/endpoints")) >= 3, what="in flight")
        assert all(ask(port)[0] == 200 for _ in range(10))
    finally:
        for connection in held:
            connection.close()


def test_p2c_reaches_all_and_takes_settings(api, port, name):
    api.patch(f"/services/{name}", {"balancer": "p2c",
                                    "balancerConfig": {"measure": "latency"}}).check(200)
    served = collections.Counter(ask(port)[1] for _ in range(90))
    assert len(served) == 3, served
    api.patch(f"/services/{name}", {"balancerConfig": {"measure": "x"}}).error(400)


def test_a_client_stays_with_its_container_by_consistent_hash(api, port, name):
    api.patch(f"/services/{name}", {"balancer": "consistent-hash"}).check(200)
    eventually(lambda: len({ask(port)[1] for _ in range(10)}) == 1, what="the new balancer")
    owner = ask(port)[1]
    other = next(item for item in ids(api, name) if item not in owner)
    api.delete(f"/containers/{other}").check(202)  # the key's own endpoint stays
    wait_complete(api, name)
    wait_endpoints(api, name, 3)
    served = {ask(port)[1] for _ in range(30)}
    assert len(served) == 1, served
    api.patch(f"/services/{name}", {"balancerConfig": {"key": "header"}}).error(400)


def test_local_first_serves_from_this_node(api, port, name):
    api.patch(f"/services/{name}", {"balancer": "local-first"}).check(200)
    assert len({ask(port)[1] for _ in range(30)}) == 3  # all of them are on this node


def _begin(port, path="/?delay=3000"):
    connection = connect(port)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    return connection


def test_with_nothing_ready_a_connection_is_closed_at_once(api, port, name):
    api.post(f"/deployments/{name}/scale", {"replicas": 0}).check(200)
    wait_endpoints(api, name, 0)
    begun = time.monotonic()
    assert closes_at_once(port)
    assert time.monotonic() - begun < 2


def test_what_is_not_ready_gets_no_traffic(api, name):
    port = free_port()
    api.post("/services", service(name, f"127.0.0.1:{port}")).check(201)
    deploy(api, name, ports=[{"name": "http", "containerPort": 8080}])
    good = ids(api, name)
    wait_endpoints(api, name, 1)
    api.patch(f"/deployments/{name}", {
        "env": {"SIMULATED_UNHEALTHY": "1"}, "rollout": {"autoRollback": False},
        "readinessProbe": {"http": {"port": "http"}, "interval": "100ms"}}).check(200)
    eventually(lambda: len(containers(api, name)) == 2, what="the surge")
    for _ in range(20):
        status, body = ask(port)
        assert status == 200 and any(known in body for known in good)


def test_scaling_down_fails_no_request(api, port, name):
    with Load(port, threads=3, path="/?delay=20") as load:
        eventually(lambda: load.served > 50, what="load")
        api.post(f"/deployments/{name}/scale", {"replicas": 1}).check(200)
        wait_endpoints(api, name, 1)
        eventually(lambda: len(containers(api, name)) == 1, what="one container")
        served = load.served
        eventually(lambda: load.served > served + 50, what="more load")
    load.check(100)


def test_a_request_in_flight_is_ended_before_its_container_is_stopped(api, port, name):
    held = [_begin(port, "/?delay=1500") for _ in range(6)]
    eventually(lambda: sum(item["inFlight"] for item in
                           api.items(f"/services/{name}/endpoints")) >= 6, what="in flight")
    api.post(f"/deployments/{name}/scale", {"replicas": 0}).check(200)
    answers = [receive(connection, 10) for connection in held]
    assert [answer.status for answer in answers] == [200] * 6, answers


def test_a_rolling_update_fails_no_request(api, port, name):
    with Load(port, threads=3, path="/?delay=10") as load:
        eventually(lambda: load.served > 50, what="load")
        api.patch(f"/deployments/{name}", {"image": "app/web:2"}).check(200)
        wait_complete(api, name)
        eventually(lambda: len(containers(api, name)) == 3, what="only the new ones")
        served = load.served
        eventually(lambda: load.served > served + 50, what="more load")
    load.check(100)
    assert ids(api, name) <= {word for body in load.by_body for word in _words(body)}


def _words(body):
    return body.replace('"', " ").split()


def test_a_replaced_container_fails_no_request(api, port, name):
    with Load(port, threads=3) as load:
        eventually(lambda: load.served > 50, what="load")
        api.delete(f"/containers/{containers(api, name)[0]['id']}").check(202)
        eventually(lambda: len(containers(api, name)) == 3, what="three")
        wait_endpoints(api, name, 3)
    load.check(50)


def test_changing_the_balancer_cuts_no_connection(api, port, name):
    held = _begin(port, "/?delay=800")
    api.patch(f"/services/{name}", {"balancer": "least-connections"}).check(200)
    assert receive(held, 10).status == 200


def test_a_half_close_is_kept(port):
    with connect(port) as connection:
        connection.sendall(b"GET /?delay=300 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert receive(connection, 10).status == 200


def test_two_hundred_connections_are_carried(port):
    held = [_begin(port, "/?delay=300") for _ in range(200)]
    assert [receive(connection, 20).status for connection in held] == [200] * 200
