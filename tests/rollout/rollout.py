"""Rollouts of a real deployment under load, and what went on meanwhile: scripts/test-rollout --help.

The containers' program ends at once on SIGTERM; there is no preStop and no sleep. Between rollouts
replicas are added, taken away, deleted and killed, images that fail are rolled out and put back by
the orchestrator, and the daemon is killed and restarted. Over http not one request may fail, and no
keep-alive connection may end unannounced. Upgraded connections last a second; those of a replica
that is killed end with it and are counted apart. Over tcp no replica is killed, since its connections
would end with it, and keep-alive ones that are closed at the end of a drain are counted apart."""
import argparse
import collections
import io
import json
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import processes  # noqa: E402
from harness.daemon import Daemon, program  # noqa: E402
from harness.engine import Engine  # noqa: E402
from harness.objects import wait_endpoints  # noqa: E402
from harness.ports import free_port  # noqa: E402
from harness.wait import eventually  # noqa: E402

IMAGE, NAME, REPLICAS = "rollout/web:1", "web", (3, 6)
WITHIN = 120.0      # one step, at the very most
LOAD = {"http": (24, 4, 4, 4), "tcp": (4, 8, 4, 4)}   # connections: keep-alive, short, slow, upgraded
DRAIN = {"http": "10s", "tcp": "4s"}   # over tcp keep-alive connections last until its end
STEPS = (("update", 11), ("broken update", 2), ("scale", 2), ("delete a container", 2),
         ("kill a container", 1), ("restart the daemon", 1), ("kill the daemon", 1))


def image():
    """A root file system with one program."""
    data, buffer = program("rollout-app").read_bytes(), io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("app")
        entry.size, entry.mode = len(data), 0o755
        archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


class Load:
    """`rollout-load`, from its start to its count."""

    def __init__(self, port, protocol, log):
        connections = [str(count) for count in LOAD[protocol]]
        self._process = subprocess.Popen(
            [str(program("rollout-load")), str(port), "7200", *connections, "1000",
             *(["tcp"] if protocol == "tcp" else [])],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)

    def end(self):
        self._process.send_signal(signal.SIGTERM)
        return json.loads(self._process.communicate(timeout=60)[0])

    def discard(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)


class World:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.chance = random.Random(options.seed)
        self.port, self.version, self.replicas = free_port(), 1, REPLICAS[0]
        self.done = collections.Counter()
        self.rollouts = 0
        self.load = None
        self.engine = Engine(folder)
        self.daemon = Daemon(folder / "daemon", {
            "store": {"plugin": "sqlite"}, "proxy": {"linger": "30m"},
            "runtime": {"plugin": "docker", "config": {"endpoint": self.engine.endpoint}}})

    @property
    def api(self):
        return self.daemon.api

    def set_up(self):
        self.engine.start().import_image(IMAGE, image(), ["/app"])
        self.daemon.start()
        self.api.post("/services", {
            "name": NAME, "deployment": NAME, "listen": f"127.0.0.1:{self.port}",
            "protocol": self.options.protocol,
            "drainTimeout": DRAIN[self.options.protocol]}).check(201)
        self.api.post("/deployments", {
            "name": NAME, "image": IMAGE, "replicas": self.replicas, "env": self.env(),
            "ports": [{"name": "http", "containerPort": 8080}], "stopGracePeriod": "1s",
            "readinessProbe": {"http": {"port": "http", "path": "/healthz"}, "interval": "200ms"},
            "rollout": {"maxSurge": 2, "maxDraining": "100%", "progressDeadline": "10s"},
        }).check(201)
        self.settle("complete")
        self.log = open(self.folder / "load.log", "wb")
        self.load = Load(self.port, self.options.protocol, self.log)

    def env(self, **more):
        return {"VERSION": str(self.version), **more}

    # -- what is done, each time until the cluster is at rest again

    def settle(self, *phases):
        def look():
            status = self.api.get(f"/deployments/{NAME}").ok()["status"]
            assert status["phase"] in phases and status["stopping"] == 0, status
            assert status["current"] == status["available"] == self.replicas, status
            return status
        status = eventually(look, WITHIN, f"phase {phases}")
        wait_endpoints(self.api, NAME, self.replicas, WITHIN)
        return status

    def update(self):
        self.version += 1
        self.api.patch(f"/deployments/{NAME}", {"env": self.env()}).check(200)
        self.settle("complete")
        self.rollouts += 1

    def broken_update(self):
        fault = self.chance.choice(("unready", "exit"))
        self.api.patch(f"/deployments/{NAME}", {"env": self.env(FAIL=fault)}).check(200)
        self.settle("rolled-back")
        self.rollouts += 1

    def scale(self):
        self.replicas = self.chance.randint(*REPLICAS)
        self.api.post(f"/deployments/{NAME}/scale", {"replicas": self.replicas}).check(200)
        self.settle("complete", "rolled-back")

    def one(self):
        found = [item for item in self.api.items(f"/containers?deployment={NAME}")
                 if item["state"] == "running"]
        return self.chance.choice(found)

    def delete_a_container(self):
        self.api.delete(f"/containers/{self.one()['id']}").check(202)
        self.settle("complete", "rolled-back")

    def kill_a_container(self):
        self.engine.kill(self.one()["runtimeId"])
        self.settle("complete", "rolled-back")

    def restart_the_daemon(self):
        self.daemon.terminate()
        self.daemon.process.wait(30)
        self.daemon.start()
        self.settle("complete", "rolled-back")

    def kill_the_daemon(self):
        """In the middle of a rollout, which goes on."""
        self.version += 1
        self.api.patch(f"/deployments/{NAME}", {"env": self.env()}).check(200)
        time.sleep(self.chance.uniform(0.1, 2.0))   # at any instant of it
        self.daemon.kill()
        self.daemon.process.wait(30)
        self.daemon.start()
        self.settle("complete")
        self.rollouts += 1

    def run(self):
        names, weights = zip(*[step for step in STEPS if self.options.protocol == "http" or
                               step[0] != "kill a container"])
        while self.rollouts < self.options.rollouts:
            step = self.chance.choices(names, weights)[0]
            if self.options.verbose:
                print(f"{time.time():.3f} {step}", flush=True)
            getattr(self, step.replace(" ", "_"))()
            self.done[step] += 1

    def discard(self):
        if self.load:
            self.load.discard()
        self.daemon.discard()
        self.engine.finish()
        processes.kill_marked(str(self.folder))


def drive(options, folder):
    """The counts of the load, with what was done."""
    world = World(options, folder)
    try:
        world.set_up()
        world.run()
        counts = world.load.end()
        while counts["requests"] < options.requests and not counts["failed"]:
            world.load = Load(world.port, options.protocol, world.log)     # more, over rollouts
            for _ in range(3):
                world.update()
            for key, value in world.load.end().items():
                counts[key] += value
        return world, counts
    except AssertionError:
        shutil.copy(world.daemon.log_path, "build/rollout-daemon.log")
        raise
    finally:
        world.discard()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=10)
    parser.add_argument("--requests", type=int, default=10000, help="at the least")
    parser.add_argument("--protocol", choices=("http", "tcp"), default="http")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # what was begun is ended, too
    began, folder = time.monotonic(), Path(tempfile.mkdtemp(prefix="or"))
    try:
        world, counts = drive(options, folder)
        sys.stderr.write((folder / "load.log").read_text())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seconds = time.monotonic() - began
    for step, count in sorted(world.done.items()):
        print(f"  {count:4} x {step}")
    print("  " + ", ".join(f"{key} {value}" for key, value in counts.items()))
    print(f"rollout: {world.rollouts} rollouts over {options.protocol}, {counts['requests']} "
          f"requests, {counts['failed']} failed, {counts['cut']} connections cut in "
          f"{seconds:.0f} s, seed {options.seed}: {'FAILED' if counts['failed'] else 'passed'}")
    return counts["failed"] != 0


if __name__ == "__main__":
    sys.exit(main())
