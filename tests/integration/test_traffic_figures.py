"""What proxies count: /traffic, /metrics and the endpoints' figures agree with the load."""
import collections
import http.client
import re
import subprocess

import pytest

from harness.objects import http_deployment, service, wait_complete, wait_endpoints
from harness.ports import free_port
from harness.wait import eventually

SERIES = ("requestsPerSecond", "errorsPerSecond", "p50Ms", "p99Ms", "inFlight")


@pytest.fixture
def served(make_daemon, name):
    """A daemon on sqlite with an HTTP service in front of two containers: (daemon, port)."""
    daemon = make_daemon({"store": {"plugin": "sqlite"}, "runtime": {"config": {"http": True}}})
    port = free_port()
    daemon.api.post("/services", service(name, f"127.0.0.1:{port}", protocol="http")).check(201)
    daemon.api.post("/deployments", http_deployment(name, replicas=2)).check(201)
    wait_complete(daemon.api, name)
    wait_endpoints(daemon.api, name, 2)
    return daemon, port


def load(port, count):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    for _ in range(count):
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    connection.close()


def figures(daemon, name):
    """The sums over a service's endpoints of each of its metrics, by its other labels."""
    text = daemon.open.get("/metrics").check(200).text
    found = collections.Counter()
    for metric, labels, value in re.findall(
            r'^orchestrator_proxy_(\w+)\{service="' + name + r'",endpoint="[^"]*",?([^}]*)\} (\S+)$',
            text, re.M):
        found[metric + labels] += float(value)
    return found


def answered(daemon, name):
    return figures(daemon, name)['requests_totalcode="2xx"']


def in_series(daemon, name, by="service"):
    """How many requests the last quarter of an hour had, slot by slot."""
    item, = [item for item in daemon.api.items(f"/traffic?by={by}&step=5s")
             if item["name"] == name]
    return round(sum(item["series"]["requestsPerSecond"]) * 5)


def test_figures_agree_with_the_load_over_a_kill_of_the_daemon(served, name):
    daemon, port = served
    load(port, 40)
    eventually(lambda: answered(daemon, name) == 40, what="every request in /metrics")
    counted = figures(daemon, name)
    assert counted["request_duration_seconds_count"] == 40
    assert counted['request_duration_seconds_bucketle="+Inf"'] == 40
    assert counted["lost_total"] == 0
    assert counted["received_bytes_total"] > 40 * 20
    text = daemon.open.get("/metrics").check(200).text
    found = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                           capture_output=True, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")
    daemon.kill()
    daemon.start()
    wait_complete(daemon.api, name)
    wait_endpoints(daemon.api, name, 2)
    eventually(lambda: answered(daemon, name) == 40, what="what the proxy had counted before")
    load(port, 25)
    eventually(lambda: answered(daemon, name) == 65, what="those before and after, once each")
    assert figures(daemon, name)["request_duration_seconds_count"] == 65
    eventually(lambda: in_series(daemon, name) == 25, 20,
               what="only those after it in the series")


def test_traffic_is_shown_by_service_deployment_and_endpoint(served, name):
    daemon, port = served
    load(port, 30)
    eventually(lambda: in_series(daemon, name) == 30, 20, what="the slot's end")
    assert in_series(daemon, name, by="deployment") == 30
    endpoints = [item for item in daemon.api.items("/traffic?by=endpoint&step=5s")
                 if item["service"] == name]
    assert [round(sum(item["series"]["requestsPerSecond"]) * 5) for item in endpoints] == [15, 15]
    item, = daemon.api.items("/traffic?since=1m&step=30s")
    assert item["object"] == f"services/{name}" and item["deployment"] == name
    assert all(len(item["series"][member]) == 2 for member in SERIES)
    latencies = [value for value in item["series"]["p99Ms"] if value is not None]
    assert latencies and all(0 <= value < 10000 for value in latencies)
    assert item["errorsPerSecond"] == 0 and item["inFlight"] == 0


@pytest.mark.parametrize("query", ["by=node", "since=16m", "step=7s", "step=0s", "since=x"])
def test_what_traffic_does_not_know_is_refused(shared_http, query):
    shared_http.api.get(f"/traffic?{query}").error(400, "VALIDATION_FAILED")
