"""Row K1: the wall clock jumps; timers do not."""
import datetime
import json
import struct

import pytest
from engines import FakeEngine

from harness.daemon import Daemon
from harness.objects import deploy, deployment, first_container
from harness.wait import eventually, throughout

HOUR, YEARS = 3600, 10 * 365 * 86400


class Clock:
    def __init__(self, path):
        self.path = path
        self.set(0)

    def set(self, seconds):
        """In place: the daemon has it mapped."""
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(struct.pack("q", seconds))


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path / "clock")


@pytest.fixture
def engine():
    running = FakeEngine().start()
    yield running
    running.finish()


@pytest.fixture
def daemon(engine, clock, faulty, tmp_path):
    running = Daemon(tmp_path / "daemon", {
        "store": {"plugin": "sqlite"},
        "runtime": {"plugin": "docker", "config": {"endpoint": engine.endpoint}},
    }, {**faulty, "ORCH_FAULTY_CLOCK": str(clock.path)}).start()
    yield running
    running.stop()


def exit_of(engine, api, name):
    """Ends its container by itself; the restart waits for its back-off."""
    engine.client.ok("POST", "/_exit", {"container": first_container(api, name)["runtimeId"],
                                        "code": 1})


def has_restarted(api, name, times):
    found = first_container(api, name)
    return found["restarts"] == times and found["state"] == "running"


def test_the_clock_that_is_shifted_is_the_one_in_use(daemon, clock, name):
    clock.set(YEARS)
    daemon.api.post("/deployments", deployment(name, replicas=0)).check(201)
    made = daemon.api.get(f"/deployments/{name}").ok()["createdAt"]
    assert int(made[:4]) >= datetime.date.today().year + 9


@pytest.mark.parametrize("jump", (HOUR, -HOUR, YEARS, -YEARS))
def test_a_jump_costs_no_container_and_no_node(daemon, clock, name, jump):
    deploy(daemon.api, name, replicas=2)
    before = {item["runtimeId"] for item in daemon.api.items("/containers")}
    clock.set(jump)

    def undisturbed():
        nodes = daemon.api.items("/nodes")
        return ({item["runtimeId"] for item in daemon.api.items("/containers")} == before
                and [node["state"] for node in nodes] == ["ready"])
    throughout(undisturbed, 3, "the same containers on a ready node")


@pytest.mark.parametrize("jump", (HOUR, -HOUR, YEARS, -YEARS))
def test_a_back_off_lasts_as_long_as_it_should(daemon, engine, clock, name, jump):
    deploy(daemon.api, name)
    exit_of(engine, daemon.api, name)
    clock.set(jump)
    eventually(lambda: has_restarted(daemon.api, name, 1), 10, "the restart")


def keeps_a_wait(daemon):
    kept = json.loads((daemon.state / "agent.json").read_text())
    return any(container.get("nextStart") for container in kept["containers"])


@pytest.mark.parametrize("jump", (-HOUR, -YEARS))
def test_a_back_off_over_a_restart_ends_although_the_clock_went_back(daemon, engine, clock, name,
                                                                     jump):
    deploy(daemon.api, name, restartPolicy={"backoff": "2s"})
    exit_of(engine, daemon.api, name)
    eventually(lambda: keeps_a_wait(daemon), what="a planned restart in the agent's file")
    daemon.kill()
    clock.set(jump)
    daemon.start()
    eventually(lambda: has_restarted(daemon.api, name, 1), 30, "the restart")
