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


def strategy(name, **more):
    return {"strategy": name, "promotion": {"auto": False, "after": "0s"}, **more}


def awaits_promotion(api, name):
    def look():
        status = api.get(f"/deployments/{name}").ok()["status"]
        assert status["reason"] == "AwaitingPromotion", status
        return status
    return eventually(look, 15, "the gate")


def test_a_canary_waits_for_its_promotion(api, name):
    deploy(api, name, replicas=4, rollout=strategy("canary", canary={"replicas": "25%"}))
    api.post(f"/deployments/{name}/promote").error(409, "INVALID_STATE")
    api.patch(f"/deployments/{name}", {"image": "app/web:2"}).check(200)
    status = awaits_promotion(api, name)
    assert (status["updated"], status["available"], status["phase"]) == (1, 4, "progressing")
    api.post(f"/deployments/{name}/promote").check(200)
    wait_complete(api, name)
    assert {item["image"] for item in containers(api, name)
            if item["state"] == "running"} == {"app/web:2"}


def test_blue_green_has_both_sets_until_it_is_aborted(api, name):
    deploy(api, name, replicas=2, rollout=strategy("blue-green"))
    old = {item["id"] for item in containers(api, name)}
    api.patch(f"/deployments/{name}", {"image": "app/web:2"}).check(200)
    status = awaits_promotion(api, name)
    assert (status["current"], status["updated"]) == (4, 2)
    api.post(f"/deployments/{name}/abort").check(200)
    wait_complete(api, name)
    eventually(lambda: {item["id"] for item in containers(api, name)} == old, what="the old set")


def test_rollouts_leave_receipts(api, name):
    deploy(api, name, replicas=2)
    api.patch(f"/deployments/{name}", {"image": "missing/web:1"}).check(200)
    assert api.items(f"/deployments/{name}/rollouts")[1]["outcome"] is None
    eventually(lambda: api.get(f"/deployments/{name}").ok()["status"]["phase"] == "rolled-back", 20)
    first, failed, back = api.items(f"/deployments/{name}/rollouts")
    assert (first["outcome"], first["from"], first["strategy"]) == ("completed", None, "rolling")
    assert (failed["outcome"], failed["from"], failed["reason"]) == ("rolled-back", 1,
                                                                     "ImagePullFailed")
    assert failed["message"] and failed["startedAt"] <= failed["endedAt"]
    assert failed["new"] == {"served": None, "failed": None, "p50Ms": None, "p99Ms": None}
    assert (back["revision"], back["cause"]) == (3, "automatic rollback to 1")
    api.get("/deployments/none/rollouts").error(404, "NOT_FOUND")


@pytest.mark.parametrize("rollout, field", (
    ({"strategy": "canry"}, "rollout.strategy"), ({"maxErrorRate": 5}, "rollout.maxErrorRate"),
    ({"canary": {"traffic": "101%"}}, "rollout.canary.traffic"),
    ({"steps": []}, "rollout.steps"), ({"before": {}}, "rollout.before")))
def test_a_wrong_rollout_is_refused_by_its_field(api, name, rollout, field):
    refused = api.post("/deployments", {"name": name, "image": "app/web:1", "rollout": rollout})
    assert field in str(refused.error(400, "VALIDATION_FAILED"))
