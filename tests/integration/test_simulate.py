"""`orchestrator simulate`: what it plays, what it prints, and what it says of a file that is wrong."""
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from harness.daemon import program

ROOT = Path(__file__).resolve().parents[2]
SMALL = """
nodes:
  - {name: node, count: 6, capacity: {cpu: "4", memory: 8Gi}, zones: [a, b, c]}
deployments:
  - {name: web, image: "shop:1", replicas: 12, resources: {cpu: 250m, memory: 512Mi}}
"""


def run(*arguments):
    # A process that is killed in the simulation leaves its memory behind, as real ones do.
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    return subprocess.run([str(program()), "simulate", *map(str, arguments)], cwd=ROOT,
                          env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def scenario(tmp_path):
    def write(text):
        path = tmp_path / "scenario.yaml"
        path.write_text(text)
        return path
    return write


@pytest.fixture
def play(scenario):
    def play_it(text):
        result = run("-o", "json", scenario(text))
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)
    return play_it


def examples():
    text = (ROOT / "docs" / "simulate.md").read_text()
    return re.findall(r"```console\n\$ orchestrator simulate (\S+)\n(.*?)```", text, re.S)


def test_the_documentation_has_examples():
    assert len(examples()) >= 3


@pytest.mark.parametrize("arguments,shown", examples(), ids=[example[0] for example in examples()])
def test_examples_print_what_the_documentation_shows(arguments, shown):
    result = run(*arguments.split())
    printed = result.stdout + result.stderr
    if os.environ.get("ORCH_UPDATE_DOCS"):  # when what the orchestrator decides has changed
        page = ROOT / "docs" / "simulate.md"
        page.write_text(page.read_text().replace(shown, printed))
        return
    assert printed == shown, "if that is meant: ORCH_UPDATE_DOCS=1 writes it into the page"


def test_examples_in_the_documentation_are_the_files():
    text = (ROOT / "docs" / "simulate.md").read_text()
    for name in ("zone-loss", "schedulers"):
        assert (ROOT / "docs" / "simulate" / f"{name}.yaml").read_text() in text


def test_the_same_input_gives_the_same_output(scenario):
    path = scenario(SMALL + """
events:
  - {at: 30s, kill: [node-1, "zone=b"]}
  - {at: 2m, restore: [node-1]}
  - {at: 3m, patch: {name: web, image: "shop:2"}}
  - {at: 4m, scheduler: binpack}
  - {at: 5m, restart: web}
""")
    first, second = run(path), run(path)
    assert first.returncode == 0 and first.stdout == second.stdout
    assert run("-o", "json", path).stdout == run("-o", "json", path).stdout


def test_a_seed_changes_ties_only(play):
    one, two = play("seed: 1\n" + SMALL), play("seed: 2\n" + SMALL)
    assert one["steps"][0]["packing"] == two["steps"][0]["packing"]


def test_a_dead_node_is_replaced_after_its_time(play):
    told = play(SMALL + "events: [{at: 1m, kill: [node-3]}]")
    step = told["steps"][1]
    lost = [node for node in told["nodes"] if node["name"] == "node-3"][0]
    assert lost["state"] == "lost"
    assert step["event"] == "kill node-3" and step["atMs"] == 60000 and step["atRest"]
    assert {move["why"] for move in step["replaced"]} == {"node lost"}
    assert {move["from"] for move in step["replaced"]} == {"node-3"} and len(step["replaced"]) == 2
    assert all(move["to"] != "node-3" for move in step["replaced"])
    assert 14000 <= step["recoveredAfterMs"] <= 20000
    assert step["deployments"][0]["mostMissing"] == 2


def test_clocks_of_the_file_hold(play):
    told = play("node: {suspectAfter: 10s, lostAfter: 60s}\n" + SMALL +
                "events: [{at: 1m, kill: [node-3]}]")
    assert 59000 <= told["steps"][1]["recoveredAfterMs"] <= 65000


def test_what_does_not_fit_is_told_in_numbers(play):
    told = play("""
nodes:
  - {name: a, capacity: {cpu: "4", memory: 2Gi}, reserved: {cpu: 0, memory: 0}}
  - {name: b, capacity: {cpu: "4", memory: 3Gi}, reserved: {cpu: 0, memory: 0}}
  - {name: c, capacity: {cpu: 500m, memory: 64Gi}, reserved: {cpu: 0, memory: 0}}
deployments:
  - {name: web, image: "shop:1", replicas: 2, resources: {cpu: "1", memory: 3284Mi}}
""")
    step = told["steps"][0]
    unfit, = step["unfit"]
    assert step["recoveredAfterMs"] is None
    assert unfit["deployment"] == "web" and unfit["missing"] == 2 and unfit["nodes"] == 3
    by = {refusal["filter"]: refusal for refusal in unfit["refusals"]}
    assert by["memory"]["nodes"] == 2 and by["memory"]["nearest"] == "b"
    assert by["memory"]["short"] == 212 << 20
    assert by["memory"]["message"] == "memory short by 212Mi: 3284Mi asked, 3Gi free"
    assert by["cpu"]["nodes"] == 1 and by["cpu"]["short"] == 500


def test_drained_removed_and_added_nodes(play):
    told = play(SMALL + """
events:
  - {at: 1m, drain: [node-1]}
  - {at: 2m, remove: [node-2]}
  - {at: 3m, add: [{name: new, count: 2, capacity: {cpu: "4", memory: 8Gi}}]}
  - {at: 4m, uncordon: [node-1]}
  - {at: 5m, scale: {deployment: web, replicas: 36}}
""")
    drained, removed, added, _, scaled = told["steps"][1:]
    assert {(move["why"], move["from"]) for move in drained["replaced"]} == {
        ("node drained", "node-1")}
    assert {move["from"] for move in removed["replaced"]} == {"node-2"}
    assert drained["deployments"][0]["mostMissing"] == 0, "a drain takes nothing that is needed"
    assert added["replaced"] == [] and added["packing"]["nodes"] == 6
    assert [node["name"] for node in told["nodes"]] == [
        "new-1", "new-2", "node-1", "node-3", "node-4", "node-5", "node-6"]
    assert scaled["came"] == [{"deployment": "web", "why": "placed", "count": 24}]
    assert sum(node["containers"] for node in told["nodes"]) == 36


def test_a_deployment_is_made_changed_and_deleted(play):
    told = play(SMALL + """
events:
  - {at: 1m, deploy: {name: api, image: "api:1", replicas: 3, resources: {cpu: 100m}}}
  - {at: 2m, patch: {name: api, resources: {cpu: 200m}}}
  - {at: 3m, deploy: {name: api, image: "api:2", resources: {cpu: 200m}}}
  - {at: 4m, delete: api}
""")
    made, patched, replaced, deleted = told["steps"][1:]
    used = [step["packing"]["cpuMillis"]["used"] for step in told["steps"]]
    assert used == [3000, 3300, 3600, 3600, 3000]
    assert made["came"][0]["count"] == 3
    for step in (patched, replaced):
        assert len(step["replaced"]) == 3 and step["replaced"][0]["why"] == "new revision"
    assert deleted["ended"] == [{"deployment": "api", "why": "deleted", "count": 3}]


@pytest.mark.parametrize("first,second", [("even", "tight"), ("tight", "even")])
def test_plugins_by_path_are_swapped(play, first, second):
    plugins = program().parent.parent / "lib" / "orchestrator"
    told = play(f"""
scheduler:
  default: {first}
  plugins:
    - {{name: even, plugin: spread, path: {plugins}/scheduler-spread.so}}
    - {{name: tight, plugin: binpack, path: {plugins}/scheduler-binpack.so}}
""" + SMALL + f"""
events:
  - {{at: 1m, scheduler: {second}}}
  - {{at: 2m, restart: web}}
""")
    fullest = {}
    for name, step in ((first, told["steps"][0]), (second, told["steps"][2])):
        fullest[name] = step["packing"]["cpuMillis"]["deviationPerMille"]
    assert told["steps"][1]["replaced"] == [] and told["scheduler"] == second
    assert fullest["even"] < 100 and fullest["tight"] > 200


def test_what_the_orchestrator_refuses_is_told(play):
    told = play(SMALL + """
events:
  - {at: 1m, restore: [node-1]}
  - {at: 2m, patch: {name: web, mode: global}}
""")
    assert told["steps"][1]["refused"] == ["restore node-1: it has power already"]
    refused, = told["steps"][2]["refused"]
    assert refused.startswith("deploy web: ") and "mode" in refused


def test_a_large_cluster_in_ten_lines(play):
    told = play("""
nodes:
  - {name: node, count: 500, capacity: {cpu: "16", memory: 64Gi}, zones: [a, b, c]}
deployments:
  - {name: web, image: "w:1", replicas: 6000, resources: {cpu: 500m, memory: 1Gi}}
  - {name: api, image: "a:1", replicas: 4000, resources: {cpu: 250m, memory: 2Gi}}
events: [{at: 30s, kill: [node-3, node-7]}]
""")
    assert told["steps"][0]["packing"]["containers"] == 10000
    assert len(told["steps"][1]["replaced"]) == 40 and len(told["nodes"]) == 500


FAULTS = [
    ("nodes: []", "nodes: must have 1 to 1000 entries"),
    (SMALL + "evens: []", 'evens: is not known; did you mean "events"?'),
    (SMALL + "events: [{at: 1m}]", "events[0]: must say what happens: one of kill"),
    (SMALL + "events: [{at: 1m, kill: [node-1], restart: web}]", "events[0]: must say one thing"),
    (SMALL + "events: [{at: 1m, kill: [node-9]}]",
     'events[0].kill[0]: there is no node "node-9" at that time'),
    (SMALL + 'events: [{at: 1m, kill: ["zone=z"]}]',
     "events[0].kill[0]: no node has such labels at that time"),
    (SMALL + "events: [{at: 2m, restart: web}, {at: 1m, restart: web}]",
     "events[1].at: is before the event above it"),
    (SMALL + "events: [{at: 1m, scale: {deployment: wbe, replicas: 1}}]",
     'events[0].scale: there is no deployment "wbe" at that time'),
    (SMALL + "events: [{at: 1m, delete: web}, {at: 2m, restart: web}]",
     'events[1].restart: there is no deployment "web" at that time'),
    (SMALL + 'events: [{at: 1m, patch: {name: web, image: "shop"}}]',
     "events[0].patch.image: needs a tag or a digest"),
    (SMALL + "events: [{at: 1m, patch: {name: web, replica: 2}}]",
     'events[0].patch.replica: is not known; did you mean "replicas"?'),
    (SMALL + "events: [{at: 1m, scheduler: mine}]",
     'events[0].scheduler: there is no scheduler "mine"'),
    (SMALL + "scheduler: {plugins: [{name: mine, path: ./none.so}]}",
     "scheduler.plugins[0].path: "),
    (SMALL + "node: {suspectAfter: 20s}", "node.lostAfter: must be longer than suspectAfter"),
    ("nodes: [{name: a, count: 20000, capacity: {cpu: 4, memory: 8Gi}}, "
     "{name: b, capacity: {cpu: 4, memory: 8Gi}}]", "nodes[1]: there are more than 20000 nodes"),
    ("nodes: [{name: a, count: 2, capacity: {cpu: 4, memory: 8Gi}}, "
     "{name: a-1, capacity: {cpu: 4, memory: 8Gi}}]", 'nodes[1]: there is a node "a-1" already'),
    ("nodes: [{name: a, capacity: {cpu: 100m, memory: 8Gi}}]",
     "nodes[0]: all of its capacity is reserved"),
    (SMALL.replace("12", "900000"), "more than 500000 containers"),
    ("nodes: [1, 2", "is not YAML"),
    ("a: &x 1", "anchors are not allowed"),
    ("[]", "must be a mapping"),
]


@pytest.mark.parametrize("text,message", FAULTS, ids=[fault[1][:40] for fault in FAULTS])
def test_faults_are_told_with_their_place(scenario, text, message):
    path = scenario(text)
    result = run("--check", path)
    assert result.returncode == 2 and not result.stdout, result
    lines = result.stderr.splitlines()
    assert any(message in line for line in lines), result.stderr
    assert all(re.match(rf"{re.escape(str(path))}:\d+:\d+: ", line) for line in lines)


def test_a_plugin_of_its_own_folder_and_its_settings(scenario, tmp_path):
    plugins = program().parent.parent / "lib" / "orchestrator"
    (tmp_path / "mine.so").write_bytes((plugins / "scheduler-spread.so").read_bytes())
    result = run("--check", scenario(SMALL + """
scheduler:
  plugins: [{name: mine, plugin: spread, path: mine.so, config: {wieght: 3}}]
"""))
    assert result.returncode == 2
    assert "scheduler.plugins[0].config.wieght: " in result.stderr


def test_a_good_file_checks(scenario):
    result = run("--check", scenario(SMALL))
    assert result.returncode == 0 and result.stdout == "the scenario is fine\n"


def test_usage():
    assert run("--help").stdout.startswith("usage: orchestrator simulate")
    assert run().returncode == 2 and run("-o", "xml", "f").returncode == 2
    missing = run("none.yaml")
    assert missing.returncode == 2 and "none.yaml" in missing.stderr
    assert run("/dev/zero").returncode == 2
