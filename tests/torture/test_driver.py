"""The driver is believed because it finds what is wrong when something is."""
import sqlite3

import failpoints
import pytest
import world as worlds
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


NEWER = str(10 ** 12)     # than any assignment: the daemon leaves it alone


def test_each_failpoint_has_one_way_that_leads_to_it():
    listed = [name for names in failpoints.WAYS.values() for name in names.split()]
    assert sorted(listed) == sorted(failpoints.names())


@pytest.fixture
def world():
    engine = FakeEngine().start()
    made = World(engine, 1)
    made.converged_within = 3
    made.set_up()
    yield made
    made.traffic.end()
    made.discard()
    engine.finish()


def test_two_live_containers_of_one_record_are_found(world):
    labels = dict(next(item["Labels"] for item in world.engine.containers()))
    world.engine.plant_stray({**labels, LABEL + "incarnation": "0"})
    eventually(lambda: world.violations["double"], 10, "the finding")


def test_two_live_containers_of_one_slot_are_found(world):
    labels = dict(next(item["Labels"] for item in world.engine.containers()))
    world.engine.plant_stray({**labels, LABEL + "incarnation": "0", LABEL + "seq": NEWER})
    world.check()
    assert world.violations["double"] >= 1


def test_a_container_without_a_record_is_found(world):
    labels = dict(next(item["Labels"] for item in world.engine.containers()))
    world.engine.plant_stray({**labels, LABEL + "container": "gone-0-aaaaaa", LABEL + "seq": NEWER})
    world.check()
    assert world.violations["orphan"] == 1


def test_an_acknowledged_write_that_the_store_lost_is_found(world):
    users = world.users()
    eventually(lambda: world.ledger.acknowledged >= 30, what="acknowledged writes")
    world.daemon.kill()
    world.join(users)
    kept = next(name for name in world.ledger.made if name not in world.ledger.maybe_deleted)
    with sqlite3.connect(world.daemon.state / "state.db") as store:
        forgotten = store.execute("DELETE FROM record WHERE instr(key, ?)", (f"/{kept}".encode(),))
        assert forgotten.rowcount >= 1
    world.start()
    world.check()
    assert world.violations["lost"] >= 1


def test_a_failpoint_that_is_not_reached_is_told(world, monkeypatch):
    monkeypatch.setattr(worlds, "REACHED_WITHIN", 1)
    monkeypatch.setattr(worlds, "way_of", lambda name: failpoints.WRITES)
    world.crash_at("rollback_before")
    assert world.violations["unreached"] == 1


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
