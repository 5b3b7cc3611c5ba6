"""What orchctl shows: tables, other forms, names, errors, terminals."""
import json
import re

import pytest
import yaml

from harness.objects import containers, deploy, service, wait_complete
from harness.orchctl import Orchctl, plain
from harness.ports import free_port


@pytest.fixture
def ctl(shared, tmp_path):
    return Orchctl(shared, tmp_path)


def test_a_table_has_a_row_for_each_object(api, ctl, name):
    deploy(api, name, replicas=2)
    lines = ctl.ok("get", "deployments", name).splitlines()
    assert lines[0].split() == ["NAME", "READY", "UPDATED", "AVAILABLE", "PHASE", "AGE"]
    assert lines[1].split()[:5] == [name, "2/2", "2", "2", "complete"]


def test_wide_has_more_columns(api, ctl, name):
    deploy(api, name, labels={"team": "shop"})
    lines = ctl.ok("get", "d", name, "-o", "wide").splitlines()
    assert "IMAGE" in lines[0] and "app/web:1" in lines[1] and "team=shop" in lines[1]


@pytest.mark.parametrize("word", ["deployments", "deployment", "deploy", "d"])
def test_kinds_go_by_plural_singular_and_short_form(api, ctl, name, word):
    deploy(api, name)
    assert ctl.ok("get", word, name, "-q") == f"{name}\n"
    assert ctl.ok("get", f"{word}/{name}", "-o", "name") == f"deployment/{name}\n"


def test_json_is_the_object_of_the_api(api, ctl, name):
    deploy(api, name)
    shown = json.loads(ctl.ok("get", "deployment", name, "-o", "json"))
    assert shown == api.get(f"/deployments/{name}").ok()


def test_several_objects_as_json_are_items(api, ctl, name):
    deploy(api, name, replicas=2)
    shown = json.loads(ctl.ok("get", "containers", "--deployment", name, "-o", "json"))
    assert [item["deployment"] for item in shown["items"]] == [name, name]


def test_yaml_is_a_manifest(api, ctl, name):
    deploy(api, name, env={"YES": "yes", "NUMBER": "017", "EMPTY": "", "LINES": "a\nb\n"})
    shown = yaml.safe_load(ctl.ok("get", "deployment", name, "-o", "yaml"))
    assert shown["kind"] == "Deployment" and "status" not in shown and "uid" not in shown
    assert shown["env"] == {"YES": "yes", "NUMBER": "017", "EMPTY": "", "LINES": "a\nb\n"}


def test_a_selector_chooses(api, ctl, name):
    deploy(api, f"{name}-a", labels={"of": name, "tier": "a"})
    deploy(api, f"{name}-b", labels={"of": name, "tier": "b"})
    assert ctl.ok("get", "d", "-l", f"of={name},tier!=a", "-q") == f"{name}-b\n"


def test_a_container_goes_by_a_unique_beginning_of_its_id(api, ctl, name):
    deploy(api, name, replicas=2)
    found = containers(api, name)[0]["id"]
    assert ctl.ok("get", "container", found[:-2], "-q") == f"{found}\n"
    assert "2 containers begin with" in ctl.fails(1, "get", "container", name)


def test_what_is_not_there_is_said_and_the_rest_is_shown(api, ctl, name):
    deploy(api, name)
    done = ctl.run("get", "d", "nowhere", name, "-q")
    assert done.returncode == 1 and done.stdout == f"{name}\n"
    assert 'there is no deployment "nowhere"' in done.stderr
    assert "next:" in done.stderr


@pytest.mark.parametrize("arguments, meant", [
    (["gte", "d"], 'did you mean "orchctl get"?'),
    (["rollout", "stauts", "x"], 'did you mean "orchctl rollout status"?'),
    (["get", "deploymnets"], 'did you mean "deployments"?'),
    (["get", "d", "--slector", "a"], 'did you mean "--selector"?'),
    (["get", "d", "-o", "jsn"], 'did you mean "json"?'),
    (["scale", "web"], "orchctl scale web 3"),
    (["get"], "orchctl get KIND"),
])
def test_a_slip_is_answered_with_what_was_meant(ctl, arguments, meant):
    assert meant in ctl.fails(1, *arguments)


def test_describe_tells_all_that_belongs_to_it(api, ctl, name):
    deploy(api, name, ports=[{"name": "http", "containerPort": 80}],
           livenessProbe={"tcp": {"port": "http"}, "initialDelay": "1h"})
    listen = f"127.0.0.1:{free_port()}"
    api.post("/services", service(name, listen)).check(201)
    shown = ctl.ok("describe", "deployment", name)
    for part in ("http=80/tcp", "complete for", containers(api, name)[0]["id"], listen, "Created",
                 "tcp http every 10s"):
        assert part in shown
    assert "active" in (shown := ctl.ok("describe", f"service/{name}"))
    assert "requests/s, 0.00 errors/s" in shown, shown
    assert name in ctl.ok("describe", "node", "node-1")
    assert "runtimeId" in ctl.ok("describe", "c", containers(api, name)[0]["id"])


def test_an_unknown_host_or_key_is_explained(shared, ctl):
    port = free_port()
    gone = ctl.fails(1, "get", "d", "--server", f"http://127.0.0.1:{port}")
    assert f"cannot reach the server at http://127.0.0.1:{port} (from --server)" in gone
    assert "is the server running?" in gone
    assert "the key is wrong" in ctl.fails(1, "get", "d", ORCH_API_KEY="wrong")
    assert "give a key" in ctl.fails(1, "get", "d", ORCH_API_KEY="")


def test_nothing_is_coloured_without_a_terminal(api, ctl, name):
    deploy(api, name)
    assert "\x1b" not in ctl.ok("get", "d", name) + ctl.ok("describe", "d", name)


def test_a_terminal_gets_colours_unless_it_says_no(api, ctl, name):
    deploy(api, name)
    assert "\x1b[32mcomplete" in ctl.terminal("get", "d", name).end()
    assert "\x1b" not in ctl.terminal("get", "d", name, NO_COLOR="1").end()
    assert "\x1b" not in ctl.terminal("get", "d", name, TERM="dumb").end()


HOSTILE = "a\x1b[2Jb\x07c\x9bd\u202ee\rf"


@pytest.mark.parametrize("form", ["table", "json", "yaml"])
def test_no_control_character_of_others_reaches_a_terminal(api, ctl, name, form):
    deploy(api, name, annotations={"note": HOSTILE})
    terminal = ctl.terminal("describe", "d", name) if form == "table" else \
        ctl.terminal("get", "d", name, "-o", form)
    seen = plain(terminal.end())
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", seen), seen
    assert "note" in seen


def test_watching_shows_each_change(api, ctl, name):
    deploy(api, name)
    terminal = ctl.terminal("get", "d", name, "-w")
    terminal.expect("1/1")
    api.post(f"/deployments/{name}/scale", {"replicas": 2}).check(200)
    terminal.expect("2/2")
    terminal.kill()


def test_watching_as_json_is_a_change_a_line(api, ctl, name):
    deploy(api, name)
    following = ctl.spawn("get", "d", name, "-w", "-o", "json")
    first = json.loads(following.stdout.readline())
    assert first["type"] == "added" and first["object"]["name"] == name
    api.delete(f"/deployments/{name}").check(202)
    while json.loads(following.stdout.readline())["type"] != "removed":
        pass
    following.kill()
    following.communicate()


def test_logs_of_all_replicas_name_their_container(api, ctl, name):
    deploy(api, name, replicas=2)
    ids = {container["id"] for container in containers(api, name)}
    assert {line.split()[0] for line in ctl.ok("logs", name).splitlines()} == ids
    one = sorted(ids)[0]
    assert ctl.ok("logs", one) == f"{one} started\n"


def test_followed_logs_go_on(api, ctl, name):
    deploy(api, name)
    following = ctl.spawn("logs", "-f", name)
    first = following.stdout.readline()
    assert first.endswith("started\n")
    following.kill()
    following.communicate()


def test_events_are_told_and_followed(api, ctl, name):
    deploy(api, name)
    assert "RolloutComplete" in ctl.ok("events", name)
    terminal = ctl.terminal("events", "-w", f"deployment/{name}")
    terminal.expect("RolloutComplete")
    api.post(f"/deployments/{name}/scale", {"replicas": 2}).check(200)
    terminal.expect("Scaled")
    terminal.kill()


def test_a_watch_goes_on_over_a_restart_of_the_server(sqlite, tmp_path, name):
    deploy(sqlite.api, name)
    terminal = Orchctl(sqlite, tmp_path).terminal("get", "d", name, "-w")
    terminal.expect("1/1")
    sqlite.restart()
    wait_complete(sqlite.api, name)
    sqlite.api.post(f"/deployments/{name}/scale", {"replicas": 3}).check(200)
    terminal.expect("3/3", within=30)
    assert terminal.seen.count("was lost; trying again") == 1
    assert "cannot reach" not in terminal.seen
    terminal.kill()


def test_cluster_whoami_version_and_config(ctl):
    assert "1 ready" in ctl.ok("cluster")
    assert "one node lost:" in ctl.ok("cluster")
    assert "role admin" in ctl.ok("whoami")
    assert re.search(r"orchctl \d+\.\d+.*\nserver \d", ctl.ok("version"))
    assert "runtime.plugin" in ctl.ok("config")
    assert "simulated" in ctl.ok("plugin", "ls")
    assert "RESERVED" in ctl.ok("top")


def test_why_of_a_container_shows_where_it_could_run(api, ctl, name):
    deploy(api, name)
    shown = ctl.ok("why", containers(api, name)[0]["id"])
    assert "is running and ready on node node-1" in shown
    assert re.search(r"node-1 +yes", shown)


def test_completion_knows_commands_options_and_names(api, ctl, name):
    deploy(api, name)

    def offered(*words):
        return [line.split("\t")[0] for line in ctl.ok("__complete", *words).splitlines()]
    assert "rollout" in offered("ro") and "status" in offered("rollout", "")
    assert offered("get", "depl") == ["deployments"]
    assert name in offered("get", "deployments", name[:3])
    assert name in offered("scale", "")
    assert "--selector" in offered("get", "d", "--sel")
    assert "json" in offered("get", "d", "-o", "")
    for shell in ("bash", "zsh", "fish"):
        assert "__complete" in ctl.ok("completion", shell)


def test_bash_takes_the_completion(api, ctl, name, tmp_path):
    import subprocess
    from harness.daemon import program
    deploy(api, name)
    script = tmp_path / "completion"
    script.write_text(ctl.ok("completion", "bash"))
    done = subprocess.run(
        ["bash", "-c", f"source {script}; COMP_WORDS=(orchctl scale {name[:4]}); COMP_CWORD=2; "
         "_orchctl; printf '%s\\n' \"${COMPREPLY[@]}\""], text=True, capture_output=True,
        env={**ctl.environment, "PATH": f"{program('orchctl').parent}:{ctl.environment['PATH']}"})
    assert name in done.stdout.splitlines(), done


def test_every_command_has_help(ctl):
    overview = ctl.ok("--help")
    commands = re.findall(r"^  ([a-z][a-z -]*?)  +\S", overview, re.M)
    assert len(commands) > 30
    for command in commands:
        assert ctl.ok(*command.split(), "--help").startswith(f"usage: orchctl {command}")
        assert ctl.ok("help", *command.split()).startswith(f"usage: orchctl {command}")


def test_every_command_has_a_manual_page(ctl, tmp_path):
    ctl.ok("__man", tmp_path)
    overview = (tmp_path / "orchctl.1").read_text()
    assert ".SH EXIT STATUS" in overview
    page = (tmp_path / "orchctl-rollout-status.1").read_text()
    assert page.startswith('.TH "orchctl-rollout-status" 1') and "\\-\\-timeout" in page
    for command in re.findall(r"^\.B ([a-z].*)$", overview, re.M):
        name = command.replace("\\-", "-").replace(" ", "-")
        assert (tmp_path / f"orchctl-{name}.1").exists() or name == "orchctl", name
