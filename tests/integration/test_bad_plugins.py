"""Bad plugins: an optional one is refused and told, a required one keeps the daemon from starting."""
import os
import shutil

import pytest

from harness.daemon import build_folder

LIBRARY = build_folder() / "lib" / "orchestrator"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "plugins"
    path.mkdir(mode=0o755)
    return path


def refused(daemon, file):
    name = file.removeprefix("scheduler-").removesuffix(".so")
    found = [item for item in daemon.api.items("/plugins") if item["name"] == name]
    assert found and found[0]["state"] == "refused" and file in found[0]["message"], found
    return found[0]["message"]


def text_file(folder, name):
    path = folder / name
    path.write_text("this is no library\n")
    path.chmod(0o644)


def test_a_text_file_named_like_a_plugin_is_refused(make_daemon, folder):
    text_file(folder, "scheduler-broken.so")
    daemon = make_daemon({"plugins": {"path": [str(folder)]}})
    refused(daemon, "scheduler-broken.so")


def test_a_plugin_that_others_may_write_is_refused(make_daemon, folder):
    path = folder / "scheduler-loose.so"
    shutil.copy(LIBRARY / "scheduler-binpack.so", path)
    path.chmod(0o666)
    daemon = make_daemon({"plugins": {"path": [str(folder)]}})
    assert "writ" in refused(daemon, "scheduler-loose.so")


def test_a_truncated_plugin_is_refused(make_daemon, folder):
    path = folder / "scheduler-short.so"
    path.write_bytes((LIBRARY / "scheduler-binpack.so").read_bytes()[:3000])
    path.chmod(0o644)
    daemon = make_daemon({"plugins": {"path": [str(folder)]}})
    refused(daemon, "scheduler-short.so")


def test_a_plugin_of_somebody_else_is_refused(make_daemon, folder):
    path = folder / "scheduler-foreign.so"
    shutil.copy(LIBRARY / "scheduler-binpack.so", path)
    path.chmod(0o644)
    os.chown(path, 65534, 65534)
    daemon = make_daemon({"plugins": {"path": [str(folder)]}})
    refused(daemon, "scheduler-foreign.so")


@pytest.mark.parametrize("kind, setting", (
    ("store", {"store": {"plugin": "broken"}}), ("runtime", {"runtime": {"plugin": "broken"}}),
    ("scheduler", {"scheduler": {"default": "broken"}}),
    ("balancer", {"balancer": {"default": "broken"}})))
def test_a_required_plugin_that_is_bad_keeps_it_from_starting(make_daemon, folder, kind, setting):
    text_file(folder, f"{kind}-broken.so")
    daemon = make_daemon({"plugins": {"path": [str(folder)]}, **setting}, started=False)
    daemon.spawn()
    assert daemon.process.wait(20) not in (0, None)
    assert "broken" in daemon.log()

