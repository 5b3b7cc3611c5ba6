"""What was acknowledged is there after a crash (sqlite)."""
import http.client
import random
import threading

import pytest

from harness.client import Client
from harness.objects import containers, deploy, deployment, wait_complete
from harness.wait import eventually, throughout

WRITERS = 4


class Writer(threading.Thread):
    """Writes without pause and keeps a ledger of what was acknowledged, until the daemon is gone."""

    def __init__(self, daemon, name):
        super().__init__(daemon=True)
        self.api, self.name = Client(daemon.port, daemon.key), name
        self.made, self.label, self.attempt = [], 0, 0

    def run(self):
        try:
            while True:
                self._write()
        except (OSError, http.client.HTTPException):
            return  # cut: what was under way may or may not have happened

    def _write(self):
        self.attempt += 1
        made = f"{self.name}-{self.attempt}"
        if self.api.post("/deployments", deployment(made, replicas=0)).status == 201:
            self.made.append(made)
        patch = {"labels": {"n": str(self.attempt)}}
        if self.api.patch(f"/deployments/{self.name}", patch).status == 200:
            self.label = self.attempt


def burst(daemon, round_number):
    writers = [Writer(daemon, f"w{round_number}-{number}") for number in range(WRITERS)]
    for writer in writers:
        daemon.api.post("/deployments", deployment(writer.name, replicas=0)).check(201)
        writer.start()
    enough = random.Random(round_number).randrange(10, 60)
    eventually(lambda: sum(len(writer.made) for writer in writers) >= enough, what="writes")
    daemon.kill()
    for writer in writers:
        writer.join(20)
    return writers


def check_ledger(api, writers):
    for writer in writers:
        present = {item["name"] for item in api.items("/deployments?limit=5000&fields=name")}
        missing = set(writer.made) - present
        assert not missing, f"acknowledged and lost: {missing}"
        label = int(api.get(f"/deployments/{writer.name}").ok()["labels"].get("n", "0"))
        assert writer.label <= label <= writer.attempt


@pytest.mark.limit(60)
def test_no_acknowledged_write_is_lost_by_sigkill(sqlite):
    ledger = []
    for round_number in range(4):
        ledger += burst(sqlite, round_number)
        sqlite.start()
        check_ledger(sqlite.api, ledger)


def test_seq_and_versions_never_go_back(sqlite, name):
    before = deploy(sqlite.api, name)
    seq = sqlite.api.get("/deployments").ok()["seq"]
    sqlite.kill()
    sqlite.start()
    after = sqlite.api.get(f"/deployments/{name}").ok()
    assert (after["uid"], after["version"]) == (before["uid"], before["version"])
    changed = sqlite.api.patch(f"/deployments/{name}", {"labels": {"a": "b"}}).ok()
    assert changed["seq"] > seq and changed["version"] > before["version"]


@pytest.mark.parametrize("end", ("terminate", "kill"))
def test_a_restart_loses_no_object_and_converges(sqlite, name, end):
    deploy(sqlite.api, name, replicas=3)
    sqlite.api.post("/services", {"name": name, "deployment": name,
                                  "listen": "127.0.0.1:17996",
                                  "targetPort": 80}).check(201)
    getattr(sqlite, end)()
    sqlite.start()
    # The simulated containers went with the process: removed behind our back, they are made anew.
    wait_complete(sqlite.api, name)
    assert len([item for item in containers(sqlite.api, name) if item["state"] == "running"]) == 3
    assert sqlite.api.get(f"/services/{name}").ok()["deployment"] == name
    throughout(lambda: len(containers(sqlite.api, name)) == 3, 0.5, "three containers")


def test_a_deletion_under_way_is_ended_after_a_crash(sqlite, name):
    deploy(sqlite.api, name, env={"SIMULATED_IGNORE_SIGTERM": "1"}, stopGracePeriod="2s")
    sqlite.api.delete(f"/deployments/{name}").check(202)
    sqlite.kill()
    sqlite.start()
    eventually(lambda: sqlite.api.get(f"/deployments/{name}").status == 404, what="404")


def test_cordon_survives_a_restart(sqlite):
    sqlite.api.post("/nodes/node-1/cordon").check(200)
    sqlite.restart()
    assert sqlite.api.get("/nodes/node-1").ok()["schedulable"] is False


def test_two_daemons_do_not_open_one_state(sqlite, make_daemon):
    second = make_daemon({"store": {"plugin": "sqlite"}, "stateDir": str(sqlite.state)},
                         started=False)
    second.spawn()
    assert second.process.wait(20) != 0
    assert sqlite.api.get("/whoami").status == 200
