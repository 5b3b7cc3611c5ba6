"""What PUT replaces and what PATCH merges."""
from harness.objects import deploy, deployment


def test_put_makes_what_is_missing(api, name):
    reply = api.put(f"/deployments/{name}", {"image": "app/web:1", "replicas": 0}).check(201)
    assert reply.json["name"] == name


def test_put_keeps_replicas_that_it_does_not_mention(api, name):
    deploy(api, name, replicas=3)
    kept = api.put(f"/deployments/{name}", {"image": "app/web:1", "labels": {"a": "b"}}).ok()
    assert kept["replicas"] == 3
    assert api.put(f"/deployments/{name}", deployment(name, replicas=1)).ok()["replicas"] == 1


def test_fields_that_put_leaves_out_take_their_defaults(api, name):
    api.post("/deployments", deployment(name, replicas=0, labels={"a": "b"}, env={"A": "1"},
                                        stopGracePeriod="3s")).check(201)
    put = api.put(f"/deployments/{name}", {"image": "app/web:1"}).ok()
    assert put["labels"] == {} and put["env"] == {} and put["stopGracePeriod"] == "10s"


def test_the_name_in_a_body_is_left_out_or_that_of_the_path(api, name):
    assert "name" in api.put(f"/deployments/{name}", deployment("other")).faults()
    api.put(f"/deployments/{name}", deployment(name, replicas=0)).check(201)
    assert "name" in api.patch(f"/deployments/{name}", {"name": "other"}).faults()
    api.patch(f"/deployments/{name}", {"name": name}).check(200)


def test_what_get_returns_can_be_put_back(api, name):
    deploy(api, name, replicas=2, labels={"a": "b"},
           ports=[{"name": "http", "containerPort": 80}],
           readinessProbe={"exec": {"command": ["true"]}}, resources={"cpu": "10m"},
           placement={"maxPerNode": 9})
    before = api.get(f"/deployments/{name}").ok()
    after = api.put(f"/deployments/{name}", before).ok()
    assert after["version"] == before["version"]


def test_what_get_returns_of_a_service_can_be_put_back(api, name):
    api.post("/services", {"name": name, "deployment": "none",
                           "listen": "127.0.0.1:17998"}).check(201)
    before = api.get(f"/services/{name}").ok()
    assert api.put(f"/services/{name}", before).ok()["version"] == before["version"]
    api.delete(f"/services/{name}").check(204)


def test_patch_merges_objects_and_replaces_arrays(api, name):
    api.post("/deployments", deployment(
        name, replicas=0, labels={"a": "1", "b": "2"},
        ports=[{"name": "x", "containerPort": 1}, {"name": "y", "containerPort": 2}])).check(201)
    patched = api.patch(f"/deployments/{name}", {
        "labels": {"b": None, "c": "3"}, "ports": [{"name": "z", "containerPort": 3}]}).ok()
    assert patched["labels"] == {"a": "1", "c": "3"}
    assert [port["name"] for port in patched["ports"]] == ["z"]


def test_null_in_a_patch_puts_the_default_back(api, name):
    api.post("/deployments", deployment(name, replicas=0, stopGracePeriod="3s",
                                        readinessProbe={"exec": {"command": ["true"]}})).check(201)
    patched = api.patch(f"/deployments/{name}", {"stopGracePeriod": None,
                                                 "readinessProbe": None}).ok()
    assert patched["stopGracePeriod"] == "10s" and patched["readinessProbe"] is None


def test_a_patch_is_checked_as_a_whole(api, name):
    api.post("/deployments", deployment(name, replicas=0,
                                        ports=[{"name": "http", "containerPort": 80}],
                                        readinessProbe={"tcp": {"port": "http"}})).check(201)
    assert api.patch(f"/deployments/{name}", {"ports": []}).faults()
    assert api.patch(f"/deployments/{name}", {"image": None}).faults()
    assert api.patch(f"/deployments/{name}", {"rollout": {"maxSurge": 0}}).faults()


def test_patch_of_what_is_missing_is_404(api, name):
    api.patch(f"/deployments/{name}", {"labels": {"a": "b"}}).error(404, "NOT_FOUND")


def test_a_patch_that_is_no_object_is_refused(api, name):
    api.post("/deployments", deployment(name, replicas=0)).check(201)
    for body in ([], "text", 1, None):
        api.patch(f"/deployments/{name}", b"null" if body is None else body).error(400)


def test_read_only_fields_are_accepted_and_ignored(api, name):
    made = api.post("/deployments", deployment(
        name, replicas=0, uid="mine", version=99, seq=99, createdAt="2001-01-01T00:00:00.000Z",
        status={"phase": "complete", "ready": 99})).ok(201)
    assert made["uid"] != "mine" and made["version"] != 99
    assert not made["createdAt"].startswith("2001") and made["status"]["ready"] == 0


def test_the_mode_cannot_be_changed(api, name):
    api.post("/deployments", deployment(name, replicas=0)).check(201)
    reply = api.patch(f"/deployments/{name}", {"mode": "global"})
    reply.error(reply.check(400, 409).status)
    assert api.get(f"/deployments/{name}").ok()["mode"] == "replicated"
