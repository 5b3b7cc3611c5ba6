"""Row D6: no descriptors left. The daemon neither ends nor spins, and is there again afterwards."""
import os
import resource
import socket
import time

import pytest

from harness.objects import deploy
from harness.wait import eventually

LIMIT, FLOOD, SECONDS = 64, 200, 2.0


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def connect(port):
    connection = socket.socket()
    connection.setblocking(False)
    connection.connect_ex(("127.0.0.1", port))
    return connection


@pytest.mark.limit(60)
def test_a_flood_without_descriptors_neither_ends_nor_spins(sqlite, name):
    deploy(sqlite.api, name)
    pid = sqlite.process.pid
    limit = max(LIMIT, open_descriptors(pid) + 8)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, limit))
    flood = [connect(sqlite.port) for _ in range(FLOOD)]
    try:
        eventually(lambda: open_descriptors(pid) >= limit - 4, 10, "a daemon short of descriptors")
        before = cpu_seconds(pid)
        time.sleep(SECONDS)     # what it burns meanwhile is what is measured
        share = (cpu_seconds(pid) - before) / SECONDS
        assert sqlite.process.poll() is None
        assert share < 0.5, f"it spins: {share:.0%} of a core"
    finally:
        for connection in flood:
            connection.close()
    eventually(lambda: sqlite.open.get("/readyz").status == 200, 10, "an API that answers again")
    assert sqlite.api.get(f"/deployments/{name}").ok()["status"]["phase"] == "complete"
