"""`orchestrator` as a user starts it, and its REST API."""
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(look, seconds, what, every=0.02):
    """What `look` answers, once it is true."""
    end = time.monotonic() + seconds
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() > end:
            raise RuntimeError(f"waited {seconds} s in vain for {what}")
        time.sleep(every)


def is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Server:
    def __init__(self, folder, endpoint, log_path, build="build", environment=None, port=None):
        self.state, self.log_path = Path(folder), Path(log_path)
        self.port = port or free_port()
        self.program = ROOT / build / "bin" / "orchestrator"
        self.environment = {**os.environ, "ORCHD_STATE_DIR": str(folder),
                            "ORCHD_API_LISTEN": f"127.0.0.1:{self.port}",
                            "ORCHD_RUNTIME_CONFIG_ENDPOINT": endpoint, **(environment or {})}
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def key_path(self):
        return self.state / "api-key"

    def start(self, seconds=20):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "--config", ROOT / "config" / "orchestrator.yaml"],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_until(self._is_ready, seconds, "the server to be ready")

    def _is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the server ended with {self.process.returncode}; "
                               f"its log: {self.log_path}")
        try:
            return self._ask("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=20):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            if self.process.wait(seconds) != 0:
                raise RuntimeError(f"the server ended with {self.process.returncode}")

    def _ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def api(self, method, path, body=None):
        headers = {"X-API-Key": self.key_path.read_text().strip()}
        if body is not None:
            headers["Content-Type"] = "application/json"
        text = None if body is None else json.dumps(body)
        status, answer = self._ask(method, f"/api/v1{path}", text, headers)
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {answer.decode()}")
        return json.loads(answer) if answer else None

    def orchctl(self, *arguments):
        """What it prints; it must succeed."""
        environment = {**os.environ, "ORCH_SERVER": self.url,
                       "ORCH_API_KEY": self.key_path.read_text().strip()}
        done = subprocess.run([self.program.parent / "orchctl", *map(str, arguments)], text=True,
                              env=environment, stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode:
            raise RuntimeError(f"orchctl ended with {done.returncode}: {done.stderr}")
        return done.stdout.rstrip()

    def status(self, name):
        return self.api("GET", f"/deployments/{name}")["status"]

    def wait_complete(self, name, seconds=60):
        return wait_until(lambda: self.status(name)["phase"] == "complete", seconds,
                          f"deployment {name} to be complete")

    def containers(self, name):
        return self.api("GET", f"/containers?deployment={name}")["items"]

    def gone(self, name):
        try:
            self.api("GET", f"/deployments/{name}")
        except RuntimeError as error:
            if ": 404 " in str(error):
                return True
            raise
        return False
