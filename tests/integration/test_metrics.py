"""/metrics as Prometheus sees it: names, a real server that reads them, and the dashboard's queries."""
import json
import pathlib
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml

from harness.objects import deploy
from harness.ports import free_port
from harness.wait import eventually

PACKAGING = pathlib.Path(__file__).parents[2] / "packaging"
PARTS = """http_requests_total http_request_duration_seconds reconcile_duration_seconds
    reconcile_queue_length schedule_pass_duration_seconds schedule_replicas_total engine_calls_total
    engine_call_duration_seconds probes_total containers container_restarts_total
    store_commits_total store_commit_duration_seconds loop_callback_duration_seconds
    loop_longest_seconds watches nodes_not_survived audit_lost_total build_info""".split()


@pytest.fixture(scope="module")
def busy(shared):
    """A daemon that has done something of everything."""
    deploy(shared.api, "metrics", replicas=2, ports=[{"containerPort": 80}])
    eventually(lambda: "orchestrator_nodes_not_survived" in text(shared), what="an answer")
    return shared


def text(daemon):
    return daemon.open.get("/metrics").check(200).text


def test_promtool_finds_nothing_to_say(busy):
    ran = subprocess.run(["promtool", "check", "metrics"], input=text(busy), text=True,
                         capture_output=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@pytest.mark.parametrize("name", PARTS)
def test_each_part_has_its_figures(busy, name):
    found = text(busy)
    assert f"# TYPE orchestrator_{name} " in found
    assert re.search(rf"^orchestrator_{name}(_count)?(\{{.*\}})? [0-9.]+$", found, re.M)


def test_requests_are_counted_by_route_and_code(busy):
    def count():
        found = re.search(r'^orchestrator_http_requests_total\{method="GET",route="/api/v1/nodes/'
                          r'\{name\}",code="404"\} (\d+)$', text(busy), re.M)
        return int(found[1]) if found else 0
    before = count()
    busy.api.get("/nodes/nobody").error(404)
    eventually(lambda: count() == before + 1, what="one more")


class Prometheus:
    """A real one, that reads the daemon ten times a second."""
    def __init__(self, folder, daemon):
        self.port = free_port()
        settings = yaml.safe_load((PACKAGING / "prometheus/prometheus.yml").read_text())
        job = settings["scrape_configs"][0]
        job["scrape_interval"] = "100ms"
        job["static_configs"] = [{"targets": [f"127.0.0.1:{daemon.port}"]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        self.log = open(folder / "log", "w", encoding="utf-8")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["prometheus", f"--config.file={folder}/prometheus.yml",
             f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{self.port}"],
            stderr=self.log)

    def ask(self, query):
        """The result's list; None while it does not answer."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": query})
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                return json.load(reply)["data"]["result"]
        except ConnectionError:
            return None
        except urllib.error.HTTPError as refused:  # still reading its own data
            assert refused.code == 503, f"{query}: {refused.read()}"
            return None
        except urllib.error.URLError:
            return None

    def end(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


def queries():
    board = json.loads((PACKAGING / "grafana/orchestrator.json").read_text())
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def test_the_dashboard_asks_for_what_there_is(busy):
    there = set(re.findall(r"^# TYPE (\S+)", text(busy), re.M))
    for query in queries():
        names = set(re.findall(r"\b(?:orchestrator|process)_\w+", query))
        assert names, query
        for name in names:
            assert re.sub(r"_(bucket|sum|count)$", "", name) in there or name in there, query


def test_a_real_prometheus_reads_it_and_answers_the_dashboard(busy, tmp_path):
    prometheus = Prometheus(tmp_path, busy)
    try:
        running = eventually(lambda: prometheus.ask('orchestrator_containers{state="running"}'),
                             within=30, what="a reading")
        assert int(running[0]["value"][1]) >= 2
        assert prometheus.ask("up")[0]["value"][1] == "1"
        for query in queries():
            asked = query.replace("$instance", ".*").replace("$__rate_interval", "1m")
            assert prometheus.ask(asked) is not None, asked
    finally:
        prometheus.end()
