"""A deployment's life, from POST to 404."""
import pytest

from harness.objects import (containers, deploy, deployment, remove, status_of, wait_complete,
                             wait_gone, wait_phase)
from harness.wait import eventually, throughout


NEVER_READY = {"image": "app/web:2", "env": {"SIMULATED_UNHEALTHY": "1"},
               "readinessProbe": {"exec": {"command": ["check"]}, "interval": "100ms"}}


def test_a_deployment_becomes_complete(api, name):
    api.post("/deployments", deployment(name, replicas=3)).check(201)
    status = wait_complete(api, name)["status"]
    counts = {word: status[word] for word in
              ("desired", "current", "updated", "ready", "available", "stopping", "restarts")}
    assert counts == {"desired": 3, "current": 3, "updated": 3, "ready": 3, "available": 3,
                      "stopping": 0, "restarts": 0}
    assert status["rolledBackFrom"] is None and status["message"] is not None


def test_no_replicas_are_complete_at_once(api, name):
    deploy(api, name, replicas=0)
    assert containers(api, name) == []


def test_scaling_up_and_down_reaches_the_number(api, name):
    deploy(api, name)
    for replicas in (7, 2, 0, 3):
        api.post(f"/deployments/{name}/scale", {"replicas": replicas}).check(200)
        wait_complete(api, name)
        eventually(lambda: len(containers(api, name)) == replicas, what=f"{replicas} containers")


def test_scaling_down_keeps_the_containers_that_stay(api, name):
    deploy(api, name, replicas=5)
    before = {item["id"] for item in containers(api, name)}
    api.post(f"/deployments/{name}/scale", {"replicas": 2}).check(200)
    eventually(lambda: len(containers(api, name)) == 2, what="two containers")
    assert {item["id"] for item in containers(api, name)} < before


def test_fifty_replicas_become_complete(daemon, name):
    deploy(daemon.api, name, replicas=50, within=30)
    slots = [item["slot"] for item in containers(daemon.api, name)]
    assert len(slots) == len(set(slots)) == 50


def test_an_update_replaces_every_container(api, name):
    deploy(api, name, replicas=3)
    before = {item["id"] for item in containers(api, name)}
    api.patch(f"/deployments/{name}", {"image": "app/web:2"}).check(200)
    wait_complete(api, name)
    eventually(lambda: len(containers(api, name)) == 3, what="three containers")
    after = containers(api, name)
    assert {item["image"] for item in after} == {"app/web:2"}
    assert {item["revision"] for item in after} == {2}
    assert not before & {item["id"] for item in after}, "a new revision is a new record"


def test_a_restart_makes_a_revision_of_the_same_content(api, name):
    before = deploy(api, name, replicas=2)
    old = {item["id"] for item in containers(api, name)}
    restarted = api.post(f"/deployments/{name}/restart").ok()
    assert restarted["status"]["revision"] == 2 and restarted["image"] == before["image"]
    wait_complete(api, name)
    eventually(lambda: not old & {item["id"] for item in containers(api, name)}, what="new ones")


def test_a_rollback_brings_the_content_back_under_a_new_number(api, name):
    deploy(api, name)
    api.patch(f"/deployments/{name}", {"image": "app/web:2"}).check(200)
    wait_complete(api, name)
    back = api.post(f"/deployments/{name}/rollback", {"revision": 1}).ok()
    assert back["image"] == "app/web:1" and back["status"]["revision"] == 3
    wait_complete(api, name)
    again = api.post(f"/deployments/{name}/rollback").ok()
    assert again["image"] == "app/web:2" and again["status"]["revision"] == 4


def test_a_rollback_to_nothing_is_refused(api, name):
    deploy(api, name)
    api.post(f"/deployments/{name}/rollback", {"revision": 9}).error(404, "NOT_FOUND")
    api.post(f"/deployments/{name}/rollback").error(409)
    assert status_of(api, name)["revision"] == 1


def test_revisions_are_listed(api, name):
    deploy(api, name)
    for number in (2, 3):
        api.patch(f"/deployments/{name}", {"image": f"app/web:{number}"}).check(200)
        wait_complete(api, name)
    listed = api.items(f"/deployments/{name}/revisions")
    assert sorted(item["number"] for item in listed) == [1, 2, 3]


def test_revisions_say_what_they_changed(api, name):
    deploy(api, name, env={"A": "1", "B": "2"})
    api.patch(f"/deployments/{name}", {"image": "app/web:2", "env": {"A": None, "C": "3"}}).check(200)
    wait_complete(api, name)
    api.patch(f"/deployments/{name}", {"resources": {"cpu": "10m"}}).check(200)
    listed = api.items(f"/deployments/{name}/revisions")
    assert listed[0]["changes"] == []
    assert listed[1]["changes"] == [
        {"path": "image", "from": "app/web:1", "to": "app/web:2"},
        {"path": "env.A", "from": "1", "to": None}, {"path": "env.C", "from": None, "to": "3"}]
    assert listed[2]["changes"] == [{"path": "resources.cpu", "from": "0", "to": "10m"}]
    between = api.get(f"/deployments/{name}/diff?from=3&to=1").ok()
    assert (between["from"], between["to"]) == (3, 1)
    assert {"path": "image", "from": "app/web:2", "to": "app/web:1"} in between["changes"]
    latest = api.get(f"/deployments/{name}/diff").ok()
    assert (latest["from"], latest["to"]) == (2, 3) and len(latest["changes"]) == 1
    api.get(f"/deployments/{name}/diff?from=9").error(404, "NOT_FOUND")
    api.get(f"/deployments/{name}/diff?from=x").error(400, "VALIDATION_FAILED")
    api.get("/deployments/none/diff").error(404, "NOT_FOUND")


def test_an_aborted_rollout_leaves_the_old_containers(api, name):
    deploy(api, name, replicas=3)
    old = {item["id"] for item in containers(api, name)}
    api.post(f"/deployments/{name}/abort").error(409, "INVALID_STATE")
    api.patch(f"/deployments/{name}", NEVER_READY).check(200)
    eventually(lambda: len(containers(api, name)) == 4, what="the surge")
    aborted = api.post(f"/deployments/{name}/abort").ok()
    assert aborted["status"]["revision"] == 3 and aborted["env"] == {}
    wait_complete(api, name)
    eventually(lambda: {item["id"] for item in containers(api, name)} == old, what="the old ones")


def test_the_history_of_revisions_is_bounded(api, name):
    deploy(api, name, replicas=1, revisionHistory=2)
    for number in range(2, 7):
        api.patch(f"/deployments/{name}", {"image": f"app/web:{number}"}).check(200)
        wait_complete(api, name)
    eventually(lambda: len(api.items(f"/deployments/{name}/revisions")) <= 3, what="few revisions")
    assert status_of(api, name)["revision"] == 6


def test_a_paused_deployment_rolls_out_nothing_until_it_is_resumed(api, name):
    deploy(api, name, replicas=2)
    api.post(f"/deployments/{name}/pause").check(200)
    assert status_of(api, name)["phase"] == "paused"
    api.patch(f"/deployments/{name}", {"image": "app/web:2"}).check(200)
    throughout(lambda: {item["image"] for item in containers(api, name)} == {"app/web:1"}, 0.5,
               "the old image")
    api.post(f"/deployments/{name}/resume").check(200)
    wait_complete(api, name)
    eventually(lambda: {item["image"] for item in containers(api, name)} == {"app/web:2"},
               what="only the new image")


def test_a_global_deployment_has_one_container_on_each_node(api, name):
    api.post("/deployments", deployment(name, mode="global")).check(201)
    assert wait_complete(api, name)["status"]["desired"] == 1
    assert [item["node"] for item in containers(api, name)] == ["node-1"]


def test_what_fits_nowhere_is_pending_and_says_so(api, name):
    api.post("/deployments", deployment(name, resources={"cpu": 100})).check(201)
    found = wait_phase(api, name, "pending")["status"]
    assert found["reason"] == "Unschedulable" and found["message"]
    assert found["current"] == 0 and containers(api, name) == []
    api.patch(f"/deployments/{name}", {"resources": {"cpu": "10m"}}).check(200)
    wait_complete(api, name)


def test_what_fits_in_part_runs_in_part(api, name):
    api.post("/deployments", deployment(name, replicas=50, resources={"memory": "1Gi"})).check(201)
    found = eventually(lambda: status_of(api, name)["available"] >= 10 and status_of(api, name))
    assert found["available"] < 16, "16Gi less the reserve hold at most 15"
    remove(api, name)


def test_max_per_node_is_kept(api, name):
    api.post("/deployments", deployment(name, replicas=4, placement={"maxPerNode": 2})).check(201)
    eventually(lambda: status_of(api, name)["available"] == 2, what="two available")
    throughout(lambda: status_of(api, name)["current"] == 2, 0.3, "two on the node")


def test_an_image_that_cannot_be_pulled_is_told(api, name):
    api.post("/deployments", deployment(name, image="missing/web:1")).check(201)
    found = eventually(lambda: [item for item in containers(api, name)
                                if item["reason"] == "ImagePullFailed"], what="ImagePullFailed")
    assert found[0]["message"] and not found[0]["ready"]
    assert status_of(api, name)["phase"] in ("pending", "progressing")
    api.patch(f"/deployments/{name}", {"image": "app/web:1"}).check(200)
    wait_complete(api, name)


def test_a_failed_rollout_is_rolled_back_by_itself(api, name):
    before = deploy(api, name, replicas=2, rollout={"progressDeadline": "1s"})
    api.patch(f"/deployments/{name}", NEVER_READY).check(200)
    found = wait_phase(api, name, "rolled-back", within=20)
    assert found["image"] == "app/web:1" and found["version"] > before["version"] + 1
    assert found["status"]["rolledBackFrom"]["revision"] == 2
    assert found["status"]["rolledBackFrom"]["reason"] and found["status"]["revision"] == 3
    assert found["status"]["available"] == 2
    api.patch(f"/deployments/{name}", {"image": "app/web:3"}).check(200)
    wait_complete(api, name)


def test_without_automatic_rollback_a_failed_rollout_is_degraded(api, name):
    deploy(api, name, replicas=2, rollout={"progressDeadline": "1s", "autoRollback": False})
    api.patch(f"/deployments/{name}", NEVER_READY).check(200)
    found = wait_phase(api, name, "degraded", within=20)
    assert found["image"] == "app/web:2" and found["status"]["available"] == 2


def test_a_change_during_a_rollout_replaces_it(api, name):
    deploy(api, name, replicas=3)
    api.patch(f"/deployments/{name}", {"image": "slow/web:1"}).check(200)
    api.patch(f"/deployments/{name}", {"image": "app/web:3"}).check(200)
    found = wait_complete(api, name)
    assert found["status"]["revision"] == 3
    assert {item["image"] for item in containers(api, name)
            if item["state"] == "running"} == {"app/web:3"}


def test_labels_reach_the_object_and_its_selector(api, name):
    deploy(api, name, labels={"team": name})
    assert [item["name"] for item in api.items(f"/deployments?selector=team={name}")] == [name]


def test_a_container_that_keeps_ending_makes_its_deployment_degraded(api, name):
    deploy(api, name, rollout={"autoRollback": False, "progressDeadline": "1s"})
    api.patch(f"/deployments/{name}", {"image": "crash/web:1"}).check(200)
    wait_phase(api, name, "degraded")


@pytest.mark.parametrize("image, reason", (("missing/web:1", "ImagePullFailed"),
                                           ("crash/web:1", "CrashLoop")))
@pytest.mark.parametrize("strategy", ("rolling", "recreate"))
def test_new_containers_that_fail_are_rolled_back_before_the_deadline(api, name, image, reason,
                                                                      strategy):
    deploy(api, name, replicas=2, rollout={"strategy": strategy},
           restartPolicy={"backoff": "400ms", "maxBackoff": "400ms"})
    old = {item["id"] for item in containers(api, name)}
    api.patch(f"/deployments/{name}", {"image": image}).check(200)
    found = wait_phase(api, name, "rolled-back", within=20)
    assert found["image"] == "app/web:1" and found["status"]["available"] == 2
    assert found["status"]["rolledBackFrom"]["reason"] == reason
    if reason == "ImagePullFailed":
        assert {item["id"] for item in containers(api, name)} >= old, "no old one was touched"
        assert api.items(f"/events?object=deployments/{name}&reason=ImagePullFailed")


STUBBORN = {"env": {"SIMULATED_IGNORE_SIGTERM": "1"}, "stopGracePeriod": "2s"}


@pytest.fixture
def deleting(api, name):
    deploy(api, name, replicas=2, **STUBBORN)
    reply = api.delete(f"/deployments/{name}").check(202)
    assert reply.json["name"] == name and reply.json["status"]["phase"] == "deleting"
    return name


def test_a_deleted_deployment_answers_until_its_last_container_is_gone(api, deleting):
    found = api.get(f"/deployments/{deleting}").ok()
    assert found["status"]["phase"] == "deleting"
    wait_gone(api, f"/deployments/{deleting}")
    assert containers(api, deleting) == []


def test_writes_to_a_name_that_is_deleting_are_refused(api, deleting):
    path = f"/deployments/{deleting}"
    for reply in (api.post("/deployments", deployment(deleting)),
                  api.put(path, deployment(deleting)),
                  api.patch(path, {"image": "app/web:2"}),
                  api.post(f"{path}/scale", {"replicas": 5}),
                  api.post(f"{path}/restart"), api.post(f"{path}/pause")):
        reply.error(409, "INVALID_STATE")
    wait_gone(api, path)
    deploy(api, deleting)


def test_a_paused_and_a_pending_deployment_can_be_deleted(api, name):
    deploy(api, name)
    api.post(f"/deployments/{name}/pause").check(200)
    remove(api, name)
    api.post("/deployments", deployment(name, resources={"cpu": 100})).check(201)
    remove(api, name)
