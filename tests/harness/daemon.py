"""One `orchestrator` under test: its configuration, process, log and end."""
import json
import os
import signal
import subprocess
import uuid
from pathlib import Path

from . import processes
from .client import Client
from .ports import free_port
from .wait import eventually

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN = 20
STOP_WITHIN = 20
START_TRIES = 4


def build_folder():
    return (ROOT / os.environ.get("ORCH_BUILD", "build/dev")).resolve()


def program(name="orchestrator"):
    return build_folder() / "bin" / name


def merged(base, changes):
    """`changes` laid over `base`, object by object."""
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


class Daemon:
    """Made stopped. `settings` are laid over a memory store and the simulated runtime."""

    alive = []  # every daemon that a test has begun and not ended

    def __init__(self, folder, settings=None, environment=None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = self.folder / "state"
        self.config_path = self.folder / "orchestrator.yaml"
        self.mark = f"orch-test-{uuid.uuid4().hex}"
        self.log_path = self.folder / f"{self.mark}.log"
        self.port = free_port()
        self.environment = environment or {}
        self.process = None
        self.settings = merged({
            "stateDir": str(self.state),
            "log": {"format": "json"},
            "store": {"plugin": os.environ.get("ORCH_TEST_STORE", "memory")},
            "runtime": {"plugin": "simulated"},
            "node": {"name": "node-1"},
            "proxy": {"linger": "0s"},
        }, settings or {})

    # -- start

    def write_config(self):
        settings = merged({"api": {"listen": f"127.0.0.1:{self.port}"}}, self.settings)
        self.config_path.write_text(json.dumps(settings, indent=1))
        self.config_path.chmod(0o600)

    def spawn(self):
        """Begins the process without waiting for it to serve."""
        self.write_config()
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith("ORCHD_")}
        environment.update(self.environment)
        environment[processes.MARK] = self.mark
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(program()), "--config", str(self.config_path)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        if self not in Daemon.alive:
            Daemon.alive.append(self)
        return self

    def start(self):
        for _ in range(START_TRIES):
            self.spawn()
            if self.wait_ready():
                return self
            taken = "address already in use" in self.log().lower()
            assert taken, f"ended with {self.process.returncode}:\n{self.log()[-3000:]}"
            self.port = free_port()
        raise AssertionError("no port to listen on")

    def wait_ready(self, within=READY_WITHIN):
        """True once it serves, False when its process has ended."""
        def look():
            if self.process.poll() is not None:
                return "ended"
            try:
                return self.open.get("/readyz").status == 200 and "ready"
            except OSError:
                return None
        return eventually(look, within, "ready daemon") == "ready"

    # -- use

    @property
    def key(self):
        configured = self.settings.get("api", {}).get("key")
        return configured or (self.state / "api-key").read_text().strip()

    @property
    def api(self):
        return Client(self.port, self.key)

    @property
    def open(self):
        """A client without key and without the base path."""
        return Client(self.port, None, base="")

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def proxies(self):
        return [pid for pid in processes.marked(self.mark)
                if "orchestrator-proxy" in processes.name(pid)]

    # -- end

    def kill(self):
        self.process.kill()
        self.process.wait(STOP_WITHIN)

    def terminate(self, number=signal.SIGTERM):
        """Ends the daemon alone and answers its exit status."""
        self.process.send_signal(number)
        return self.process.wait(STOP_WITHIN)

    def restart(self):
        """A clean restart."""
        status = self.terminate()
        assert status == 0, f"exit status {status} on SIGTERM\n{self.log()[-3000:]}"
        return self.start()

    def left(self):
        return [f"{pid} {processes.name(pid)}" for pid in processes.marked(self.mark)]

    def stop(self, within=STOP_WITHIN):
        """Ends it by SIGTERM and asserts a clean end with nothing left behind."""
        if self.process is None:
            return
        try:
            if self.process.poll() is None:
                status = self.terminate()
                assert status == 0, f"exit status {status} on SIGTERM\n{self.log()[-3000:]}"
            eventually(lambda: not self.left(), within, "end of every process it began")
        finally:
            self.discard()

    def discard(self):
        """Whatever is left is killed: for the ends of failed tests."""
        processes.kill_marked(self.mark)
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_WITHIN)
        if self in Daemon.alive:
            Daemon.alive.remove(self)
