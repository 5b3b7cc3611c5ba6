"""Idempotency-Key and dryRun."""
import pytest

from harness.objects import deployment


def keyed(key):
    return {"Idempotency-Key": key}


def test_the_first_answer_is_given_again(api, name):
    first = api.post("/deployments", deployment(name, replicas=0), headers=keyed(name)).check(201)
    again = api.post("/deployments", deployment(name, replicas=0), headers=keyed(name)).check(201)
    assert again.json == first.json


def test_another_body_under_the_same_key_is_409(api, name):
    api.post("/deployments", deployment(name, replicas=0), headers=keyed(name)).check(201)
    reply = api.post("/deployments", deployment(f"{name}-b", replicas=0), headers=keyed(name))
    reply.error(409)
    api.get(f"/deployments/{name}-b").error(404)


def test_the_answer_does_not_follow_later_changes(api, name):
    first = api.post("/deployments", deployment(name, replicas=0), headers=keyed(name)).ok(201)
    api.patch(f"/deployments/{name}", {"labels": {"a": "b"}}).check(200)
    again = api.post("/deployments", deployment(name, replicas=0), headers=keyed(name)).ok(201)
    assert again["version"] == first["version"]


def test_an_action_is_done_once(api, name):
    api.post("/deployments", deployment(name, replicas=0)).check(201)
    for _ in range(3):
        api.post(f"/deployments/{name}/restart", headers=keyed(name)).check(200)
    assert api.get(f"/deployments/{name}").ok()["status"]["revision"] == 2


def test_a_key_over_64_characters_is_refused(api, name):
    api.post("/deployments", deployment(name), headers=keyed("k" * 65)).error(400)
    api.get(f"/deployments/{name}").error(404)


def test_the_answer_is_durable_with_the_change(sqlite, name):
    body = deployment(name, replicas=0)
    first = sqlite.api.post("/deployments", body, headers=keyed("durable")).ok(201)
    sqlite.kill()
    sqlite.start()
    again = sqlite.api.post("/deployments", body, headers=keyed("durable")).ok(201)
    assert again["uid"] == first["uid"]


def test_a_dry_run_changes_nothing(api, name, dry=200):
    api.post("/deployments?dryRun=true", deployment(name)).check(dry)
    api.get(f"/deployments/{name}").error(404)
    api.post("/deployments", deployment(name, replicas=0)).check(201)
    before = api.get(f"/deployments/{name}").ok()
    path = f"/deployments/{name}"
    api.patch(f"{path}?dryRun=true", {"image": "a:2"}).check(dry)
    api.put(f"{path}?dryRun=true", deployment(name, image="a:3")).check(dry)
    api.post(f"{path}/scale?dryRun=true", {"replicas": 5}).check(dry)
    api.delete(f"{path}?dryRun=true").check(dry)
    assert api.get(path).ok() == before

