"""One Docker Engine for the session, and a daemon on it for each test."""
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from harness.daemon import Daemon
from harness.engine import Engine
from harness.image import layer
from harness.load import ask
from harness.objects import service, wait_complete, wait_endpoints
from harness.ports import free_port
from harness.wait import eventually

IMAGES = ("e2e/web:1", "e2e/web:2")
PROBE = {"http": {"port": "http", "path": "/healthz"}, "interval": "200ms"}


def pytest_collection_modifyitems(items):
    needed = [tool for tool in ("dockerd", "docker-registry", "ip") if not shutil.which(tool)]
    if os.geteuid() != 0 or needed or not Path("/bin/busybox").exists():
        pytest.exit(f"needs root, busybox-static and {needed or 'nothing else'}", returncode=3)


@pytest.fixture(scope="session")
def engine():
    folder = Path(tempfile.mkdtemp(prefix="oe"))
    running = Engine(folder).start()
    for number, image in enumerate(IMAGES, start=1):
        running.import_image(image, layer(number), ["/serve"])
    yield running
    running.finish()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def foreign(engine):
    """A container of somebody else, there from the start: nobody may touch it."""
    made = engine.run("foreign", IMAGES[0], {"com.example": "not-ours"}, ["sleep", "100000"])
    yield made
    engine.remove(made)


def settings(engine, **changes):
    return {"store": {"plugin": "sqlite"},
            "runtime": {"plugin": "docker", "config": {"endpoint": engine.endpoint}}, **changes}


@pytest.fixture
def daemon(engine, foreign, tmp_path):
    """A daemon with sqlite and docker; at its end nothing of it may be left in the engine."""
    before, starts = engine.identity(foreign), engine.starts
    running = Daemon(tmp_path / "daemon", settings(engine)).start()
    yield running
    try:
        remove_everything(running)
        eventually(lambda: [item["Id"] for item in engine.containers()] == [foreign],
                   within=20, what="an engine with nothing of ours")
        same = engine.identity(foreign) == before
        assert same or engine.starts != starts, "a foreign container was touched"
        running.stop()
    finally:
        running.discard()
        for item in engine.containers():
            if item["Id"] != foreign:
                engine.remove(item["Id"])


def remove_everything(daemon):
    for kind in ("services", "deployments"):
        for item in daemon.api.items(f"/{kind}"):
            daemon.api.delete(f"/{kind}/{item['name']}").check(202, 204)
    eventually(lambda: daemon.api.items("/deployments") == [], within=30, what="no deployment")


@pytest.fixture
def api(daemon):
    return daemon.api


def web(name, **changes):
    """Containers of the test image, which serve a page that names them."""
    return {"name": name, "image": IMAGES[0], "replicas": 1, "stopGracePeriod": "2s",
            "ports": [{"name": "http", "containerPort": 8080}], "readinessProbe": PROBE, **changes}


class Served:
    """A service in front of ready containers."""

    def __init__(self, daemon, name, replicas, protocol="tcp"):
        self.daemon, self.name, self.port = daemon, name, free_port()
        api = daemon.api
        api.post("/services", service(name, f"127.0.0.1:{self.port}",
                                       protocol=protocol)).check(201)
        api.post("/deployments", web(name, replicas=replicas)).check(201)
        self.settle(replicas)

    def settle(self, replicas, within=30):
        """Waits until `replicas` are complete, published and alone."""
        wait_complete(self.daemon.api, self.name, within)
        wait_endpoints(self.daemon.api, self.name, replicas, within)
        eventually(lambda: len(self.containers()) == replicas, within, f"{replicas} containers")

    def containers(self):
        return self.daemon.api.items(f"/containers?deployment={self.name}")

    def runtime_ids(self):
        return sorted(item["runtimeId"] for item in self.containers() if item["runtimeId"])

    def ids(self):
        return {item["id"] for item in self.containers()}

    def ask(self, path="/"):
        return ask(self.port, path)


@pytest.fixture
def serve(daemon, name):
    return lambda replicas=3, **options: Served(daemon, name, replicas, **options)
