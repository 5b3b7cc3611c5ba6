"""Who changed what, or was refused."""
from harness.objects import deploy, deployment
from harness.wait import eventually


def entries(api, about, **filters):
    query = "&".join(f"{key}={value}" for key, value in {"object": about, **filters}.items())
    return api.items(f"/audit?{query}")


def refusals(api, about, count):
    """Nobody waits for them to be durable."""
    def there():
        found = [entry for entry in entries(api, about) if entry["result"] != "OK"]
        return len(found) >= count and found
    return eventually(there, what=f"{count} refusals of {about}")


def test_each_change_is_noted_with_who_what_and_version(api, name):
    about = f"deployments/{name}"
    api.post("/deployments", deployment(name), headers={"X-Request-Id": f"r-{name}"}).check(201)
    api.post(f"/deployments/{name}/scale", {"replicas": 2}).check(200)
    api.put(f"/deployments/{name}", deployment(name, replicas=2)).check(200)  # changes nothing
    api.delete(f"/deployments/{name}").check(202)
    found = entries(api, about)
    assert [entry["verb"] for entry in found] == ["create", "scale", "delete"]
    assert [entry["version"] for entry in found] == [1, 2, 3]
    assert {(entry["by"], entry["result"]) for entry in found} == {("key:admin", "OK")}
    assert found[0]["request"] == f"r-{name}"
    assert [entry["seq"] for entry in found] == sorted(entry["seq"] for entry in found)
    assert entries(api, about, verb="scale")[0]["detail"] == "scaled from 1 to 2 replicas"


def test_refused_changes_are_noted_with_their_code(api, name):
    about = f"deployments/{name}"
    api.post("/deployments", deployment(name)).check(201)
    api.post("/deployments", deployment(name)).error(409)
    api.put(f"/deployments/{name}", deployment(name), headers={"If-Match": '"9"'}).error(412)
    api.post(f"/deployments/{name}/rollback", {"revision": 7}).error(404)
    api.get(f"/deployments/{name}-no").error(404)
    api.post("/deployments?dryRun=true", deployment(name)).error(409)
    found = refusals(api, about, 3)
    assert [(entry["verb"], entry["result"]) for entry in found] == [
        ("create", "ALREADY_EXISTS"), ("replace", "PRECONDITION_FAILED"), ("rollback", "NOT_FOUND")]
    assert all(entry["version"] == 0 and entry["detail"] for entry in found)
    assert entries(api, f"deployments/{name}-no") == [], "a look changes nothing"


def test_what_is_declared_is_not_repeated(api, name):
    canary = f"canary-{name}"
    api.post("/deployments", deployment(name, env={"PASSWORD": canary})).check(201)
    api.put(f"/deployments/{name}", deployment(name, env={"PASS=WORD": canary})).error(400)
    refusals(api, f"deployments/{name}", 1)
    assert canary not in api.get("/audit?limit=5000").check(200).text


def test_it_survives_a_restart(sqlite, name):
    deploy(sqlite.api, name, replicas=1)
    first = entries(sqlite.api, f"deployments/{name}")
    sqlite.restart()
    assert first and entries(sqlite.api, f"deployments/{name}") == first


def test_it_keeps_ten_times_as_many_as_there_are_events(make_daemon, name):
    api = make_daemon({"events": {"limit": 100}}).api
    api.post("/deployments", deployment(name, replicas=0)).check(201)
    for number in range(1100):
        api.patch(f"/deployments/{name}", {"labels": {"n": str(number)}}).check(200)
    page = api.get("/audit?order=desc&limit=1").ok()
    assert 1000 <= page["total"] <= 1002 and page["items"][0]["version"] == 1101
    assert entries(api, f"deployments/{name}", verb="create") == []


def test_a_page_goes_on_where_the_last_one_ended(api, name):
    for number in range(3):
        api.post("/deployments", deployment(f"{name}-{number}", replicas=0)).check(201)
    objects = ",".join(f"deployments/{name}-{number}" for number in range(3))
    page = api.get(f"/audit?object={objects}&limit=2").ok()
    assert page["total"] == 3 and len(page["items"]) == 2
    rest = api.get(f"/audit?object={objects}&after={page['items'][-1]['seq']}").ok()
    assert [entry["object"] for entry in rest["items"]] == [f"deployments/{name}-2"]
    api.post("/audit", {}).error(405)
    api.delete("/audit").error(405)
