"""If-Match and If-None-Match."""
from harness.objects import deployment


def make(api, name):
    return api.post("/deployments", deployment(name, replicas=0)).ok(201)


def test_a_write_on_the_present_version_is_taken(api, name):
    version = make(api, name)["version"]
    match = {"If-Match": f'"{version}"'}
    changed = api.patch(f"/deployments/{name}", {"labels": {"a": "b"}}, headers=match).ok()
    api.patch(f"/deployments/{name}", {"labels": {"a": "c"}}, headers=match).error(
        412, "PRECONDITION_FAILED")
    assert api.get(f"/deployments/{name}").ok()["version"] == changed["version"]


def test_every_kind_of_write_minds_the_version(api, name):
    make(api, name)
    stale = {"If-Match": '"999999"'}
    path = f"/deployments/{name}"
    for reply in (api.put(path, deployment(name, image="a:2"), headers=stale),
                  api.patch(path, {"image": "a:2"}, headers=stale),
                  api.post(f"{path}/scale", {"replicas": 1}, headers=stale),
                  api.post(f"{path}/restart", headers=stale),
                  api.delete(path, headers=stale)):
        reply.error(412, "PRECONDITION_FAILED")
    assert api.get(path).ok()["status"]["revision"] == 1


def test_a_star_wants_the_object_to_exist(api, name):
    star = {"If-Match": "*"}
    api.put(f"/deployments/{name}", deployment(name), headers=star).error(412)
    api.get(f"/deployments/{name}").error(404)
    make(api, name)
    api.put(f"/deployments/{name}", deployment(name, labels={"a": "b"}), headers=star).check(200)


def test_if_none_match_creates_only(api, name):
    create = {"If-None-Match": "*"}
    api.put(f"/deployments/{name}", deployment(name, replicas=0), headers=create).check(201)
    api.put(f"/deployments/{name}", deployment(name, image="a:2"), headers=create).error(
        412, "PRECONDITION_FAILED")
    assert api.get(f"/deployments/{name}").ok()["image"] == "app/web:1"


def test_without_a_precondition_the_last_write_wins(api, name):
    make(api, name)
    for value in ("one", "two"):
        api.patch(f"/deployments/{name}", {"labels": {"a": value}}).check(200)
    assert api.get(f"/deployments/{name}").ok()["labels"] == {"a": "two"}


def test_a_precondition_that_cannot_be_read_never_passes(api, name):
    make(api, name)
    for value in ("7 or so", '"x"', "W/", '"1'):
        reply = api.patch(f"/deployments/{name}", {"labels": {"a": "b"}},
                          headers={"If-Match": value})
        reply.error(reply.check(400, 412).status)
    assert api.get(f"/deployments/{name}").ok()["labels"] == {}


def test_services_mind_it_too(api, name):
    body = {"name": name, "deployment": "none", "listen": "127.0.0.1:17999"}
    version = api.post("/services", body).ok(201)["version"]
    path = f"/services/{name}"
    api.patch(path, {"drainTimeout": "1s"}, headers={"If-Match": f'"{version + 1}"'}).error(412)
    api.patch(path, {"drainTimeout": "1s"}, headers={"If-Match": f'"{version}"'}).check(200)
    api.delete(path).check(204)
