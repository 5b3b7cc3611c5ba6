"""The driver is believed because it finds what is wrong when something is."""
import pytest
from engines import FakeEngine
from ledger import Ledger, audit
from world import LABEL, World
from writers import Writer

from harness.objects import deployment
from harness.wait import eventually


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path / "ledger")
    yield made
    made.close()


def write_some(daemon, ledger):
    daemon.api.post("/deployments", deployment("w0", replicas=0)).check(201)
    writer = Writer(daemon, ledger, "w0", [])
    writer.start()
    eventually(lambda: ledger.acknowledged >= 30, what="acknowledged writes")
    writer.end()
    writer.join(20)


def kinds(ledger, daemon):
    return {kind for kind, _ in audit(ledger, daemon.api, ["w0"])}


def test_what_is_as_it_was_acknowledged_is_no_fault(sqlite, ledger):
    write_some(sqlite, ledger)
    assert kinds(ledger, sqlite) == set()


def test_a_store_that_forgets_is_found(daemon, ledger):
    write_some(daemon, ledger)
    daemon.kill()
    daemon.start()      # its store is in memory
    assert kinds(ledger, daemon) == {"lost"}


def test_an_action_done_twice_is_found(sqlite, ledger):
    write_some(sqlite, ledger)
    sqlite.api.post("/deployments/w0/restart").check(200)
    assert kinds(ledger, sqlite) == {"dup"}


def test_an_object_that_nobody_was_told_of_is_found(sqlite, ledger):
    write_some(sqlite, ledger)
    sqlite.api.post("/deployments", deployment("w0-9999", replicas=0)).check(201)
    assert kinds(ledger, sqlite) == {"dup"}


@pytest.fixture
def world():
    engine = FakeEngine().start()
    made = World(engine, 1)
    made.set_up()
    yield made
    made.traffic.end()
    made.discard()
    engine.finish()


def test_two_live_containers_of_one_record_are_found(world):
    labels = dict(next(item["Labels"] for item in world.engine.containers()))
    world.engine.plant_stray({**labels, LABEL + "incarnation": "0"})
    eventually(lambda: world.violations["double"], 10, "the finding")


def test_a_container_that_is_made_anew_is_found(world):
    world.engine.client.ok("POST", "/_exit", {"container": world.still[0][0], "code": 1})
    eventually(lambda: world._identities() != world.still, 20, "another container")
    world.check()
    assert world.violations["touched"] == 1


def test_requests_that_fail_are_counted(world):
    world.engine.server.gone = {f"127.77.0.{number}" for number in range(1, 255)}
    world.engine.seen = lambda containers: None
    eventually(lambda: world.traffic.failures, 20, "a failed request")


def test_an_end_of_its_own_is_found(world):
    world.daemon.terminate()
    world.died()
    assert world.violations["crash"] == 1
