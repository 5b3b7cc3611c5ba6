"""A Docker Engine of the tests' own, and a client of its API over the unix socket."""
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import urllib.parse
from pathlib import Path

from . import processes
from .wait import eventually

API = "/v1.41"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """`folder` holds data, sockets and log; the path of the socket must be short."""

    numbers = itertools.count()     # several of one process have a bridge each

    def __init__(self, folder, live_restore=False):
        self.folder, self.live_restore = Path(folder), live_restore
        self.socket = self.folder / "engine.sock"
        self.number = os.getpid() + next(self.numbers)
        self.bridge = f"oe{self.number % 10 ** 7}"
        self.process, self.starts = None, 0

    @property
    def endpoint(self):
        return f"unix://{self.socket}"

    # -- the process

    def start(self):
        self.starts += 1
        self._add_bridge()
        (self.folder / "daemon.json").write_text(json.dumps({"live-restore": self.live_restore}))
        with open(self.folder / "engine.log", "ab") as log:
            self.process = subprocess.Popen(
                ["dockerd", "--config-file", self.folder / "daemon.json", "-H", self.endpoint,
                 "--data-root", self.folder / "data", "--exec-root", self.folder / "exec",
                 "--pidfile", self.folder / "engine.pid", "--bridge", self.bridge,
                 "--iptables=false", "--ip-masq=false", "--ip-forward=false",
                 "--shutdown-timeout", "2"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, processes.MARK: str(self.folder)})
        eventually(self.answers, within=30, what="answer of dockerd")
        return self

    def answers(self):
        assert self.process.poll() is None, (self.folder / "engine.log").read_text()[-2000:]
        try:
            return self.call("GET", "/_ping", timeout=2)[0] == 200
        except OSError:
            return False

    def _add_bridge(self):
        if not Path(f"/sys/class/net/{self.bridge}").exists():
            _ip("link", "add", self.bridge, "type", "bridge")
            _ip("addr", "add", f"10.{200 + self.number // 250 % 50}.{self.number % 250}.1/24",
                "dev", self.bridge)
            _ip("link", "set", self.bridge, "up")

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def crash(self):
        """Kills dockerd, and with it its containerd. Containers run on, at least until it is back."""
        containerd = (self.folder / "exec/containerd/containerd.pid").read_text().strip()
        self.process.kill()
        self.process.wait(30)
        # The next one would wait for it in vain if it found it dying.
        eventually(lambda: not Path(f"/proc/{containerd}").exists(), 30, "end of containerd")

    def end(self):
        """Ends dockerd; its containers end with it."""
        self.process.terminate()
        self.process.wait(30)

    def finish(self):
        """Ends it and leaves neither process, mount nor bridge."""
        try:
            self.resume()
            self.end()
        finally:
            processes.kill_marked(str(self.folder))
            for line in reversed(Path("/proc/mounts").read_text().splitlines()):
                place = line.split()[1].replace("\\040", " ")
                if place.startswith(str(self.folder)):
                    subprocess.run(["umount", "-l", place], check=False)
            _ip("link", "del", self.bridge)

    # -- the API

    def call(self, method, path, body=None, headers=None, timeout=30):
        connection = _UnixConnection(str(self.socket), timeout)
        sent = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path if path.startswith("/_") else API + path, body, sent)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ok(self, method, path, body=None, **more):
        status, answer = self.call(method, path, body, **more)
        assert status < 300, (method, path, status, answer[:500])
        return json.loads(answer) if answer[:1] in (b"{", b"[") else answer

    def follow(self, method, path, body=None, headers=None):
        """A call that reports its progress: its errors are lines within a 200."""
        status, answer = self.call(method, path, body, headers, timeout=60)
        assert status < 300 and b"errorDetail" not in answer, (method, path, status, answer[-500:])

    def import_image(self, reference, layer, command):
        """Makes an image out of a tar archive."""
        repository, tag = reference.rsplit(":", 1)
        query = urllib.parse.urlencode({"fromSrc": "-", "repo": repository, "tag": tag,
                                        "changes": f"CMD {json.dumps(command)}"})
        self.follow("POST", f"/images/create?{query}", layer, {"Content-Type": "application/x-tar"})

    def containers(self):
        return self.ok("GET", "/containers/json?all=1")

    def inspect(self, runtime_id):
        return self.ok("GET", f"/containers/{runtime_id}/json")

    def identity(self, runtime_id):
        """What must stay the same while nobody touches a container."""
        state = self.inspect(runtime_id)["State"]
        return runtime_id, state["Pid"], state["StartedAt"]

    def run(self, name, image, labels=None, command=None):
        body = {"Image": image, "Labels": labels or {}}
        if command:
            body["Cmd"] = command
        made = self.ok("POST", f"/containers/create?name={name}", body)["Id"]
        self.ok("POST", f"/containers/{made}/start")
        return made

    def kill(self, runtime_id):
        self.ok("POST", f"/containers/{runtime_id}/kill")

    def remove(self, runtime_id):
        status, answer = self.call("DELETE", f"/containers/{runtime_id}?force=1")
        assert status in (204, 404), (status, answer)


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
