"""Row D3: a full disk refuses writes, harms nothing, and is over when there is room again."""
import subprocess

import pytest

from harness.daemon import Daemon
from harness.objects import containers, deploy, deployment
from harness.wait import eventually

CYCLES = 5


@pytest.fixture
def small(root, tmp_path):
    """A daemon whose state lies on a file system of 8 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", place], check=True)
    daemon = Daemon(tmp_path / "daemon", {"store": {"plugin": "sqlite"},
                                          "stateDir": str(place / "state")})
    daemon.state = place / "state"
    try:
        yield daemon.start(), place / "filler"
        daemon.stop()
    finally:
        daemon.discard()
        subprocess.run(["umount", place], check=True)


def fill(path):
    """Takes all the room there is."""
    with open(path, "wb", buffering=0) as filler:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    filler.write(b"x" * size)
            except OSError:
                pass


def write_until_refused(api, prefix, made):
    """Adds what is acknowledged to `made`; the first reply that is no 201."""
    for number in range(5000):
        name = f"{prefix}-{number}"
        reply = api.post("/deployments", deployment(name, replicas=0))
        if reply.status != 201:
            return reply
        made.add(name)
    raise AssertionError("a full disk took 5000 writes")


@pytest.mark.limit(120)
def test_a_full_disk_refuses_writes_and_nothing_else(small, name):
    daemon, filler = small
    api, made = daemon.api, set()
    before = deploy(api, name, replicas=2)
    running = {item["runtimeId"] for item in containers(api, name)}
    for cycle in range(CYCLES):
        fill(filler)
        write_until_refused(api, f"c{cycle}", made).error(503, "UNAVAILABLE")
        assert api.get(f"/deployments/{name}").ok()["uid"] == before["uid"]
        assert {item["runtimeId"] for item in containers(api, name)} == running
        assert daemon.open.get("/healthz").status == 200
        filler.unlink()
        wanted = f"after-{cycle}"
        eventually(lambda: api.put(f"/deployments/{wanted}", deployment(
            wanted, replicas=0)).status in (200, 201), 10, "a write that is taken again")
        made.add(wanted)
    daemon.restart()
    present = {item["name"] for item in daemon.api.items("/deployments?limit=5000&fields=name")}
    assert made <= present, f"acknowledged and lost: {sorted(made - present)[:10]}"
    assert present - made == {name}, "a refused write is there"
