"""Row D4: after a sync that failed nothing more is acknowledged, and it is not tried again: the
kernel may have dropped what was to be written (fsyncgate)."""
import pytest

from harness.daemon import Daemon
from harness.objects import deployment

AT = (1, 2, 3, 4, 6, 9, 14, 22)


def keep_writing(api, failed, made):
    """Writes on after the failure, too; whatever was acknowledged after it is a fault."""
    refused = 0
    for number in range(400):
        before = failed.exists()
        status = api.post("/deployments", deployment(f"d-{number}", replicas=0)).status
        assert not (before and status == 201), f"d-{number} was acknowledged after the failure"
        if status == 201:
            made.add(f"d-{number}")
        else:
            refused += 1
        if refused == 5:
            return
    raise AssertionError("no sync failed")


@pytest.mark.parametrize("nth", AT)
@pytest.mark.limit(60)
def test_nothing_is_acknowledged_after_a_failed_sync(faulty, tmp_path, nth):
    failed, made = tmp_path / "failed", set()
    daemon = Daemon(tmp_path / "daemon", {"store": {"plugin": "sqlite"}}, {
        **faulty, "ORCH_FAULTY_SYNC": str(nth), "ORCH_FAULTY_PATH": "/state/state.db",
        "ORCH_FAULTY_LOG": str(failed)})
    daemon.spawn()
    try:
        if daemon.wait_ready():
            keep_writing(daemon.api, failed, made)
            assert daemon.api.get("/deployments").status == 200
            assert daemon.open.get("/readyz").status == 503
            daemon.kill()
            assert failed.stat().st_size == 1, "the sync was tried again"
        else:
            assert failed.exists() and daemon.process.returncode == 1
        daemon.environment = {}
        daemon.start()
        present = {item["name"] for item in daemon.api.items("/deployments?limit=5000")}
        assert made <= present, f"acknowledged and lost: {made - present}"
        daemon.api.post("/deployments", deployment("after", replicas=0)).check(201)
        daemon.stop()
    finally:
        daemon.discard()
