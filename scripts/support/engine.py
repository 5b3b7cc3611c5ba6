"""A Docker Engine by its API over a unix socket: one that answers already, or a private one."""
import http.client
import io
import json
import os
import socket
import subprocess
import tarfile
from pathlib import Path
from urllib.parse import quote

SCRIPTS = Path(__file__).resolve().parents[1]
STANDARD = "/var/run/docker.sock"
BUSYBOX = "/bin/busybox"


class _Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("engine", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Engine:
    def __init__(self, path):
        self.path = path

    @property
    def endpoint(self):
        return f"unix://{self.path}"

    def request(self, method, target, body=None, headers=None, timeout=60):
        """(status, bytes)"""
        connection = _Connection(self.path, timeout)
        try:
            connection.request(method, target, body=body, headers=headers or {})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def json(self, method, target, body=None, timeout=60):
        text = None if body is None else json.dumps(body)
        status, answer = self.request(method, target, text,
                                      {"Content-Type": "application/json"}, timeout)
        if status >= 400:
            raise RuntimeError(f"{method} {target}: {status} {answer[:300]!r}")
        return json.loads(answer) if answer.strip() else None

    def answers(self):
        try:
            return self.request("GET", "/_ping", timeout=2)[0] == 200
        except OSError:
            return False

    def containers(self, *labels):
        wanted = quote(json.dumps({"label": list(labels)}))
        return self.json("GET", f"/containers/json?all=1&filters={wanted}")

    def inspect(self, container):
        return self.json("GET", f"/containers/{container}/json")

    def remove(self, container):
        self.request("DELETE", f"/containers/{container}?force=1&v=1")

    def import_image(self, repository, tag, files, command):
        """An image from busybox-static and `files` {path: (mode, bytes)}."""
        changes = quote(f"CMD {json.dumps(command)}")
        status, answer = self.request(
            "POST", f"/images/create?fromSrc=-&repo={repository}&tag={tag}&changes={changes}",
            _root_file_system(files), {"Content-Type": "application/x-tar"})
        if status != 200 or b'"error"' in answer:
            raise RuntimeError(f"the image could not be imported: {status} {answer[:300]!r}")

    def remove_image(self, name):
        self.request("DELETE", f"/images/{name}?force=1")


def _root_file_system(files):
    buffer = io.BytesIO()
    busybox = Path(BUSYBOX).read_bytes()
    everything = {"bin/busybox": (0o755, busybox), **files}
    folders = {"tmp", "proc", "sys", "dev", "etc"}
    for path in everything:
        folders.update(str(parent) for parent in Path(path).parents if str(parent) != ".")
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in sorted(folders):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        for path, (mode, content) in everything.items():
            entry = tarfile.TarInfo(path)
            entry.mode, entry.size = mode, len(content)
            tar.addfile(entry, io.BytesIO(content))
        for applet in _applets():
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    return buffer.getvalue()


def _applets():
    wanted = {"sh", "httpd", "sleep", "cat", "echo", "hostname", "kill", "true", "false", "wget",
              "nc", "ls", "head", "dd", "yes", "test"}
    listed = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True)
    return sorted(wanted.intersection(listed.stdout.split()))


def private_engine(folder):
    """Starts (or finds) one in `folder`; end it with stop_private_engine."""
    answer = subprocess.run([SCRIPTS / "private-engine", "start", folder], check=True,
                            stdout=subprocess.PIPE, text=True)
    return Engine(answer.stdout.strip().removeprefix("unix://"))


def stop_private_engine(folder):
    subprocess.run([SCRIPTS / "private-engine", "stop", folder], check=True)


def standard_engine():
    """The host's own engine, or None."""
    engine = Engine(STANDARD)
    return engine if os.path.exists(STANDARD) and engine.answers() else None
