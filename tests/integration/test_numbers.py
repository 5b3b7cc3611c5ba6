"""The three numbers: version, seq and revision; and the uid."""
from harness.objects import containers, deploy, deployment, remove, wait_complete


def test_a_new_deployment_has_version_and_revision_one(api, name):
    created = api.post("/deployments", deployment(name)).check(201)
    assert created.headers["Location"] == f"/api/v1/deployments/{name}"
    assert created.json["version"] == created.etag
    assert created.json["status"]["revision"] == 1
    assert created.json["seq"] <= int(created.headers["X-Seq"])


def test_status_moves_seq_and_never_version(api, name):
    created = api.post("/deployments", deployment(name, replicas=2)).ok(201)
    done = wait_complete(api, name)
    assert done["version"] == created["version"]
    assert done["seq"] > created["seq"]


def test_a_change_of_the_template_moves_all_three(api, name):
    before = deploy(api, name)
    after = api.patch(f"/deployments/{name}", {"image": "app/web:2"}).ok()
    assert after["version"] > before["version"] and after["seq"] > before["seq"]
    assert after["status"]["revision"] == before["status"]["revision"] + 1


def test_scale_and_labels_move_the_version_but_make_no_revision(api, name):
    before = deploy(api, name)
    scaled = api.post(f"/deployments/{name}/scale", {"replicas": 2}).ok()
    labelled = api.patch(f"/deployments/{name}", {"labels": {"team": "shop"}}).ok()
    surged = api.patch(f"/deployments/{name}", {"rollout": {"maxSurge": 2}}).ok()
    versions = [item["version"] for item in (before, scaled, labelled, surged)]
    assert versions == sorted(set(versions))
    assert {item["status"]["revision"] for item in (scaled, labelled, surged)} == {1}


TEMPLATE = (("command", ["a"]), ("args", ["b"]), ("workingDir", "/tmp"), ("env", {"A": "1"}),
            ("ports", [{"name": "p", "containerPort": 1}]), ("resources", {"cpu": "10m"}),
            ("security", {"user": "1000"}), ("readinessProbe", {"exec": {"command": ["true"]}}),
            ("restartPolicy", {"backoff": "1s"}), ("stopSignal", "SIGINT"),
            ("stopGracePeriod", "3s"), ("containerLabels", {"a": "b"}),
            ("containerAnnotations", {"a": "b"}))
OUTSIDE = (("annotations", {"a": "b"}), ("revisionHistory", 5),
           ("placement", {"maxPerNode": 100}), ("rollout", {"minReady": "1s"}))


def test_each_field_of_the_template_makes_a_revision(api, name):
    revision = api.post("/deployments", deployment(name, replicas=0)).ok(201)["status"]["revision"]
    for field, value in TEMPLATE:
        made = api.patch(f"/deployments/{name}", {field: value}).ok()["status"]["revision"]
        assert made == revision + 1, f"{field} made {made} of {revision}"
        revision = made


def test_fields_outside_the_template_make_none(api, name):
    api.post("/deployments", deployment(name, replicas=0)).check(201)
    for field, value in OUTSIDE:
        changed = api.patch(f"/deployments/{name}", {field: value}).ok()
        assert changed["status"]["revision"] == 1, field


def test_a_put_that_changes_nothing_moves_nothing(api, name):
    deploy(api, name, labels={"a": "b"})
    before = api.get(f"/deployments/{name}").ok()
    reply = api.put(f"/deployments/{name}", deployment(name, labels={"a": "b"}))
    assert reply.check(200).json["version"] == before["version"]
    assert reply.json["seq"] == before["seq"]
    assert api.get(f"/deployments/{name}").ok() == before


def test_a_patch_and_a_scale_that_change_nothing_move_nothing(api, name):
    before = deploy(api, name)
    for reply in (api.patch(f"/deployments/{name}", {}),
                  api.patch(f"/deployments/{name}", {"image": before["image"]}),
                  api.post(f"/deployments/{name}/scale", {"replicas": 1})):
        assert (reply.ok()["version"], reply.json["seq"]) == (before["version"], before["seq"])


def test_a_name_made_again_has_another_uid(api, name):
    first = deploy(api, name)
    remove(api, name)
    second = deploy(api, name)
    assert first["uid"] != second["uid"] and second["seq"] > first["seq"]


def test_the_etag_is_the_version(api, name):
    deploy(api, name)
    reply = api.get(f"/deployments/{name}").check(200)
    assert reply.etag == reply.json["version"]
    changed = api.patch(f"/deployments/{name}", {"labels": {"a": "b"}}).check(200)
    assert changed.etag == changed.json["version"] > reply.etag


def test_seq_is_one_counter_for_everything(api, name):
    deploy(api, name)
    seqs = [api.get(f"/deployments/{name}").ok()["seq"], containers(api, name)[0]["seq"]]
    total = api.get("/deployments").ok()["seq"]
    assert len(set(seqs)) == 2 and max(seqs) <= total < 2 ** 53


def test_a_reply_shows_no_older_specs_status(api, name):
    deploy(api, name)
    for replicas in (3, 1, 4, 2):
        reply = api.post(f"/deployments/{name}/scale", {"replicas": replicas}).ok()
        assert reply["status"]["desired"] == replicas
        assert reply["status"]["observedVersion"] == reply["version"]


def test_a_read_after_a_write_sees_it(api, name):
    api.post("/deployments", deployment(name, replicas=0)).check(201)
    for number in range(30):
        version = api.patch(f"/deployments/{name}", {"labels": {"n": str(number)}}).ok()["version"]
        seen = api.get(f"/deployments/{name}").ok()
        assert seen["labels"] == {"n": str(number)} and seen["version"] == version
