"""Row R8: dockerd is killed under a running orchestrator and comes back; nothing is doubled or lost,
with live-restore (its containers run on) and without (they end when it is back)."""
import collections
import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest
from conftest import IMAGES, Served, remove_everything, settings

from harness.daemon import Daemon
from harness.engine import Engine
from harness.image import layer
from harness.load import Load
from harness.wait import eventually

KILLS = int(os.environ.get("ORCH_ENGINE_KILLS", "1"))   # of each case
REPLICAS = 3
LONGEST = 90


class Case:
    """An engine that is killed, a daemon that is not, and a service on both."""

    def __init__(self, live_restore, folder):
        self.folder = Path(tempfile.mkdtemp(prefix="oe"))
        self.engine = Engine(self.folder, live_restore).start()
        for number, image in enumerate(IMAGES, start=1):
            self.engine.import_image(image, layer(number), ["/serve"])
        self.foreign = self.engine.run("foreign", IMAGES[0], {"com.example": "not-ours"},
                                       ["sleep", "100000"])
        self.daemon = Daemon(folder, settings(self.engine)).start()
        self.served = Served(self.daemon, "web", REPLICAS)

    def crash(self):
        self.engine.crash()
        assert self.daemon.api.get("/deployments/web").status == 200
        self.engine.start()

    def ours(self):
        return [item for item in self.engine.containers() if item["Id"] != self.foreign]

    def identities(self):
        return {made: self.engine.identity(made) for made in self.served.runtime_ids()}

    def restarts(self):
        return {item["id"]: item["restarts"] for item in self.served.containers()}

    def settle(self):
        """Each record has its one container, and nothing else of ours runs."""
        self.served.settle(REPLICAS, LONGEST)

        def same():
            running = [item for item in self.ours() if item["State"] == "running"]
            assert sorted(item["Id"] for item in running) == self.served.runtime_ids(), running
            owners = collections.Counter(item["Labels"]["orchestrator.container"]
                                         for item in self.ours())
            assert set(owners) == self.served.ids(), f"orphans: {owners}"
            return True
        eventually(same, LONGEST, "records and containers that agree")

    def finish(self):
        try:
            remove_everything(self.daemon)
            eventually(lambda: not self.ours(), LONGEST, "an engine with nothing of ours")
            self.daemon.stop()
        finally:
            self.daemon.discard()
            self.discard_engine()

    def discard_engine(self):
        try:
            for item in self.engine.containers():
                self.engine.remove(item["Id"])
        finally:
            self.engine.finish()
            shutil.rmtree(self.folder)


@pytest.fixture
def case(request, tmp_path):
    made = Case(request.param, tmp_path / "daemon")
    yield made
    made.finish()


both = pytest.mark.parametrize("case", [False, True], indirect=True, ids=["plain", "live-restore"])


@pytest.mark.limit(120 + 60 * KILLS)
@pytest.mark.parametrize("case", [False], indirect=True, ids=["plain"])
def test_what_ended_with_the_engine_is_restarted_once(case):
    for _ in range(KILLS):
        before = case.restarts()
        case.crash()
        eventually(lambda: case.restarts() == {key: count + 1 for key, count in before.items()},
                   LONGEST, f"one restart of each after {before}")
        case.settle()
        assert case.restarts() == {key: count + 1 for key, count in before.items()}


@pytest.mark.limit(120 + 60 * KILLS)
@pytest.mark.parametrize("case", [True], indirect=True, ids=["live-restore"])
def test_what_outlived_the_engine_is_not_touched(case):
    before, restarts = case.identities(), case.restarts()
    with Load(case.served.port) as load:
        for _ in range(KILLS):
            case.crash()
            case.settle()
    load.check(at_least=100)
    assert case.identities() == before and case.restarts() == restarts
    assert case.engine.inspect(case.foreign)["State"]["Running"]


@both
@pytest.mark.limit(120 + 90 * KILLS)
def test_a_rollout_goes_on_once_the_engine_is_back(case):
    chance = random.Random(8)
    for number in range(KILLS):
        case.daemon.api.patch("/deployments/web", {"env": {"ROUND": str(number)}}).check(200)
        steps = chance.randrange(1, 4)      # of the rollout, before the engine is killed
        seen = {item["Id"] for item in case.ours()}
        eventually(lambda: len({item["Id"] for item in case.ours()} - seen) >= steps,
                   LONGEST, f"{steps} new containers")
        case.crash()
        case.settle()
        for runtime_id in case.served.runtime_ids():
            assert f"ROUND={number}" in case.engine.inspect(runtime_id)["Config"]["Env"]
