"""Time limits, and the daemons' logs with what failed, for integration and end-to-end tests."""
import itertools
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.daemon import Daemon, program  # noqa: E402

LIMIT = 60
_numbers = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): the longest time that the test may take")


def pytest_collection_modifyitems(items):
    if not program().exists():
        pytest.exit(f"{program()} is not built: see ORCH_BUILD", returncode=3)


@pytest.fixture(autouse=True)
def time_limit(request):
    marker = request.node.get_closest_marker("limit")
    seconds = marker.args[0] if marker else LIMIT

    def expired(*_):
        pytest.fail(f"the test took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed:
        for daemon in Daemon.alive:
            tail = "\n".join(daemon.log().splitlines()[-40:])
            report.sections.append((f"log of the daemon in {daemon.folder}", tail))


@pytest.fixture(scope="session", autouse=True)
def no_daemon_outlives_the_session():
    yield
    for daemon in list(Daemon.alive):
        daemon.discard()


@pytest.fixture
def name(request):
    """A name of its own for each test, valid for every kind of object."""
    base = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")
    return f"{base[:40].strip('-')}-{next(_numbers)}"


def _end(daemon):
    try:
        daemon.stop()
    finally:
        daemon.discard()


@pytest.fixture
def make_daemon(tmp_path):
    """Begins daemons of this test alone; each is ended cleanly, which is part of the test."""
    made = []

    def make(settings=None, started=True, **more):
        daemon = Daemon(tmp_path / f"daemon-{len(made)}", settings, **more)
        made.append(daemon)
        return daemon.start() if started else daemon

    yield make
    for daemon in made:
        _end(daemon)


@pytest.fixture
def daemon(make_daemon):
    return make_daemon()


@pytest.fixture
def sqlite(make_daemon):
    return make_daemon({"store": {"plugin": "sqlite"}})


def _shared(tmp_path_factory, settings=None):
    daemon = Daemon(tmp_path_factory.mktemp("shared"), settings).start()
    yield daemon
    _end(daemon)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One daemon for the tests of a module, which take names of their own."""
    yield from _shared(tmp_path_factory)


@pytest.fixture(scope="module")
def shared_http(tmp_path_factory):
    """Like `shared`, with containers that answer HTTP."""
    yield from _shared(tmp_path_factory, {"runtime": {"config": {"http": True}}})


@pytest.fixture
def api(shared):
    return shared.api


@pytest.fixture
def certificate(tmp_path):
    """A certificate of 127.0.0.1 and its key."""
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost", "-days", "2",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-out", paths[0], "-keyout", paths[1]],
                   check=True, capture_output=True)
    return paths
