"""What orchctl changes, and how it ends when that fails."""
import pytest

from harness.objects import containers, deploy, deployment, status_of, wait_complete, wait_phase
from harness.orchctl import Orchctl, plain


@pytest.fixture
def ctl(shared, tmp_path):
    return Orchctl(shared, tmp_path)


def test_scale_waits_until_it_is_so(api, ctl, name):
    deploy(api, name)
    done = ctl.run("scale", name, 3)
    assert done.returncode == 0 and done.stdout == f"deployment/{name} scaled to 3\n"
    assert f"deployment/{name} is complete: 3 ready" in done.stderr
    assert status_of(api, name)["ready"] == 3


def test_progress_is_drawn_in_a_terminal(api, ctl, name):
    deploy(api, name)
    seen = ctl.terminal("scale", name, 4).end()
    assert "is \x1b[32mcomplete" in seen and "4 ready" in plain(seen)


def test_a_time_limit_ends_with_4(api, ctl, name):
    deploy(api, name)
    said = ctl.fails(4, "wait", name, "--for", "degraded", "--timeout", "300ms")
    assert f"deployment/{name} is not degraded within the time" in said


def test_what_cannot_be_placed_ends_with_4_and_says_why(api, ctl, name):
    api.post("/deployments", deployment(name, resources={"memory": "900Gi"})).check(201)
    said = ctl.fails(4, "rollout", "status", name, "--timeout", "1s")
    assert "is not complete within the time" in said and f"orchctl why {name}" in said


def test_a_failing_rollout_ends_with_3_once_it_is_rolled_back(make_daemon, tmp_path, name):
    daemon = make_daemon({"runtime": {"config": {"http": True}}})
    deploy(daemon.api, name, rollout={"progressDeadline": "2s"})
    daemon.api.patch(f"/deployments/{name}", {
        "readinessProbe": {"tcp": {"port": 1}, "interval": "100ms"}}).check(200)
    said = Orchctl(daemon, tmp_path).fails(3, "rollout", "status", name)
    assert "was rolled back: revision 2 failed" in said


def test_a_conflict_ends_with_5(api, ctl, name):
    deploy(api, name)
    assert "INVALID" not in ctl.fails(5, "rollback", name)


def test_rollback_and_history(api, ctl, name):
    deploy(api, name)
    api.patch(f"/deployments/{name}", {"image": "app/web:2"}).check(200)
    wait_complete(api, name)
    assert ctl.ok("rollback", name).startswith(f"deployment/{name} going back")
    assert api.get(f"/deployments/{name}").ok()["image"] == "app/web:1"
    rows = ctl.ok("rollout", "history", name).splitlines()
    assert "REVISION" in rows[0] and any(row.startswith("3 *") for row in rows)
    ctl.ok("rollout", "undo", name, "--to", 2)
    assert api.get(f"/deployments/{name}").ok()["image"] == "app/web:2"


def test_abort_puts_back_what_was_complete(api, ctl, name):
    deploy(api, name)
    api.patch(f"/deployments/{name}", {"resources": {"memory": "900Gi"}}).check(200)
    assert ctl.ok("rollout", "abort", name) == f"deployment/{name} going back to what was complete\n"
    assert api.get(f"/deployments/{name}").ok()["resources"]["memory"] == "0"
    rows = ctl.ok("rollout", "history", name).splitlines()
    assert "CHANGES" in rows[0] and "resources.memory" in rows[2]


def test_restart_replaces_every_container(api, ctl, name):
    deploy(api, name, replicas=2)
    before = {container["id"] for container in containers(api, name)}
    ctl.ok("restart", name)
    after = {container["id"] for container in containers(api, name)
             if container["state"] == "running"}
    assert len(after - before) == 2


def test_pause_and_resume(api, ctl, name):
    deploy(api, name)
    assert ctl.ok("rollout", "pause", name) == f"deployment/{name} paused\n"
    assert "orchctl rollout resume" in ctl.fails(1, "rollout", "status", name)
    ctl.ok("rollout", "resume", name)
    ctl.ok("rollout", "status", name)


def test_delete_waits_until_all_is_gone(api, ctl, name):
    deploy(api, name, replicas=2)
    assert ctl.ok("delete", "deployment", name) == f"deployment/{name} deleted\n"
    assert api.get(f"/deployments/{name}").status == 404


def test_delete_asks_on_a_terminal(api, ctl, name):
    deploy(api, name)
    terminal = ctl.terminal("delete", f"deployment/{name}")
    terminal.expect("[y/N]").type("n\n").end()
    assert terminal.status == 1 and "nothing was deleted" in terminal.seen
    assert api.get(f"/deployments/{name}").status == 200
    terminal = ctl.terminal("rm", f"d/{name}")
    terminal.expect("[y/N]").type("y\n").end()
    assert terminal.status == 0 and api.get(f"/deployments/{name}").status == 404


def test_wait_for_readiness_and_for_the_end(api, ctl, name):
    api.post("/deployments", deployment(name)).check(201)
    assert ctl.ok("wait", name) == f"deployment/{name} is ready\n"
    ctl.ok("wait", name, "--for", "complete")
    waiting = ctl.spawn("wait", f"deployment/{name}", "--for", "deleted")
    api.delete(f"/deployments/{name}").check(202)
    assert waiting.wait(15) == 0
    waiting.communicate()


def test_nodes_are_cordoned_labelled_and_drained(make_daemon, tmp_path, name):
    daemon = make_daemon()
    ctl = Orchctl(daemon, tmp_path)
    ctl.ok("node", "label", "node-1", "zone=a", "old=x")
    assert "zone=a" in ctl.ok("node", "label", "node-1", "old-")
    ctl.ok("cordon", "node-1")
    assert "cordoned" in ctl.ok("node", "ls")
    ctl.ok("node", "uncordon", "node-1")
    deploy(daemon.api, name)
    assert ctl.run("node", "drain", "node-1", "--deadline", "1s", "--timeout", "20s").returncode == 0
    assert daemon.api.get("/nodes/node-1").ok()["containers"] == 0
