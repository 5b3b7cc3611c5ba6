"""What the cluster tells of itself: plugins, summary, configuration, problems."""
import json

from harness.objects import deploy, deployment
from harness.wait import eventually


def test_the_loaded_plugins_are_listed(api):
    found = {(item["interface"], item["name"]): item for item in api.items("/plugins")}
    for key in (("orch.store/1", "memory"), ("orch.runtime/1", "simulated"),
                ("orch.scheduler/1", "spread"), ("orch.balancer/1", "round-robin")):
        assert key in found, found.keys()
        assert {"id", "version", "path", "state", "message"} <= set(found[key])
        assert found[key]["path"].endswith(".so")


def test_the_cluster_is_summed_up(daemon, name):
    api = daemon.api
    deploy(api, name, replicas=3)
    api.post("/deployments", deployment(f"{name}-b", resources={"cpu": 100})).check(201)

    def settled():
        found = api.get("/cluster").ok()
        return found["summary"]["deployments"].get("pending") == 1 and found
    found = eventually(settled, what="one pending deployment")
    assert {"version", "uptimeSeconds", "leader", "seq", "summary"} <= set(found)
    summary = found["summary"]
    assert summary["deployments"]["complete"] == 1
    assert summary["containers"]["running"] == 3 and summary["nodes"]["ready"] == 1
    assert (summary["desired"], summary["ready"]) == (4, 3)


def test_the_loss_of_the_only_node_is_no_problem_but_not_survived(daemon, name):
    api = daemon.api

    def known():
        found = api.get("/cluster").ok()["survives"]
        return found["anyNode"] is not None and not found["outdated"] and found
    empty = eventually(known, what="an answer")
    assert empty["anyNode"] is True and empty["unplaced"] == []
    deploy(api, name, replicas=2)
    found = eventually(lambda: (found := known()) and not found["anyNode"] and found, what="a no")
    assert (found["nodesChecked"], found["nodesNotSurvived"]) == (1, 1)
    assert found["seq"] > empty["seq"] and found["at"] > empty["at"]
    row = found["unplaced"][0]
    assert (row["deployment"], row["replicas"], found["unplacedTotal"]) == (name, 2, 1)
    assert "refused by ready" in row["why"]
    assert api.items("/problems") == [], "one node alone is what was asked for"


def test_the_configuration_is_shown_with_origins_and_without_secrets(make_daemon):
    key = "canary" * 8
    daemon = make_daemon({"api": {"key": key}}, environment={"ORCHD_EVENTS_LIMIT": "777"})
    reply = daemon.api.get("/config").check(200)
    text = json.dumps(reply.json)
    assert key not in text and "777" in text
    assert "ORCHD_EVENTS_LIMIT" in text, "the origin of an override"
    assert str(daemon.config_path) in text, "the origin of what the file says"


def test_problems_name_what_is_wrong(daemon, name):
    daemon.api.post("/deployments", deployment(name, image="missing/web:1")).check(201)

    def problem():
        return [item for item in daemon.api.items("/problems") if name in item["object"]]
    found = eventually(problem, what="a problem")[0]
    assert {"object", "reason", "message", "since", "fix"} <= set(found)
    assert found["message"]


def test_a_healthy_cluster_has_no_problems(daemon, name):
    deploy(daemon.api, name)
    eventually(lambda: daemon.api.items("/problems") == [], what="no problem")


def test_the_openapi_document_knows_the_routes(shared):
    document = shared.open.get("/openapi.json").ok()
    assert document["openapi"].startswith("3.1")
    paths = set(document["paths"])
    for path in ("/deployments", "/containers", "/nodes", "/services", "/events", "/watch"):
        assert any(known.endswith(path) for known in paths), (path, paths)


def test_the_openapi_document_names_the_dry_run_of_every_write_that_has_one(shared):
    paths = shared.open.get("/openapi.json").ok()["paths"]
    having = {path: {parameter["name"] for parameter in operation["parameters"]}
              for path, item in paths.items() for verb, operation in item.items()
              if verb == "post"}
    assert "dryRun" in having["/api/v1/deployments"]
    assert "dryRun" not in having["/api/v1/plan"]
