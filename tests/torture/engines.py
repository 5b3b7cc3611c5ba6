"""The two engines that are driven: the acted one, fast, and a Docker Engine of our own."""
import http.server
import json
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from harness.daemon import build_folder
from harness.engine import Engine
from harness.image import layer
from harness.ports import free_port
from harness.wait import eventually

SO_BINDTODEVICE = 25


class _Application(http.server.BaseHTTPRequestHandler):
    """Every container of the acted engine: one server for the whole of 127.77.0.0/16."""

    def do_GET(self):
        address = self.connection.getsockname()[0]
        if address in self.server.gone:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.close_connection = True
            return
        body = address.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 256

    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, b"lo\0")
        super().server_bind()

    def handle_error(self, request, client_address):
        pass    # whoever asked has gone: killed, or a probe that had seen enough


class FakeEngine:
    """`fake-docker`, which outlives every daemon. What runs in its containers is acted here: an
    address whose container has ended answers no more."""

    image, look_every, pace = "local/web:1", 0.1, 0.15
    hits = (1, 2, 3, 5, 8, 13)  # of what a rollout leads to

    def __init__(self):
        self.known = {}     # id -> its address, also after its end
        self.folder = Path(tempfile.mkdtemp(prefix="ot"))
        self.client = Engine(self.folder)
        self.client.socket = self.folder / "fake.sock"
        self.port = free_port()

    @property
    def endpoint(self):
        return self.client.endpoint

    def start(self):
        program = build_folder() / "bin" / "fake-docker"
        self.process = subprocess.Popen([program, self.client.socket], stdout=subprocess.DEVNULL)
        self.server = _Server(("0.0.0.0", self.port), _Application)
        self.server.gone = set()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.client.process = self.process
        eventually(self._answers, what="answer of fake-docker")
        return self

    def _answers(self):
        try:
            return self.client.call("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def containers(self):
        return self.client.containers()

    def seen(self, containers):
        """Told by whoever lists: who has ended answers no more."""
        running = {item["Id"] for item in containers if item["State"] == "running"}
        for item in containers:
            self.known[item["Id"]] = self.known.get(item["Id"]) or _address(item)
        self.server.gone = {address for made, address in self.known.items()
                            if address and made not in running}

    def identity(self, runtime_id):
        return runtime_id, self.client.inspect(runtime_id)["State"]["StartedAt"]

    def plant_stray(self, labels):
        made = self.client.ok("POST", f"/containers/create?name=stray-{time.monotonic_ns()}",
                              {"Image": self.image, "Labels": labels})["Id"]
        self.client.ok("POST", f"/containers/{made}/start")

    def finish(self):
        self.server.shutdown()
        self.server.server_close()
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder)


def _address(item):
    networks = item.get("NetworkSettings", {}).get("Networks", {})
    return next((network["IPAddress"] for network in networks.values()), "")


class RealEngine:
    """dockerd with its own data, socket and bridge."""

    image, port, look_every, pace = "torture/web:1", 8080, 0.4, 1.0
    hits = (1, 2, 3)

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ot"))
        self.client = Engine(self.folder)

    @property
    def endpoint(self):
        return self.client.endpoint

    def start(self):
        self.client.start()
        self.client.import_image(self.image, layer(1), ["/serve"])
        self.client.import_image("local/none:1", layer(1), ["/serve"])
        return self

    def containers(self):
        return self.client.containers()

    def seen(self, containers):
        pass    # its containers answer for themselves

    def identity(self, runtime_id):
        return self.client.identity(runtime_id)

    def plant_stray(self, labels):
        self.client.run(f"stray-{time.monotonic_ns()}", self.image, labels, ["sleep", "100000"])

    def finish(self):
        self.client.finish()
        shutil.rmtree(self.folder)


def labels_of(item):
    return item.get("Labels") or {}


def describe(item):
    return json.dumps({"id": item["Id"][:12], "state": item["State"], "labels": labels_of(item)})
