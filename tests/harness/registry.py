"""Debian's docker-registry on loopback."""
import base64
import http.client
import subprocess

from .ports import free_port
from .wait import eventually

CONFIG = """version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {folder}/store}}
http: {{addr: "127.0.0.1:{port}"}}
"""
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(), None

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        config = self.folder / "registry.yml"
        config.write_text(CONFIG.format(folder=self.folder, port=self.port))
        with open(self.folder / "registry.log", "wb") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", config], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)
        eventually(self._answers, within=15, what="registry")
        return self

    def _answers(self):
        try:
            return self._request("GET", "/v2/").status == 200
        except OSError:
            return False

    def _request(self, method, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request(method, path, headers={"Accept": MANIFEST})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    def digest(self, repository, tag):
        answer = self._request("HEAD", f"/v2/{repository}/manifests/{tag}")
        return answer.headers["Docker-Content-Digest"]

    def push(self, engine, source, repository, tag):
        """Pushes an image of the engine and removes it there; answers its reference."""
        reference = f"{self.host}/{repository}"
        engine.ok("POST", f"/images/{source}/tag?repo={reference}&tag={tag}")
        engine.follow("POST", f"/images/{reference}/push?tag={tag}",
                      headers={"X-Registry-Auth": base64.b64encode(b"{}").decode()})
        engine.ok("DELETE", f"/images/{reference}:{tag}")
        return f"{reference}:{tag}"

    def end(self):
        self.process.terminate()
        self.process.wait(10)
