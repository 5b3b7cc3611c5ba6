"""Row D5: a damaged database is refused with its reason, or opened as it once was; never is a wrong
record served."""
import json
import random
import shutil

import pytest

from harness.daemon import Daemon
from harness.objects import deployment

OBJECTS = 40
FLIPS, CUTS = 60, 24
FILES = ("state.db", "state.db-wal")


def declared(number):
    return deployment(f"d-{number:03}", replicas=0, labels={"number": str(number), "fixed": "x" * 40})


@pytest.fixture(scope="module", params=("checkpointed", "in-the-log"))
def original(request, tmp_path_factory):
    """A state directory: after a clean end all is in the database, after a kill in its log."""
    folder = tmp_path_factory.mktemp("original")
    daemon = Daemon(folder, {"store": {"plugin": "sqlite"}}).start()
    for number in range(OBJECTS):
        daemon.api.post("/deployments", declared(number)).check(201)
    if request.param == "checkpointed":
        daemon.stop()
    else:
        daemon.kill()
        daemon.discard()
    return folder / "state"


def flip(path, chance):
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def cut(path, chance):
    data = path.read_bytes()
    path.write_bytes(data[:chance.randrange(0, len(data), 512)])


def is_served_truly(daemon):
    """What is there must be the first so many objects, each as it was declared."""
    items = sorted(daemon.api.items("/deployments?limit=5000"), key=lambda item: item["name"])
    for number, item in enumerate(items):
        wanted = declared(number)
        found = {key: item.get(key) for key in wanted}
        assert found == wanted, f"served: {json.dumps(found)}, declared: {json.dumps(wanted)}"
    return len(items)


def look(original, folder, harm):
    """"refused" or the number of objects that are served."""
    daemon = Daemon(folder, {"store": {"plugin": "sqlite"}})
    shutil.copytree(original, daemon.state, ignore=shutil.ignore_patterns("*.sock*"))
    harm(daemon.state)
    daemon.spawn()
    try:
        if daemon.wait_ready():
            count = is_served_truly(daemon)
            daemon.terminate()
            return count
        assert daemon.process.returncode == 1, f"a crash:\n{daemon.log()[-2000:]}"
        assert "state.db" in daemon.log() or "stored record" in daemon.log(), daemon.log()
        return "refused"
    finally:
        daemon.discard()
        shutil.rmtree(folder)


def each_file(original, harm, count, seed, tmp_path):
    results = []
    present = [name for name in FILES if (original / name).exists()]
    for number in range(count):
        chance = random.Random(seed * 1000 + number)
        name = present[number % len(present)]
        results.append(look(original, tmp_path / f"n{number}",
                            lambda state: harm(state / name, chance)))
    return results


@pytest.mark.limit(120)
def test_a_flipped_bit_is_never_served(original, tmp_path):
    results = each_file(original, flip, FLIPS, 1, tmp_path)
    assert "refused" in results or min(results) < OBJECTS, "no bit mattered"


@pytest.mark.limit(120)
def test_a_truncated_file_is_refused_or_a_prefix(original, tmp_path):
    results = each_file(original, cut, CUTS, 2, tmp_path)
    assert "refused" in results or min(results) < OBJECTS, "no cut mattered"


@pytest.mark.parametrize("name", ("state.db", "state.db-wal", "state.db-shm"))
def test_a_missing_file_is_no_crash(original, tmp_path, name):
    def remove(state):
        (state / name).unlink(missing_ok=True)
    look(original, tmp_path / "missing", remove)


def test_what_is_no_database_is_refused(original, tmp_path):
    def replace(state):
        (state / "state.db").write_text("this is no database\n" * 1000)
        (state / "state.db-wal").unlink(missing_ok=True)
    assert look(original, tmp_path / "text", replace) == "refused"
