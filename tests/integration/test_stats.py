"""/stats: what containers use. The simulated runtime uses a hundredth of a core and half of the
reservation."""
import pytest

from harness.objects import deploy, first_container
from harness.orchctl import Orchctl
from harness.wait import eventually

FIGURES = ("cpuMillis", "memoryBytes", "networkInBytesPerSecond", "networkOutBytesPerSecond")


@pytest.fixture(scope="module")
def web(shared):
    """Two containers that have been looked at twice."""
    deploy(shared.api, "web", replicas=2, resources={"memory": "64Mi"})
    eventually(lambda: {item["object"]: item for item in shared.api.items("/stats")}.get(
        "deployments/web", {}).get("memoryBytes") == 64 << 20, what="figures of both")
    return shared.api


def test_nodes_and_deployments_are_the_sums_of_their_containers(web):
    reply = web.get("/stats").ok()
    assert reply["next"] is None and reply["total"] == len(reply["items"])
    found = {item["object"]: item for item in reply["items"]}
    assert list(found) == sorted(found) == ["deployments/web", "nodes/node-1"]
    for item in found.values():
        assert item["memoryBytes"] == 64 << 20 and 18 <= item["cpuMillis"] <= 22, item
        assert item["name"] == item["object"].partition("/")[2]
        series = item["series"]
        assert series["step"] == "10s" and {len(series[name]) for name in FIGURES} <= {0, 90}


def test_of_one_deployment_or_node_the_containers_come_too(web):
    ids = sorted(item["id"] for item in web.items("/containers?deployment=web"))
    wanted = [f"containers/{container}" for container in ids]
    assert [item["object"] for item in web.items("/stats?deployment=web")] == [*wanted, "deployments/web"]
    assert [item["object"] for item in web.items("/stats?node=node-1")] == [*wanted, "nodes/node-1"]
    assert web.items("/stats?node=node-9") == web.items("/stats?deployment=none") == []


def test_a_containers_series_ends_with_its_latest_point(web):
    container = first_container(web, "web")["id"]
    found = web.get(f"/containers/{container}/stats?since=20s").ok()
    assert found["memoryBytes"] == 32 << 20 and found["object"] == f"containers/{container}"
    assert found["series"]["memoryBytes"][-1] == 32 << 20
    coarse = web.get(f"/containers/{container}/stats?since=20s&step=20s").ok()["series"]
    assert (coarse["step"], coarse["memoryBytes"]) == ("20s", [32 << 20])


@pytest.mark.parametrize("query", ["since=5s", "since=16m", "step=15s", "since=soon", "step=0s"])
def test_spans_that_no_series_has_are_refused(web, query):
    assert query.partition("=")[0] in web.get(f"/stats?{query}").faults()


def test_what_is_not_there_is_not_found(web):
    web.get("/containers/nothing-0-abcdef/stats").error(404)


def test_top_shows_what_is_used(shared, web, tmp_path):
    ctl = Orchctl(shared, tmp_path)
    nodes = ctl.ok("top")
    assert "CPU USED" in nodes and "64Mi" in nodes.splitlines()[1], nodes
    rows = ctl.ok("top", "containers", "web").splitlines()
    assert len(rows) == 3 and all("32Mi" in row for row in rows[1:]), rows
    assert ctl.ok("top", "containers").splitlines() == rows
