#!/usr/bin/python3
"""The API's own figures, over the simulated runtime and SQLite on the disk:

reads     GET of one deployment, and the list of 1,000 containers, beside `GET /containers/json` of
          dockerd with the same number (made, not started); by the same client, alternating
writes    POST of a deployment until it is durable, by 1 and by 64 clients
watchers  memory a watcher, and a writer's times with none, and with 1,000 of which 200 never read
orchctl   `orchctl get`, beside `docker ps` and `kubectl version --client`

Prints a table, writes build/bench/api.json. BENCH_BUILD names the build (build), BENCH_CONTAINERS how
many containers (1000). dockerd's part wants root and docker.io, and is left out without."""
import concurrent.futures
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
sys.path.insert(0, str(ROOT / "tests"))
from harness.crowd import Crowd  # noqa: E402
from harness.memory import resident_bytes  # noqa: E402
from support import engine as engines  # noqa: E402
from support.server import Server, wait_until  # noqa: E402

BUILD = os.environ.get("BENCH_BUILD", "build")
CONTAINERS = int(os.environ.get("BENCH_CONTAINERS", "1000"))
SECONDS = 3
LARGEST = 500  # replicas of one deployment


class Client:
    """One connection that is kept open; answers are read, not parsed."""
    def __init__(self, connect, headers=""):
        self.socket, self.headers, self.left = connect(), headers, b""

    def ask(self, method, target, body=b""):
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        self.socket.sendall(f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self.headers}{length}"
                            "\r\n".encode() + body)
        while b"\r\n\r\n" not in self.left:
            self.left += self._more()
        head, _, self.left = self.left.partition(b"\r\n\r\n")
        status = int(head[9:12])
        if b"chunked" in head.lower():
            while not self.left.endswith(b"0\r\n\r\n"):
                self.left += self._more()
            answer, self.left = self.left, b""
        else:
            size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            while len(self.left) < size:
                self.left += self._more()
            answer, self.left = self.left[:size], self.left[size:]
        if status >= 400:
            raise RuntimeError(f"{method} {target}: {status} {answer[:300]}")
        return answer

    def _more(self):
        part = self.socket.recv(1 << 20)
        if not part:
            raise RuntimeError("the connection was closed")
        return part


def figures(took, seconds):
    took.sort()
    return {"perSecond": round(len(took) / seconds, 1), "medianMs": round(took[len(took) // 2] * 1e3, 3),
            "p99Ms": round(took[len(took) * 99 // 100] * 1e3, 3), "count": len(took)}


def repeat(client, method, target, seconds=SECONDS, body=None):
    """`body`: makes the next one."""
    took, begun = [], time.monotonic()
    while time.monotonic() - begun < seconds:
        before = time.monotonic()
        client.ask(method, target, body() if body else b"")
        took.append(time.monotonic() - before)
    return took


def timed(client, method, target):
    repeat(client, method, target, 0.3)
    begun = time.monotonic()
    took = repeat(client, method, target)
    return figures(took, time.monotonic() - begun)


def to_server(server):
    key = server.key_path.read_text().strip()
    return Client(lambda: socket.create_connection(("127.0.0.1", server.port)), f"X-API-Key: {key}\r\n")


def to_engine(engine):
    def connect():
        made = socket.socket(socket.AF_UNIX)
        made.connect(engine.path)
        return made
    return Client(connect)


class Simulated(Server):
    """With the simulated runtime, which takes no settings of Docker's."""
    def start(self, seconds=20):
        settings = self.state.parent / "settings.yaml"
        settings.write_text("runtime: {plugin: simulated}\nnode: {name: node-1}\n")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([self.program, "--config", settings], env=self.environment,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._is_ready, seconds, "the server to be ready")


# -- reads

def declare(server):
    for at in range(0, CONTAINERS, LARGEST):
        server.api("POST", "/deployments", {
            "name": f"web-{at}", "image": "app:1", "replicas": min(LARGEST, CONTAINERS - at)})
    wait_until(lambda: server.api("GET", "/cluster")["summary"]["containers"]["running"] == CONTAINERS,
               120, "all to run")


def fill_engine(engine):
    engine.import_image("orchestrator-bench", "1", {}, ["/none"])
    def make(at):
        return engine.json("POST", f"/containers/create?name=bench-{at}",
                           {"Image": "orchestrator-bench:1", "Labels": {"bench": "api"}})["Id"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(make, range(CONTAINERS)))


def reads(server, engine):
    ours = to_server(server)
    out = {"GET /deployments/NAME": timed(ours, "GET", "/api/v1/deployments/web-0"),
           f"GET /containers ({CONTAINERS})": timed(ours, "GET", f"/api/v1/containers?limit={CONTAINERS}")}
    if engine:
        out[f"dockerd GET /containers/json ({CONTAINERS})"] = timed(to_engine(engine), "GET",
                                                                  "/containers/json?all=1")
    return out


# -- writes

def write_some(server, name, seconds):
    client, number = to_server(server), [0]

    def body():
        number[0] += 1
        return json.dumps({"name": f"{name}-{number[0]}", "image": "app:1", "replicas": 0}).encode()
    return repeat(client, "POST", "/api/v1/deployments", seconds, body)


def writes(server):
    out = {}
    for clients in (1, 64):
        begun = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            took = sum(pool.map(lambda at: write_some(server, f"w{clients}-{at}", SECONDS),
                                range(clients)), [])
        out[f"POST durable, {clients} clients"] = figures(took, time.monotonic() - begun)
    return out


# -- watchers

def patch_some(server, crowd):
    client, took, begun = to_server(server), [], time.monotonic()
    while time.monotonic() - begun < SECONDS:
        before = time.monotonic()
        client.ask("PATCH", "/api/v1/deployments/web-0",
                   json.dumps({"labels": {"n": str(len(took))}}).encode())
        took.append(time.monotonic() - before)
        if crowd:
            crowd.read(0)
    return figures(took, time.monotonic() - begun)


def held_loop(server):
    """The longest callback since it was last asked, in ms."""
    text = server._ask("GET", "/metrics")[1].decode()
    line = next(line for line in text.splitlines()
                if line.startswith('orchestrator_loop_longest_seconds{loop="main"'))
    return round(float(line.split()[-1]) * 1e3, 3)


def watchers(server):
    held_loop(server)
    out = {"a writer, no watchers": patch_some(server, None)}
    out["longest callback, no watchers, ms"] = held_loop(server)
    before = resident_bytes(server.process.pid)
    key = server.key_path.read_text().strip()
    with Crowd(server.port, key, 1000, 200, "?kinds=deployments") as crowd:
        crowd.until_all_saw(b"event: synced")
        out["memory a watcher, bytes"] = (resident_bytes(server.process.pid) - before) // 1000
        held_loop(server)
        out["a writer, 1000 watchers, 200 never read"] = patch_some(server, crowd)
        out["longest callback with them, ms"] = held_loop(server)
        out["memory a watcher after the writes, bytes"] = (
            resident_bytes(server.process.pid) - before) // 1000
    return out


# -- orchctl

def wall(command, environment=None):
    took = []
    for _ in range(20):
        begun = time.monotonic()
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        took.append(time.monotonic() - begun)
    return round(sorted(took)[len(took) // 2] * 1e3, 2)


def commands(server, engine):
    environment = {**os.environ, "ORCH_SERVER": server.url,
                   "ORCH_API_KEY": server.key_path.read_text().strip()}
    out = {"orchctl get deployments, ms": wall([server.program.parent / "orchctl", "get", "deployments"],
                                               environment)}
    if engine:
        out["docker ps, ms"] = wall(["docker", "-H", f"unix://{engine.path}", "ps"])
    if shutil.which("kubectl"):
        out["kubectl version --client, ms"] = wall(["kubectl", "version", "--client"])
    return out


# -- all of it

def show(results):
    for name, value in results.items():
        if isinstance(value, dict):
            print(f"{name:46} {value['perSecond']:9.1f}/s  median {value['medianMs']:8.3f} ms  "
                  f"p99 {value['p99Ms']:8.3f} ms")
        else:
            print(f"{name:46} {value}")


def main():
    folder = Path(tempfile.mkdtemp(prefix="bench-api-"))
    engine, made, results = engines.standard_engine(), [], {}
    private = not engine and os.geteuid() == 0 and shutil.which("dockerd")
    server = Simulated(folder / "state", "", folder / "log", BUILD)
    del server.environment["ORCHD_RUNTIME_CONFIG_ENDPOINT"]
    try:
        if private:
            engine = engines.private_engine(folder / "engine")
        server.start()
        declare(server)
        made = fill_engine(engine) if engine else []
        for part in (lambda: reads(server, engine), lambda: watchers(server),
                     lambda: commands(server, engine), lambda: writes(server)):
            found = part()
            show(found)
            results.update(found)
    finally:
        server.stop()
        for container in made:
            engine.remove(container)
        if made:
            engine.remove_image("orchestrator-bench:1")
        if private and engine:
            engines.stop_private_engine(folder / "engine")
        shutil.rmtree(folder, ignore_errors=True)
    target = ROOT / "build/bench"
    target.mkdir(parents=True, exist_ok=True)
    (target / "api.json").write_text(json.dumps({"load": os.getloadavg()[0], **results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
