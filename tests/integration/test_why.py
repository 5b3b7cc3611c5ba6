"""Why: what a deployment waits for, how the nodes answer, and changes that do help."""
import pytest

from harness.objects import deploy, deployment, first_container, remove, wait_complete, wait_phase
from harness.wait import eventually


def why(api, name, query=""):
    return api.get(f"/deployments/{name}/why{query}").ok()


def waiting(api, name, **changes):
    api.post("/deployments", deployment(name, **changes)).check(201)
    eventually(lambda: api.get(f"/deployments/{name}").ok()["status"]["reason"] == "Unschedulable",
               what="a pass that finds no room")
    return why(api, name)


def checks(answer, node="node-1"):
    row = next(row for row in answer["nodes"] if row["node"] == node)
    return {check["filter"]: check for check in row["checks"]}


def apply(api, name, fix):
    if fix["patch"]:
        api.patch(f"/deployments/{name}", fix["patch"]).check(200)
    else:
        action = fix["action"]
        api.request(action["method"], action["path"], base="").check(200)
    wait_complete(api, name)
    remove(api, name)  # the next one finds the room again


def test_what_is_complete_waits_for_nothing(api, name):
    deploy(api, name)
    answer = why(api, name)
    assert answer["phase"] == "complete" and answer["waitsFor"].startswith("nothing")
    assert answer["containers"] == [] and answer["fixes"] == []
    assert answer["nodes"][0]["fits"] and answer["nodesThatFit"] == answer["nodesTotal"] == 1


@pytest.mark.parametrize("resource, asked", [("memory", "64Gi"), ("cpu", "64")])
def test_what_is_short_is_told_in_numbers_and_the_fix_helps(api, name, resource, asked):
    answer = waiting(api, name, resources={resource: asked})
    check = checks(answer)[resource]
    assert not check["ok"] and check["asked"] - check["free"] == check["short"] > 0
    assert "short by" in check["message"]
    assert "1 more replica" in answer["waitsFor"]
    (fix,) = answer["fixes"]
    assert f"fits if {resource} <= " in fix["message"]
    apply(api, name, fix)


def test_both_resources_short_are_one_fix(api, name):
    (fix,) = waiting(api, name, resources={"cpu": "64", "memory": "64Gi"})["fixes"]
    assert set(fix["patch"]["resources"]) == {"cpu", "memory"}
    apply(api, name, fix)


def test_a_constraint_that_no_node_meets_is_named(api, name):
    constraints = [{"label": "zone", "op": "in", "values": ["nowhere"]},
                   {"label": "nope", "op": "notExists"}]
    answer = waiting(api, name, placement={"constraints": constraints})
    assert not checks(answer)["constraints"]["ok"]
    (fix,) = answer["fixes"]
    assert "zone" in fix["message"]
    kept = fix["patch"]["placement"]["constraints"]
    assert [constraint["label"] for constraint in kept] == ["nope"]
    apply(api, name, fix)


def test_max_per_node_that_would_do_is_told(api, name):
    api.post("/deployments",
             deployment(name, replicas=3, placement={"maxPerNode": 2})).check(201)
    wait_phase(api, name, "pending")
    (fix,) = why(api, name)["fixes"]
    assert fix["message"] == "fits if maxPerNode >= 3"
    apply(api, name, fix)


def test_a_host_port_that_is_taken_is_told(api, name):
    port = {"name": "a", "containerPort": 80, "hostPort": 18080}
    deploy(api, f"{name}-a", ports=[port])
    answer = waiting(api, name, ports=[port])
    assert "18080" in checks(answer)["ports"]["message"]
    (fix,) = answer["fixes"]
    assert fix["patch"]["ports"][0]["hostPort"] is None
    apply(api, name, fix)


def test_a_cordoned_node_is_a_fix_by_an_action(api, name):
    api.post("/nodes/node-1/cordon").check(200)
    try:
        answer = waiting(api, name)
        assert not checks(answer)["schedulable"]["ok"]
        (fix,) = answer["fixes"]
        assert fix["patch"] is None and "node-1" in fix["message"]
        apply(api, name, fix)
    finally:
        api.post("/nodes/node-1/uncordon").check(200)


def test_a_fix_is_told_only_when_it_does_help(api, name):
    """Short of memory, and no label would make it fit as well."""
    constraints = [{"label": "zone", "op": "in", "values": ["nowhere"]}]
    answer = waiting(api, name, resources={"memory": "64Gi"},
                     placement={"constraints": constraints})
    assert answer["fixes"] == []


def test_a_container_that_is_not_ready_says_why(api, name):
    api.post("/deployments", deployment(
        name, env={"SIMULATED_UNHEALTHY": "1"},
        readinessProbe={"exec": {"command": ["check"]}, "interval": "100ms"})).check(201)
    row = eventually(lambda: [row for row in why(api, name)["containers"] if row["message"]],
                     what="a probe's result")[0]
    assert row["container"] == first_container(api, name)["id"] and not row["ready"]
    assert "exit code" in row["message"]


def test_one_node_can_be_asked_for(api, name):
    deploy(api, name)
    assert [row["node"] for row in why(api, name, "?node=node-1")["nodes"]] == ["node-1"]
    api.get(f"/deployments/{name}/why?node=nope").error(404, "NOT_FOUND")


def test_what_is_not_there_is_404(api):
    api.get("/deployments/nope/why").error(404, "NOT_FOUND")
