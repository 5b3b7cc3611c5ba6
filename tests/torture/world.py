"""One daemon that is killed again and again over an engine and a proxy that are not, and what must
be true of all three whenever it has come back."""
import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import nullcontext
from pathlib import Path

from engines import describe, labels_of
from failpoints import PROXY, ROLLBACK, STOP, STRAY, armed, way_of
from ledger import Ledger, audit
from traffic import Traffic
from writers import CUT, Roller, Writer

from harness.daemon import Daemon
from harness.load import ask
from harness.objects import service, wait_complete, wait_endpoints
from harness.ports import free_port
from harness.wait import eventually

WRITERS = 4
MARKERS = [f"w{number}" for number in range(WRITERS)]
CONVERGED_WITHIN = 60
READY_WITHIN = 30
REACHED_WITHIN = 60
LABEL = "orchestrator."
LEDGERS = "/dev/shm"     # another file system than the state's


class World:
    def __init__(self, engine, seed, state=None):
        self.engine, self.seed = engine, seed
        self.chance = random.Random(seed)
        self.folder = Path(tempfile.mkdtemp(prefix="torture"))
        self.ledger_folder = Path(tempfile.mkdtemp(prefix="torture", dir=LEDGERS))
        self.ledger = Ledger(self.ledger_folder / "ledger")
        self.pending = [[] for _ in range(WRITERS)]
        self.violations = collections.Counter()
        self.examples = []
        self.ready_ms = []
        self.kills = 0
        self.reached = collections.Counter()    # failpoints, by name
        self.daemon = Daemon(self.folder / "daemon", {
            "store": {"plugin": "sqlite"},
            "runtime": {"plugin": "docker", "config": {"endpoint": engine.endpoint}},
            "proxy": {"linger": "5m", "workers": 1},
            **({"stateDir": str(state)} if state else {})})
        if state:
            self.daemon.state = Path(state)
        self.converged_within = CONVERGED_WITHIN
        self.traffic = None
        self._looking = threading.Event()

    def violation(self, kind, sentence):
        self.violations[kind] += 1
        print(f"! {kind}: {sentence[:300]} (kill {self.kills})", file=sys.stderr, flush=True)
        if len(self.examples) < 20:
            self.examples.append(f"{kind}: {sentence} (kill {self.kills}, seed {self.seed})")

    # -- life

    def set_up(self):
        api = self.daemon.start().api
        self.cluster = api.get("/cluster").ok().get("uid")
        ports = []
        for name, replicas in (("still", 3), ("app", 3)):
            port = free_port()
            ports.append(port)
            api.post("/services", {**service(name, f"127.0.0.1:{port}"), "drainTimeout": "2s"})
            api.post("/deployments", {
                "name": name, "image": self.engine.image, "replicas": replicas,
                "ports": [{"name": "http", "containerPort": self.engine.port}],
                "readinessProbe": {"http": {"port": "http", "path": "/"}, "interval": "100ms"},
                "stopGracePeriod": "2s", "rollout": {"maxSurge": 2}}).check(201)
        for name in ("still", "app"):
            wait_complete(api, name, 60)
            wait_endpoints(api, name, 3, 30)
        for number in range(WRITERS):
            api.post("/deployments", {"name": f"w{number}", "image": "local/none:1",
                                      "replicas": 0}).check(201)
        self.still = self._identities()
        self.traffic = Traffic(ports).start()
        self._watcher = threading.Thread(target=self._watch_engine, daemon=True)
        self._watcher.start()
        return self

    def _identities(self):
        items = self.daemon.api.items("/containers?deployment=still")
        return sorted(self.engine.identity(item["runtimeId"]) for item in items)

    def _watch_engine(self):
        """At every instant: no two live containers of one record."""
        seen = set()
        while not self._looking.wait(self.engine.look_every):
            try:
                containers = self.engine.containers()
            except (*CUT, AssertionError):
                continue
            self.engine.seen(containers)
            live = collections.Counter(labels_of(item).get(LABEL + "container")
                                       for item in containers if item["State"] == "running")
            for record, count in live.items():
                if record and count > 1 and record not in seen:
                    seen.add(record)
                    self.violation("double", f"{count} live containers of {record}")

    def finish(self):
        """Everything is deleted; nothing may be left in the engine or of the daemon."""
        api = self.daemon.api
        self.traffic.end()
        for kind in ("services", "deployments"):
            for item in api.get(f"/{kind}?limit=5000").ok()["items"]:
                api.delete(f"/{kind}/{item['name']}")
        eventually(lambda: api.get("/deployments").ok()["total"] == 0, 60, "no deployment")
        eventually(lambda: not self.engine.containers(), 30, "an empty engine")
        self._looking.set()
        self._watcher.join(10)
        # Idle connections of the load are gone, so the proxy ends with its last listener.
        self.end_cleanly()
        for pid in self.daemon.proxies():
            os.kill(pid, signal.SIGTERM)
        eventually(lambda: not self.daemon.left(), 20, "end of every process")

    def discard(self):
        self._looking.set()
        self.daemon.discard()
        self.ledger.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.ledger_folder, ignore_errors=True)

    # -- load

    def users(self):
        users = [Writer(self.daemon, self.ledger, f"w{number}", self.pending[number])
                 for number in range(WRITERS)]
        users.append(Roller(self.daemon, self.chance.random(), "app", "extra", self.engine.pace))
        for user in users:
            user.start()
        return users

    @staticmethod
    def join(users):
        for user in users:
            user.end()
        for user in users:
            user.join(20)

    # -- deaths

    def end_cleanly(self):
        status = self.daemon.terminate()
        if status != 0:
            self.violation("crash", f"ended with {status} on SIGTERM: {self.daemon.log()[-600:]}")

    def spawn(self, environment=None):
        self.daemon.environment = environment or {}
        began = time.monotonic()
        self.daemon.spawn()
        return began

    def wait_ready(self, began):
        """True once it serves; False when it has ended. Times the start."""
        deadline = began + READY_WITHIN
        while time.monotonic() < deadline:
            if self.daemon.process.poll() is not None:
                return False
            try:
                if self.daemon.open.get("/readyz").status == 200:
                    self.ready_ms.append((time.monotonic() - began) * 1000)
                    return True
            except CUT:
                pass
            time.sleep(0.002)   # nothing tells but asking
        raise AssertionError(f"not ready within {READY_WITHIN} s:\n{self.daemon.log()[-2000:]}")

    def start(self):
        """A start that nothing disturbs."""
        if not self.wait_ready(self.spawn()):
            raise AssertionError(f"a start failed with {self.daemon.process.returncode}:\n"
                                 f"{self.daemon.log()[-3000:]}")

    def died(self):
        code = self.daemon.process.wait(20)
        self.kills += 1
        if self.kills % 50 == 0:
            print(f"{self.kills} kills", file=sys.stderr, flush=True)
        if code != -signal.SIGKILL:
            self.violation("crash", f"ended with {code}: {self.daemon.log()[-600:]}")

    def kill_at_random(self, most):
        users = self.users()
        if not self._ends_within(self.chance.uniform(0, most)):
            self.daemon.process.kill()
        self.died()
        self.join(users)

    def crash_at(self, name):
        """Starts it with a failpoint armed, leads it there, and starts it anew undisturbed."""
        way = way_of(name)
        self.end_cleanly()
        with self.traffic.cut() if way == PROXY else nullcontext():
            self._lead_to(name, way)
            self.start()
            if way == PROXY:
                self._serving()

    def _lead_to(self, name, way):
        if way == STRAY:
            self._plant_a_stray()
        began = self.spawn({"ORCH_FAILPOINTS": armed(name, self.chance, self.engine.hits)})
        users = self._provoke(way) if self.wait_ready(began) else []
        if self._ends_within(REACHED_WITHIN):
            self.reached[name] += 1
        else:
            self.violation("unreached", f"{name} was not reached within {REACHED_WITHIN} s")
            self.daemon.process.kill()
        self.died()
        self.join(users)

    def _provoke(self, way):
        if way == ROLLBACK:
            self._begin_a_bad_rollout()
        if way == PROXY:
            self._end_proxies()
        users = self.users()
        if way == STOP:
            self._ends_within(self.chance.uniform(0, 0.5))
            self.daemon.process.send_signal(signal.SIGTERM)
        return users

    def _ends_within(self, seconds):
        try:
            self.daemon.process.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    def _plant_a_stray(self):
        labels = next(labels_of(item) for item in self.engine.containers())
        self.engine.plant_stray({**labels, LABEL + "container": "gone-0-aaaaaa", LABEL + "seq": "1"})

    def _end_proxies(self):
        for pid in self.daemon.proxies():
            os.kill(pid, signal.SIGKILL)

    def _serving(self):
        """Services answer (again)."""
        def look():
            try:
                return all(ask(port, timeout=1)[0] == 200 for port in self.traffic.ports)
            except CUT:
                return False
        eventually(look, 20, "services that answer")

    def _begin_a_bad_rollout(self):
        api = self.daemon.api
        api.post("/deployments", {"name": "bad", "image": self.engine.image, "replicas": 1,
                                  "rollout": {"progressDeadline": "1s"}}).check(201)
        wait_complete(api, "bad", CONVERGED_WITHIN)
        api.patch("/deployments/bad", {"image": "missing/none:1"}).check(200)

    # -- what must be true

    def check(self):
        """With a daemon that serves and nobody who writes."""
        api = self.daemon.api
        for number, pending in enumerate(self.pending):
            Writer(self.daemon, self.ledger, f"w{number}", pending).repeat_pending(api)
        api.delete("/deployments/bad")
        for kind, sentence in audit(self.ledger, api, MARKERS):
            self.violation(kind, sentence)
        try:
            eventually(self._converged, self.converged_within, "convergence")
        except AssertionError as fault:
            self._why_not(fault)
        if self._identities() != self.still:
            self.violation("touched", f"{self.still} became {self._identities()}")
            self.still = self._identities()

    def _converged(self):
        api = self.daemon.api
        for name in ("still", "app"):
            status = api.get(f"/deployments/{name}").ok()["status"]
            assert status["phase"] == "complete" and not status["stopping"], (name, status)
        deleting = api.get("/cluster").ok()["summary"]["deployments"].get("deleting", 0)
        assert not deleting, f"{deleting} deployments are still being deleted"
        records = {item["id"]: item for item in api.get("/containers?limit=5000").ok()["items"]}
        containers = self.engine.containers()
        running = [item for item in containers if item["State"] == "running"]
        orphans = [describe(item) for item in containers
                   if labels_of(item).get(LABEL + "container") not in records]
        assert not orphans, f"orphans: {orphans}"
        slots = collections.Counter((labels_of(item)[LABEL + "deployment"],
                                     labels_of(item)[LABEL + "slot"]) for item in running)
        doubles = {slot: count for slot, count in slots.items() if count > 1}
        assert not doubles, f"doubles: {doubles}"
        assert sorted(item["Id"] for item in running) == sorted(
            item["runtimeId"] or "" for item in records.values()), "records and containers differ"
        return True

    def _why_not(self, fault):
        text = str(fault)
        kind = ("orphan" if "orphans:" in text else "double" if "doubles:" in text
                else "convergence")
        self.violation(kind, text[-1500:])
