"""The one node: what it tells, and cordon, drain and labels."""
import pytest

from harness.objects import containers, deploy, deployment, status_of, wait_complete, wait_phase
from harness.wait import eventually


@pytest.fixture
def node(api):
    yield "/nodes/node-1"
    api.post("/nodes/node-1/uncordon").check(200)


def test_the_local_node_is_ready_with_the_runtimes_resources(api):
    found = api.items("/nodes")
    assert [item["name"] for item in found] == ["node-1"]
    node = api.get("/nodes/node-1").ok()
    assert (node["state"], node["schedulable"], node["draining"]) == ("ready", True, False)
    assert node["capacity"] == {"cpu": "4", "memory": "16Gi"}
    assert node["reserved"] == {"cpu": "100m", "memory": "256Mi"}
    assert node["runtime"]["plugin"] == "simulated" and node["lastHeartbeatAt"]
    assert {"address", "labels", "version", "seq"} <= set(node)


def test_what_containers_ask_for_is_allocated(daemon, name):
    deploy(daemon.api, name, replicas=3, resources={"cpu": "250m", "memory": "64Mi"})
    node = daemon.api.get("/nodes/node-1").ok()
    assert node["allocated"] == {"cpu": "750m", "memory": "192Mi"} and node["containers"] == 3


def test_a_cordoned_node_takes_nothing_new_and_keeps_what_it_has(api, node, name):
    deploy(api, name)
    before = containers(api, name)[0]["id"]
    assert api.post(f"{node}/cordon").ok()["schedulable"] is False
    api.post(f"/deployments/{name}/scale", {"replicas": 2}).check(200)
    found = wait_phase(api, name, "pending", "degraded", "progressing")["status"]
    assert found["current"] == 1
    eventually(lambda: status_of(api, name)["reason"] == "Unschedulable", what="Unschedulable")
    assert [item["id"] for item in containers(api, name)] == [before]
    assert api.post(f"{node}/uncordon").ok()["schedulable"] is True
    assert wait_complete(api, name)["status"]["available"] == 2


def test_a_drained_node_is_left_by_its_containers(api, node, name):
    deploy(api, name, replicas=2)
    drained = api.post(f"{node}/drain", {"deadline": "2s"}).ok()
    assert drained["draining"] is True and drained["schedulable"] is False
    eventually(lambda: containers(api, name) == [], within=15, what="an empty node")
    assert status_of(api, name)["reason"] == "Unschedulable"
    api.post(f"{node}/uncordon").check(200)
    assert wait_complete(api, name)["status"]["available"] == 2


def test_labels_are_patched_and_constrain_what_is_placed(api, name):
    api.post("/deployments", deployment(name, placement={"constraints": [
        {"label": "zone", "op": "in", "values": [name]}]})).check(201)
    wait_phase(api, name, "pending")
    before = api.get("/nodes/node-1").ok()["version"]
    patched = api.patch("/nodes/node-1", {"labels": {"zone": name}}).ok()
    assert patched["labels"]["zone"] == name and patched["version"] > before
    wait_complete(api, name)
    assert "zone" not in api.patch("/nodes/node-1", {"labels": {"zone": None}}).ok()["labels"]


def test_only_labels_of_a_node_can_be_patched(api):
    assert api.patch("/nodes/node-1", {"lables": {"a": "b"}}).faults()
    assert api.patch("/nodes/node-1", {"labels": {"bad key": "b"}}).faults()


def test_a_ready_node_cannot_be_deleted(api):
    api.delete("/nodes/node-1").error(409, "INVALID_STATE")
    assert api.get("/nodes/node-1").ok()["state"] == "ready"


@pytest.mark.parametrize("constraint, fits", (
    ({"label": "disk", "op": "in", "values": ["ssd", "nvme"]}, True),
    ({"label": "disk", "op": "in", "values": ["hdd"]}, False),
    ({"label": "disk", "op": "notIn", "values": ["hdd"]}, True),
    ({"label": "disk", "op": "notIn", "values": ["ssd"]}, False),
    ({"label": "disk", "op": "exists"}, True), ({"label": "gpu", "op": "exists"}, False),
    ({"label": "gpu", "op": "notExists"}, True), ({"label": "disk", "op": "notExists"}, False),
    ({"label": "rack", "op": "gt", "values": ["4"]}, True),
    ({"label": "rack", "op": "gt", "values": ["5"]}, False),
    ({"label": "rack", "op": "lt", "values": ["10"]}, True),
    ({"label": "rack", "op": "lt", "values": ["5"]}, False)))
def test_constraints_by_label(api, name, constraint, fits):
    api.patch("/nodes/node-1", {"labels": {"disk": "ssd", "rack": "5"}}).check(200)
    body = deployment(name, placement={"constraints": [constraint]})
    api.post("/deployments", body).check(201)
    assert wait_phase(api, name, "complete", "pending")["status"]["available"] == int(fits)
