"""The watch: what is present, then every change in order."""
import time

import pytest

from harness.objects import deploy, deployment, remove, service, wait_complete
from harness.ports import free_listen
from harness.stream import Watch

KINDS = {"deployments", "containers", "nodes", "services", "events"}


def synced(watch):
    return watch.until(lambda message: message.kind == "synced")


def of(messages, kind, key, value):
    return [message for message in messages
            if message.kind == kind and message.object.get(key) == value]


def test_the_present_comes_first_and_then_synced(api, name):
    deploy(api, name, replicas=2)
    with Watch(api) as watch:
        end = synced(watch)
    assert isinstance(end.data["seq"], int)
    assert all(message.type == "added" for message in watch.seen[:-1])
    assert len(of(watch.seen, "deployments", "name", name)) == 1
    assert len(of(watch.seen, "containers", "deployment", name)) == 2
    assert len(of(watch.seen, "nodes", "name", "node-1")) == 1


def test_changes_come_in_order_by_seq(api, name):
    with Watch(api, "?kinds=deployments,containers") as watch:
        last = synced(watch).data["seq"]
        deploy(api, name, replicas=3)
        api.post(f"/deployments/{name}/scale", {"replicas": 1}).check(200)
        wait_complete(api, name)
        changes = watch.drain()
    for message in changes:
        assert message.id >= last, "out of order"
        assert message.type == "removed" or message.id == message.object["seq"]
        last = message.id
    own = of(changes, "deployments", "name", name)
    assert own[0].type == "added" and own[-1].object["status"]["phase"] == "complete"
    assert {message.kind for message in changes} <= {"deployments", "containers"}


def test_what_is_gone_is_told(api, name):
    deploy(api, name)
    with Watch(api) as watch:
        synced(watch)
        remove(api, name)
        gone = watch.until(lambda message: message.kind == "deployments"
                           and message.type == "removed")
        assert gone.object["name"] == name
        assert any(message.type == "removed"
                   for message in of(watch.seen, "containers", "deployment", name))


def test_a_watch_goes_on_from_a_seq(api, name):
    since = api.get("/deployments").ok()["seq"]
    deploy(api, name)
    with Watch(api, f"?since={since}") as watch:
        found = watch.until(lambda message: message.kind == "deployments"
                            and message.object["name"] == name
                            and message.object["status"]["phase"] == "complete")
        assert all(message.id is None or message.id > since for message in watch.seen)
    assert found.id > since


def test_a_watch_resumes_by_its_last_event_id(api, name):
    with Watch(api, "?kinds=deployments") as watch:
        synced(watch)
        deploy(api, name)
        last = watch.until(lambda message: message.kind == "deployments").id
    deploy(api, f"{name}-b")
    with Watch(api, "?kinds=deployments", headers={"Last-Event-ID": str(last)}) as watch:
        watch.until(lambda message: message.kind == "deployments"
                    and message.object["name"] == f"{name}-b")
        assert all(message.id > last for message in watch.seen if message.kind == "deployments")


def test_kinds_are_chosen(api, name):
    api.post("/services", service(name, free_listen())).check(201)
    with Watch(api, "?kinds=services,nodes") as watch:
        synced(watch)
    assert {message.kind for message in watch.seen} == {"services", "nodes", "synced"}


def test_one_deployment_is_chosen(api, name):
    deploy(api, name)
    deploy(api, f"{name}-b")
    with Watch(api, f"?kinds=deployments,containers&deployment={name}") as watch:
        synced(watch)
    seen = [message for message in watch.seen if message.kind != "synced"]
    assert {message.object.get("deployment", message.object["name"] if message.kind ==
                               "deployments" else None) for message in seen} == {name}


def test_a_selector_chooses(api, name):
    deploy(api, name, labels={"pick": name})
    deploy(api, f"{name}-b")
    with Watch(api, f"?kinds=deployments&selector=pick={name}") as watch:
        synced(watch)
    assert [message.object["name"] for message in watch.seen
            if message.kind == "deployments"] == [name]


def test_events_are_streamed(api, name):
    with Watch(api, "?kinds=events") as watch:
        synced(watch)
        deploy(api, name)
        found = watch.until(lambda message: message.kind == "events"
                            and message.object["object"] == f"deployments/{name}")
    assert found.id == found.object["seq"]


@pytest.mark.limit(30)
def test_a_quiet_watch_sends_a_comment_every_fifteen_seconds(api):
    with Watch(api, "?kinds=services") as watch:
        synced(watch)
        begun = time.monotonic()
        watch.until(lambda message: message.kind == "comment", within=18)
        assert time.monotonic() - begun <= 16.5


def test_a_watch_from_nowhere_is_refused_or_resynced(api):
    api.get("/watch?kinds=nothing").error(400, "VALIDATION_FAILED")
    api.get("/watch?since=x").error(400, "VALIDATION_FAILED")
    future = api.get("/deployments").ok()["seq"] + 1_000_000
    with Watch(api, f"?kinds=nodes&since={future}") as watch:
        watch.until(lambda message: message.kind in ("resync", "synced"))


def test_a_watch_too_far_behind_is_resynced_on_the_same_connection(daemon, name):
    api = daemon.api
    api.post("/deployments", deployment(name, replicas=0)).check(201)
    daemon.restart()
    api = daemon.api
    api.post("/deployments", deployment(name, replicas=0)).check(201)
    with Watch(api, "?kinds=deployments&since=1") as watch:
        watch.until(lambda message: message.kind == "deployments"
                    and message.object["name"] == name)


def test_two_watchers_see_the_same(api, name):
    since = api.get("/deployments").ok()["seq"]
    query = f"?kinds=deployments&deployment={name}&since={since}"
    with Watch(api, query) as one, Watch(api, query) as two:
        deploy(api, name, replicas=2)
        remove(api, name)
        for watch in (one, two):
            watch.until(lambda message: message.kind == "deployments"
                        and message.type == "removed")
    assert one.seen[-1].id == two.seen[-1].id


def test_a_watch_that_nobody_reads_delays_no_write(api, name):
    watches = [Watch(api) for _ in range(20)]
    try:
        api.post("/deployments", deployment(name, replicas=0)).check(201)
        for number in range(50):
            api.patch(f"/deployments/{name}", {"labels": {"n": str(number)}}).check(200)
    finally:
        for watch in watches:
            watch.close()


def test_all_kinds_are_watched_without_asking(api, name):
    deploy(api, name)
    api.post("/services", service(name, free_listen(), targetPort=80)).check(201)
    with Watch(api) as watch:
        synced(watch)
        deploy(api, f"{name}-b")
        watch.until(lambda message: message.kind == "events")
    assert {message.kind for message in watch.seen} - {"synced"} == KINDS
