"""What a rolling update keeps true at every instant, sampled from the watch."""
import math

import pytest

from harness.daemon import Daemon
from harness.objects import containers, deploy, wait_complete
from harness.stream import Watch
from harness.wait import eventually


@pytest.fixture(scope="module")
def unhurried(tmp_path_factory):
    """Starts and stops take time, so that the watch sees the steps between."""
    daemon = Daemon(tmp_path_factory.mktemp("unhurried"), {
        "runtime": {"config": {"startMs": 120, "stopMs": 120}}}).start()
    yield daemon
    daemon.stop()


@pytest.fixture
def api(unhurried):
    return unhurried.api


def share(value, desired, rounding):
    """maxSurge and maxUnavailable as a number of containers."""
    return rounding(desired * int(value[:-1]) / 100) if isinstance(value, str) else value


def check(status, surge, unavailable):
    assert status["current"] - status["desired"] <= surge, status
    assert status["desired"] - status["available"] <= unavailable, status
    assert status["available"] <= status["ready"] <= status["current"], status
    assert status["updated"] <= status["current"], status


def follow(watch, name, surge, unavailable):
    """Checks every message of the deployment up to its completion on revision 2."""
    count = 0
    while True:
        message = watch.next(within=25)
        if message.kind != "deployments" or message.object["name"] != name:
            continue
        status = message.object["status"]
        check(status, surge, unavailable)
        count += 1
        if status["revision"] == 2 and status["phase"] == "complete":
            return count


@pytest.mark.parametrize("surge, unavailable", (
    (1, 0), (0, 1), (2, 1), ("50%", "25%"), ("25%", 0), (6, 0), (0, "100%")))
@pytest.mark.parametrize("change", ({"image": "app/web:2"},
                                    {"image": "app/web:2", "readinessProbe": {
                                        "exec": {"command": ["true"]}, "interval": "100ms"}}),
                         ids=("plain", "probed"))
def test_a_rolling_update_stays_within_its_bounds(api, name, surge, unavailable, change):
    desired = 6
    deploy(api, name, replicas=desired,
           rollout={"maxSurge": surge, "maxUnavailable": unavailable})
    since = api.get("/deployments").ok()["seq"]
    with Watch(api, f"?kinds=deployments&since={since}") as watch:
        api.patch(f"/deployments/{name}", change).check(200)
        assert follow(watch, name, share(surge, desired, math.ceil),
                      share(unavailable, desired, math.floor))


def test_a_rollout_that_is_stuck_is_replaced_by_the_next(api, name):
    """The container that never got ready holds the only surge: it goes first."""
    deploy(api, name, replicas=3, rollout={"autoRollback": False})
    api.patch(f"/deployments/{name}", {"image": "missing/web:1"}).check(200)
    eventually(lambda: len(containers(api, name)) == 4, what="the surge")
    api.patch(f"/deployments/{name}", {"image": "app/web:3"}).check(200)
    wait_complete(api, name)
    eventually(lambda: {item["image"] for item in containers(api, name)} == {"app/web:3"},
               what="only the last image")


def test_min_ready_delays_what_is_available(api, name):
    deploy(api, name, replicas=1, rollout={"minReady": "500ms"})
    with Watch(api, "?kinds=deployments") as watch:
        watch.until(lambda message: message.kind == "synced")
        api.patch(f"/deployments/{name}", {"image": "app/web:2"}).check(200)
        watch.until(lambda message: message.kind == "deployments"
                    and message.object["name"] == name
                    and message.object["status"]["ready"]
                    > message.object["status"]["available"])
    wait_complete(api, name)


def test_containers_that_never_get_ready_leave_the_old_ones_alone(api, name):
    deploy(api, name, replicas=3, rollout={"autoRollback": False, "progressDeadline": "1s"})
    api.patch(f"/deployments/{name}", {
        "env": {"SIMULATED_UNHEALTHY": "1"},
        "readinessProbe": {"exec": {"command": ["check"]}, "interval": "100ms"}}).check(200)
    with Watch(api, "?kinds=deployments") as watch:
        found = watch.until(lambda message: message.kind == "deployments"
                            and message.object["name"] == name
                            and message.object["status"]["phase"] == "degraded", within=15)
    assert found.object["status"]["available"] == 3
    assert all(message.object["status"]["available"] == 3 for message in watch.seen
               if message.kind == "deployments" and message.object["name"] == name)
