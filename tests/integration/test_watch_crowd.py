"""A thousand watchers, of which two hundred never read: nobody else notices."""
import time

from harness.crowd import Crowd
from harness.memory import resident_bytes
from harness.objects import deployment

WATCHERS, SILENT, CHANGES = 1000, 200, 200
BYTES_EACH = 96 * 1024  # a page, a block of text, the connection's own; twice what was seen


def test_a_thousand_watchers_of_which_many_never_read(make_daemon, name):
    daemon = make_daemon()
    api = daemon.api
    api.post("/deployments", deployment(name, replicas=0,
                                        annotations={"ballast": "x" * 2000})).check(201)
    before = resident_bytes(daemon.process.pid)
    with Crowd(daemon.port, daemon.key, WATCHERS, SILENT, "?kinds=deployments") as crowd:
        crowd.until_all_saw(b"event: synced")
        took = []
        for number in range(CHANGES):
            begun = time.monotonic()
            api.patch(f"/deployments/{name}", {"labels": {"n": f"change-{number}"}}).check(200)
            took.append(time.monotonic() - begun)
            crowd.read(0)
        crowd.until_all_saw(f'"n":"change-{CHANGES - 1}"'.encode())
        held = resident_bytes(daemon.process.pid) - before
        assert held < WATCHERS * BYTES_EACH, f"{held // WATCHERS} bytes a watcher"
        found = daemon.open.get("/metrics").check(200).text
        assert f"orchestrator_watches {WATCHERS}\n" in found, "who does not read is not cut off"
    took.sort()
    print(f"writes beside them: median {took[len(took) // 2] * 1e3:.1f} ms, "
          f"p99 {took[len(took) * 99 // 100] * 1e3:.1f} ms; {held // WATCHERS} bytes a watcher")
