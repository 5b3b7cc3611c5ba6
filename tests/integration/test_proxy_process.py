"""The proxy as a process of its own: unprivileged, adopted, and ended when it should."""
import os
import signal
import socket

import pytest

from harness import processes
from harness.load import Load, ask
from harness.objects import (containers, http_deployment, service, wait_complete, wait_endpoints)
from harness.ports import free_port
from harness.wait import eventually


@pytest.fixture
def served(make_daemon, name):
    """A daemon on sqlite with a service in front of two containers: (daemon, port)."""
    daemon = make_daemon({"store": {"plugin": "sqlite"}, "runtime": {"config": {"http": True}}})
    port = free_port()
    daemon.api.post("/services", service(name, f"127.0.0.1:{port}")).check(201)
    daemon.api.post("/deployments", http_deployment(name, replicas=2)).check(201)
    wait_complete(daemon.api, name)
    wait_endpoints(daemon.api, name, 2)
    return daemon, port


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_the_proxy_runs_as_nobody(served):
    daemon, _ = served
    assert len(daemon.proxies()) == 1
    pid = daemon.proxies()[0]
    uids = processes.status_field(pid, "Uid")
    if os.getuid() == 0:
        assert "0" not in uids, uids
    assert processes.status_field(pid, "CapEff") == ["0000000000000000"]


def test_a_killed_daemons_proxy_is_adopted(served, name):
    daemon, port = served
    before = daemon.proxies()
    daemon.kill()
    # The simulated containers went with the daemon; the listener did not.
    daemon.start()
    wait_complete(daemon.api, name)
    wait_endpoints(daemon.api, name, 2)
    assert daemon.proxies() == before
    assert ask(port)[0] == 200


def test_a_killed_proxy_is_begun_again(served, name):
    daemon, port = served
    before = daemon.proxies()
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: daemon.proxies() and daemon.proxies() != before, what="a new proxy")

    def answers():
        try:
            return ask(port)[0] == 200
        except OSError:
            return False
    eventually(answers, what="service")
    wait_endpoints(daemon.api, name, 2)


def test_a_proxy_that_lingers_outlives_the_daemon(make_daemon, name):
    daemon = make_daemon({"store": {"plugin": "sqlite"}, "proxy": {"linger": "30m"}})
    port = free_port()
    daemon.api.post("/services", service(name, f"127.0.0.1:{port}", targetPort=80)).check(201)
    eventually(lambda: [item["state"] for item in daemon.api.get(f"/services/{name}").ok()[
        "status"]["listeners"]] == ["listening"], what="a listener")
    proxy = daemon.proxies()
    assert daemon.terminate() == 0
    assert daemon.proxies() == proxy, "linger 30m: it stays"
    daemon.start()
    assert daemon.proxies() == proxy
    daemon.api.delete(f"/services/{name}").check(204)
    eventually(lambda: refused(port), what="the end of its listener")
    assert daemon.terminate() == 0
    # Unfed, with neither listener nor connection, it ends.
    eventually(lambda: not daemon.proxies(), within=15, what="end of the idle proxy")


def test_its_descriptors_do_not_grow(served, name):
    daemon, port = served
    pid = daemon.proxies()[0]
    for _ in range(20):
        ask(port)

    def count():
        return len(os.listdir(f"/proc/{pid}/fd"))
    settled = eventually(count)
    with Load(port, threads=4) as load:
        eventually(lambda: load.served > 400, what="load")
    load.check(400)
    eventually(lambda: count() <= settled + 4, what="closed descriptors")
    assert len(containers(daemon.api, name)) == 2


def test_a_state_folder_whose_path_no_socket_could_hold(make_daemon, name):
    daemon = make_daemon({"store": {"plugin": "sqlite"}}, started=False)
    daemon.state = daemon.folder / ("a" * 120) / ("b" * 120)
    daemon.settings["stateDir"] = str(daemon.state)
    daemon.start()

    def listens():
        listeners = daemon.api.get(f"/services/{name}").ok(200)["status"]["listeners"]
        return [listener["state"] for listener in listeners] == ["listening"]
    daemon.api.post("/services", service(name, f"127.0.0.1:{free_port()}")).check(201)
    eventually(listens, what="a listener, without which a proxy ends with its daemon")
    before = daemon.proxies()
    daemon.kill()
    daemon.start()
    eventually(lambda: "a proxy that runs is adopted" in daemon.log(), what="adoption")
    assert daemon.proxies() == before
