"""What real containers use, as the engine counts it."""
from conftest import IMAGES

from harness.objects import containers, wait_complete
from harness.wait import eventually

MIB = 1 << 20


def test_a_busy_container_uses_its_limit_and_an_idle_one_nothing(api):
    # The idle container's program is a sleep: it does nothing as long as it is there.
    for name, command in (("busy", "while :; do :; done"), ("idle", "sleep 100000")):
        api.post("/deployments", {
            "name": name, "image": IMAGES[0], "command": ["sh", "-c", command], "stopSignal": "SIGKILL",
            "resources": {"cpuLimit": "200m", "memory": "32Mi"}}).check(201)
        wait_complete(api, name, 30)
    busy, idle = (containers(api, name)[0]["id"] for name in ("busy", "idle"))

    def figures():
        found = {item["object"]: item for item in api.items("/stats?node=node-1")}
        used, spare = (found.get(f"containers/{container}") for container in (busy, idle))
        assert used and spare and used["cpuMillis"] > spare["cpuMillis"], found
        assert 0 < used["memoryBytes"] < 32 * MIB and 0 < spare["memoryBytes"] < 32 * MIB
        return found
    found = eventually(figures, within=30, what="figures of both")
    assert found["nodes/node-1"]["memoryBytes"] >= found[f"containers/{busy}"]["memoryBytes"]
