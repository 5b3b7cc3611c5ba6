"""Services: what is declared, and what becomes of it."""
import socket

from harness.objects import (deploy, http_deployment, service, wait_complete, wait_endpoints)
from harness.ports import free_listen, free_port
from harness.rawhttp import closes_at_once
from harness.wait import eventually


def listener(api, name):
    found = api.get(f"/services/{name}").ok()["status"]["listeners"]
    return found[0] if found else {"state": None}


def listening(api, name):
    eventually(lambda: listener(api, name)["state"] == "listening", what=f"listener of {name}")


def test_a_service_has_the_defaults_of_the_contract(api, name):
    made = api.post("/services", service(name, free_listen())).check(201)
    assert made.headers["Location"] == f"/api/v1/services/{name}"
    expected = {"namespace": "default", "deployment": name, "protocol": "tcp",
                "balancer": "round-robin", "balancerConfig": {}, "drainTimeout": "30s",
                "connectTimeout": "2s", "idleTimeout": "5m", "slowStart": "0s",
                "maxConnections": None,
                "ejection": {"failures": 5, "failureRate": "0%", "interval": "10s", "time": "10s",
                             "maxTime": "5m", "maxShare": "50%"}}
    assert {key: made.json[key] for key in expected} == expected
    assert {"endpoints", "ready", "draining", "listeners"} <= set(made.json["status"])


def test_its_deployment_may_come_later(shared_http, name):
    api, port = shared_http.api, free_port()
    api.post("/services", service(name, f"127.0.0.1:{port}")).check(201)
    listening(api, name)
    assert closes_at_once(port)
    api.post("/deployments", http_deployment(name, replicas=2)).check(201)
    wait_complete(api, name)
    wait_endpoints(api, name, 2)


def test_a_listen_of_another_service_is_409(api, name):
    listen = free_listen()
    api.post("/services", service(name, listen)).check(201)
    api.post("/services", service(f"{name}-b", listen)).error(409)
    api.post("/services", service(f"{name}-b", free_listen())).check(201)
    api.patch(f"/services/{name}-b", {"listen": listen}).error(409)


def test_a_listen_needs_a_port_of_its_own(api, name):
    reply = api.post("/services", service(name, "127.0.0.1:0")).error(400, "VALIDATION_FAILED")
    assert [fault["field"] for fault in reply["details"]] == ["listen"]


def test_a_listen_of_a_stranger_is_taken_and_told(api, name):
    with socket.socket() as stranger:
        port = free_port()
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        api.post("/services", service(name, f"127.0.0.1:{port}")).check(201)
        found = eventually(lambda: listener(api, name)["state"] not in (None, "listening")
                           and listener(api, name)["message"] and listener(api, name))
        assert found["node"] == "node-1"
    eventually(lambda: listener(api, name)["state"] == "listening", within=20, what="listening")


def test_the_target_port_is_the_only_one_or_the_named_one(shared_http, name):
    api = shared_http.api
    two = [{"name": "admin", "containerPort": 8081}, {"name": "http", "containerPort": 8080}]
    deploy(api, name, ports=two)
    api.post("/services", service(name, free_listen(), targetPort="http")).check(201)
    assert wait_endpoints(api, name, 1)[0]["address"].endswith(":8080")
    api.patch(f"/services/{name}", {"targetPort": 8081}).check(200)
    eventually(lambda: api.items(f"/services/{name}/endpoints")[0]["address"].endswith(":8081"))


def test_an_endpoint_tells_what_the_contract_says(shared_http, name):
    api = shared_http.api
    api.post("/services", service(name, free_listen())).check(201)
    api.post("/deployments", http_deployment(name)).check(201)
    found = wait_endpoints(api, name, 1)[0]
    assert {"container", "node", "address", "state", "inFlight", "served", "failed"} <= set(found)
    assert api.get(f"/containers/{found['container']}").ok()["deployment"] == name
    status = api.get(f"/services/{name}").ok()["status"]
    assert (status["endpoints"], status["ready"], status["draining"]) == (1, 1, 0)


def test_a_deleted_service_lets_its_port_go(api, name):
    port = free_port()
    api.post("/services", service(name, f"127.0.0.1:{port}")).check(201)
    listening(api, name)
    api.delete(f"/services/{name}").check(204)
    api.get(f"/services/{name}").error(404)

    def refused():
        try:
            socket.create_connection(("127.0.0.1", port), 2).close()
        except ConnectionRefusedError:
            return True
    eventually(refused, what="a refused connection")


def test_a_service_moves_to_another_port(api, name):
    first, second = free_port(), free_port()
    api.post("/services", service(name, f"127.0.0.1:{first}")).check(201)
    listening(api, name)
    api.patch(f"/services/{name}", {"listen": f"127.0.0.1:{second}"}).check(200)
    eventually(lambda: _accepts(second) and not _accepts(first), what="the move")


def _accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
    except ConnectionRefusedError:
        return False
    return True


def test_services_can_be_put(api, name):
    listen = free_listen()
    api.put(f"/services/{name}", service(name, listen)).check(201)
    again = api.put(f"/services/{name}", service(name, listen, drainTimeout="5s")).check(200)
    assert again.json["drainTimeout"] == "5s"


def test_a_service_says_which_protocol_it_has(api, name):
    reply = api.post("/services", service(name, free_listen(), protocol="http")).check(201)
    assert reply.json["protocol"] == "http"
    assert api.patch(f"/services/{name}", {"protocol": "tcp"}).ok()["protocol"] == "tcp"

def test_ejection_is_checked(api, name):
    wrong = service(name, free_listen(), ejection={"maxShare": 2, "time": "10s", "maxTime": "5s"})
    reply = api.post("/services", wrong).error(400, "VALIDATION_FAILED")
    assert {fault["field"] for fault in reply["details"]} >= {"ejection.maxShare"}
    reply = api.post("/services", service(name, free_listen(),
                                          ejection={"time": "10s", "maxTime": "5s"})).error(400)
    assert "maxTime must not be shorter" in reply["details"][0]["message"]
