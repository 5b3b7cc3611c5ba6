"""What changes would do, without making them; and making just that."""
import json

import pytest

from harness.objects import containers, deploy, deployment, wait_complete
from harness.ports import free_port
from harness.rawhttp import connect


def plan(api, *items, status=200):
    reply = api.post("/plan", {"items": list(items)})
    return reply.ok(200) if status == 200 else reply.error(status)


def scale(name, replicas):
    return {"op": "scale", "kind": "deployments", "name": name, "object": {"replicas": replicas}}


def test_a_plan_changes_nothing(api, name):
    deploy(api, name, replicas=2)
    before = api.get(f"/deployments/{name}").ok()
    plan(api, scale(name, 4), {"op": "put", "kind": "deployments", "name": f"{name}-b",
                               "object": deployment(f"{name}-b")})
    after = api.get(f"/deployments/{name}").ok()
    assert (after["version"], after["replicas"]) == (before["version"], before["replicas"])
    api.get(f"/deployments/{name}-b").error(404)
    about = api.get(f"/events?object=deployments/{name}-b").ok()
    assert about["items"] == []


def test_what_is_planned_for_more_replicas_comes_true(api, name):
    deploy(api, name, replicas=2)
    planned = plan(api, scale(name, 4))
    assert planned["changes"] == [{"object": f"deployments/{name}", "path": "replicas",
                                   "from": 2, "to": 4}]
    assert [row["slot"] for row in planned["start"]] == [2, 3] and planned["stop"] == []
    assert planned["newRevision"] is None and planned["unplaced"] == []
    api.post(f"/plan/{planned['token']}/apply").ok(200)
    wait_complete(api, name)
    got = {(item["slot"], item["node"]) for item in containers(api, name)}
    assert {(row["slot"], row["node"]) for row in planned["start"]} <= got and len(got) == 4


def test_the_planned_victims_are_those_that_go(api, name):
    deploy(api, name, replicas=5)
    before = {item["id"] for item in containers(api, name)}
    planned = plan(api, scale(name, 2))
    go = {row["container"] for row in planned["stop"]}
    assert len(go) == 3 and {row["reason"] for row in planned["stop"]} == {"ScaledDown"}
    api.post(f"/plan/{planned['token']}/apply").ok(200)
    wait_complete(api, name)
    left = {item["id"] for item in containers(api, name) if item["state"] == "running"}
    assert left <= before - go


def test_a_rollout_is_planned_in_its_steps(api, name):
    deploy(api, name, replicas=3)
    planned = api.patch(f"/deployments/{name}?dryRun=true", {"image": "app/web:2"}).ok(200)
    assert planned["token"] is None and planned["newRevision"] == 2
    moves = sorted([(row["step"], "start") for row in planned["start"]] +
                   [(row["step"], "stop") for row in planned["stop"]])
    assert [word for _, word in moves] == ["start", "stop"] * 3  # maxSurge 1, maxUnavailable 0
    assert any("tag" in warning for warning in planned["warnings"])


def test_what_fits_nowhere_is_told_in_numbers(api, name):
    planned = api.post("/deployments?dryRun=true",
                       deployment(name, resources={"cpu": "5"})).ok(200)
    row = planned["unplaced"][0]
    assert row["slot"] == 0 and "refused by cpu" in row["why"]
    assert "cpu short by" in row["nearest"]["message"] and "5 asked" in row["nearest"]["message"]


def test_a_node_that_would_be_lost(daemon, name):
    api = daemon.api
    deploy(api, name, replicas=2)
    node = api.get("/nodes").ok()["items"][0]["name"]
    planned = plan(api, {"op": "lose", "kind": "nodes", "name": node})
    mine = [row for row in planned["stop"] if row["deployment"] == name]
    assert {row["reason"] for row in mine} == {"NodeLost"} and len(mine) == 2
    assert [row["slot"] for row in planned["unplaced"] if row["deployment"] == name] == [0, 1]
    assert planned["token"] is None, "it can't be done"
    drained = api.post(f"/nodes/{node}/drain?dryRun=true").ok(200)
    assert {row["path"] for row in drained["changes"]} == {"schedulable", "draining"}
    assert any(row["deployment"] == name for row in drained["unplaced"])
    assert api.get(f"/nodes/{node}").ok()["schedulable"]


def test_an_applied_plan_is_gone_and_a_moved_one_is_refused(api, name):
    deploy(api, name, replicas=1)
    planned = plan(api, scale(name, 2))
    api.patch(f"/deployments/{name}", {"replicas": 3}).check(200)
    wait_complete(api, name)
    refused = api.post(f"/plan/{planned['token']}/apply").error(409)
    assert refused["code"] == "CONFLICT" and "changes" in refused["error"]
    assert api.get(f"/deployments/{name}").ok()["replicas"] == 3
    again = plan(api, scale(name, 2))
    api.post(f"/plan/{again['token']}/apply").ok(200)
    api.post(f"/plan/{again['token']}/apply").error(404)
    api.post("/plan/nothing/apply").error(404)


@pytest.mark.parametrize("body, field", [
    ({"items": []}, "items"),
    ({"items": [{"op": "zap", "kind": "nodes", "name": "a"}]}, "items[0].op"),
    ({"items": [scale("a", -1)]}, "items[0].object.replicas"),
    ({"items": [{"op": "scale", "kind": "nodes", "name": "a"}]}, "items[0].op"),
    ({"items": [scale("a", 1), scale("a", 2)]}, "items[1].name"),
    ({"items": [{"op": "put", "kind": "deployments", "name": "a", "object": {"imag": "x"}}]},
     "items[0].object.imag"),
    ({"items": [scale("a", 1)] * 65}, "items"),
])
def test_faults_name_their_item(api, body, field):
    assert field in api.post("/plan", body).faults()


def test_conditions_and_missing_objects_are_as_without_a_dry_run(api, name):
    plan(api, scale(name, 1), status=404)
    api.post(f"/deployments/{name}/scale?dryRun=true", {"replicas": 1}).error(404)
    deploy(api, name, replicas=1)
    api.put(f"/deployments/{name}?dryRun=true", deployment(name),
            headers={"If-Match": '"99"'}).error(412)
    api.post("/deployments?dryRun=true", deployment(name)).error(409)
    api.post("/plan?dryRun=true", {"items": [scale(name, 1)]}).error(400)


def test_services_say_what_is_left_of_them(api, name):
    deploy(api, name, replicas=2)
    lacking = api.post("/services?dryRun=true", {"name": name, "deployment": f"{name}-no",
                                                 "listen": f"127.0.0.1:{free_port()}"}).ok(200)
    assert any("which there is not" in warning for warning in lacking["warnings"])
    assert not any(item["name"] == name for item in api.get("/services").ok()["items"])


def test_items_of_a_plan_are_judged_together_and_made_together(api, name):
    deploy(api, name, replicas=1)
    listen = f"127.0.0.1:{free_port()}"

    def service(suffix, where):
        return {"op": "put", "kind": "services", "name": f"{name}-{suffix}",
                "object": {"deployment": name, "listen": where, "targetPort": 80}}
    taken = plan(api, scale(name, 2), service("a", listen), service("b", listen), status=409)
    assert "items[2]" in taken["error"]
    planned = plan(api, scale(name, 2), service("a", listen))
    api.post("/services", {"name": f"{name}-c", "deployment": name, "targetPort": 80,
                          "listen": listen}).check(201)
    refused = api.post(f"/plan/{planned['token']}/apply").error(409)
    assert refused["code"] == "CONFLICT" and listen in refused["error"]
    assert api.get(f"/deployments/{name}").ok()["replicas"] == 1
    api.delete(f"/services/{name}-c").check(204)


@pytest.mark.parametrize("gone", [False, True], ids=["asking", "gone"])
def test_the_daemon_ends_cleanly_in_the_middle_of_a_plan(daemon, name, gone):
    """Under a sanitizer: with nothing left behind."""
    deploy(daemon.api, name, replicas=1)
    body = json.dumps({"items": [scale(name, 20000)]})
    with connect(daemon.port) as client:
        client.sendall((f"POST /api/v1/plan HTTP/1.1\r\nHost: x\r\nX-API-Key: {daemon.key}\r\n"
                        "Content-Type: application/json\r\n"
                        f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
        if not gone:
            daemon.stop()
    if gone:
        daemon.stop()
