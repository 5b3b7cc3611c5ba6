"""Events: their order, causes and filters."""
from harness.objects import deploy, deployment, wait_complete
from harness.wait import eventually


def of(api, name, more=""):
    return api.items(f"/events?object=deployments/{name}&limit=1000{more}")


def test_an_event_tells_what_the_contract_says(api, name):
    deploy(api, name)
    events = eventually(lambda: of(api, name), what="events")
    for event in events:
        assert {"seq", "at", "type", "reason", "object", "message", "cause", "count"} <= set(event)
        assert event["type"] in ("normal", "warning") and event["object"] == f"deployments/{name}"
        assert event["reason"] and event["message"] and event["count"] >= 1


def test_events_come_in_order_and_backwards_where_asked(api, name):
    deploy(api, name)
    api.patch(f"/deployments/{name}", {"image": "app/web:2"}).check(200)
    wait_complete(api, name)
    forward = [event["seq"] for event in api.items("/events?limit=5000")]
    assert forward == sorted(forward) and len(set(forward)) == len(forward)
    backward = [event["seq"] for event in api.items("/events?order=desc&limit=5000")]
    assert backward == sorted(backward, reverse=True)


def test_events_come_in_pages(api, name):
    deploy(api, name)
    first = api.get("/events?limit=3").ok()
    second = api.get(f"/events?limit=3&after={first['next']}").ok()
    assert len(first["items"]) == 3 and second["items"]
    assert second["items"][0]["seq"] > first["items"][-1]["seq"]


def test_filters_choose_and_join(api, name):
    deploy(api, name)
    api.post("/deployments", deployment(f"{name}-b", image="crash/web:1")).check(201)
    both = f"object=deployments/{name},deployments/{name}-b"
    assert {event["object"] for event in api.items(f"/events?{both}")} == {
        f"deployments/{name}", f"deployments/{name}-b"}
    warnings = eventually(lambda: api.items("/events?type=warning"), what="a warning")
    assert {event["type"] for event in warnings} == {"warning"}
    reason = warnings[0]["reason"]
    assert {event["reason"] for event in api.items(f"/events?reason={reason}")} == {reason}


def test_a_users_change_is_caused_by_a_request(api, name):
    deploy(api, name)
    causes = [event["cause"] for event in of(api, name) if event["cause"]]
    assert any("request" in cause and cause.get("by") for cause in causes), causes


def test_what_follows_is_caused_by_an_event(api, name):
    deploy(api, name)
    seqs = {event["seq"] for event in api.items("/events?limit=5000")}
    caused = [event for event in api.items("/events?limit=5000")
              if event["cause"] and "event" in event["cause"]]
    assert caused, "no event has an event as its cause"
    assert all(event["cause"]["event"] in seqs and event["cause"]["event"] < event["seq"]
               for event in caused)


def test_events_survive_a_restart(sqlite, name):
    deploy(sqlite.api, name)
    before = {event["seq"] for event in of(sqlite.api, name)}
    sqlite.restart()
    assert before and before <= {event["seq"] for event in of(sqlite.api, name)}


def test_events_are_bounded(make_daemon, name):
    api = make_daemon({"events": {"limit": 100}}).api
    api.post("/deployments", deployment(name, replicas=0)).check(201)
    for number in range(150):
        api.patch(f"/deployments/{name}", {"image": f"a:{number}"}).check(200)
    eventually(lambda: api.get("/events").ok()["total"] <= 100, what="at most 100 events")
