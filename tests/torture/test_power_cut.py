"""Row D1: power cuts. CYCLES by ORCH_POWER_CUTS (12)."""
import http.client
import os
import random
import threading
import time

import power
import pytest
from engines import FakeEngine

from harness import processes
from harness.client import Client
from harness.daemon import Daemon
from harness.wait import eventually

CYCLES = int(os.environ.get("ORCH_POWER_CUTS", "12"))
WRITERS = 4


class Creator(threading.Thread):
    """Creates objects until the daemon no longer acknowledges."""

    def __init__(self, daemon, name):
        super().__init__(daemon=True)
        self.api, self.name, self.made = Client(daemon.port, daemon.key, timeout=5), name, []

    def run(self):
        try:
            for number in range(10 ** 6):
                name = f"{self.name}-{number}"
                body = {"name": name, "image": "local/none:1", "replicas": 0}
                if self.api.post("/deployments", body).status != 201:
                    return
                self.made.append(name)
        except (OSError, http.client.HTTPException):
            return


def write_and_cut(daemon, disk, chance, cycle):
    creators = [Creator(daemon, f"c{cycle}-{number}") for number in range(WRITERS)]
    for creator in creators:
        creator.start()
    eventually(lambda: sum(len(creator.made) for creator in creators) >= 20, what="writes")
    time.sleep(chance.uniform(0, 0.3))
    disk.cut()
    for creator in creators:
        creator.join(20)
    processes.kill_marked(daemon.mark)      # the proxy, too: the machine is off
    eventually(lambda: not daemon.left(), what="end of every process")
    daemon.process.wait(20)
    disk.restore()
    return {name for creator in creators for name in creator.made}


def present(api):
    names, after = set(), ""
    while after is not None:
        page = api.get(f"/deployments?limit=5000&fields=name{after}").ok()
        names.update(item["name"] for item in page["items"])
        after = f"&after={page['next']}" if page["next"] else None
    return names


def cycles(daemon, disk, count, seed):
    """(acknowledged, lost) over `count` power cuts."""
    chance, acknowledged, lost = random.Random(seed), set(), 0
    for cycle in range(count):
        written = write_and_cut(daemon, disk, chance, cycle)
        daemon.start()
        found = present(daemon.api)
        lost += len((acknowledged | written) - found)
        acknowledged = (acknowledged | written) & found
        assert written, "nothing was written, so nothing is proven"
    return len(acknowledged) + lost, lost


@pytest.fixture
def disk():
    reason = power.why_impossible()
    if reason:
        pytest.skip(f"no power can be cut here: {reason}")
    made = power.Disk()
    yield made
    made.finish()


@pytest.fixture
def on_disk(disk, tmp_path):
    running = FakeEngine().start()
    daemons = []

    def start(environment=None):
        daemon = Daemon(tmp_path / "daemon", {
            "stateDir": str(disk.place / "state"), "store": {"plugin": "sqlite"},
            "runtime": {"plugin": "docker", "config": {"endpoint": running.endpoint}},
        }, environment)
        daemon.state = disk.place / "state"
        daemons.append(daemon)
        return daemon.start()
    yield start
    for daemon in daemons:
        daemon.discard()
    running.finish()


@pytest.mark.limit(60 + CYCLES * 10)
def test_no_acknowledged_write_is_lost_by_a_power_cut(disk, on_disk, capsys):
    acknowledged, lost = cycles(on_disk(), disk, CYCLES, seed=1)
    with capsys.disabled():
        print(f"\npower cuts {CYCLES}: {lost} of {acknowledged} acknowledged writes lost "
              f"(below {3 / CYCLES:.0%} of cuts at 95 %)")
    assert lost == 0


@pytest.mark.limit(90)
def test_the_control_without_syncs_does_lose(disk, on_disk, faulty, capsys):
    """Else the test above could not fail."""
    daemon = on_disk({**faulty, "ORCH_FAULTY_SYNCHRONOUS": "NORMAL"})
    acknowledged, lost = cycles(daemon, disk, 3, seed=2)
    with capsys.disabled():
        print(f"\ncontrol, synchronous=NORMAL, power cuts 3: {lost} of {acknowledged} lost")
    assert lost > 0
