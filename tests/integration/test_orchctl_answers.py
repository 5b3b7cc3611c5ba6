"""Answers laid down by the contract: why, plan, traffic; refusals; TLS and unix sockets."""
import json
import re

import pytest

from harness.fakeapi import FakeApi, FakeUnixApi
from harness.orchctl import Orchctl, plain

DEPLOYMENT = {"name": "web", "status": {"phase": "pending", "ready": 0, "desired": 1}}
WHY = {
    "waitsFor": "1 of 3 replicas fits on no node\x1b[2J",
    "nodes": [
        {"node": "n1", "fits": False, "checks": [
            {"filter": "ready", "ok": True, "message": ""},
            {"filter": "memory", "ok": False, "asked": 1073741824, "free": 851443712,
             "short": 222298112, "message": "memory short by 212Mi: 1Gi asked, 812Mi free of 4Gi"},
            {"filter": "ports", "ok": False, "message": "host port 80 is held by api-1"}]},
        {"node": "n2", "fits": False, "checks": [
            {"filter": "cpu", "ok": False, "asked": 500, "free": 100, "short": 400, "message": ""}]},
    ],
    "fixes": [{"message": "it fits if memory <= 300Mi", "patch": {}}],
}
PLAN = {
    "token": "tok-1", "expiresAt": "2030-01-01T00:00:00Z", "seq": 9, "newRevision": 2,
    "changes": [{"object": "deployments/web", "path": "replicas", "from": 1, "to": 3}],
    "start": [{"slot": 1, "node": "n1"}], "stop": [{"container": "web-0-abc", "node": "n2"}],
    "unplaced": [{"slot": 2, "why": "memory short by 212Mi on every node"}],
    "services": [{"name": "web", "readyAtLeast": 1}], "warnings": ["n2 will be full"],
}


@pytest.fixture
def serve(tmp_path):
    servers = []

    def make(answers, **more):
        servers.append(FakeApi(answers, **more))
        return servers[-1], Orchctl(servers[-1], tmp_path)
    yield make
    for server in servers:
        server.close()


def test_why_shows_each_node_with_its_reasons_and_what_would_help(serve):
    _, ctl = serve({("GET", "/deployments/web"): (200, DEPLOYMENT),
                    ("GET", "/deployments/web/why"): (200, WHY)})
    shown = ctl.ok("why", "web")
    assert shown.startswith("1 of 3 replicas fits on no node")
    assert "memory short by 212Mi: 1Gi asked, 812Mi free of 4Gi; host port 80 is held by api-1" in shown
    assert "cpu short by 400: 500 asked, 100 free" in shown
    assert "what would help:\n  - it fits if memory <= 300Mi" in shown
    assert "\x1b[2J" not in ctl.terminal("why", "web").end()


def test_a_route_that_an_older_server_lacks_is_named_with_its_version(serve):
    _, ctl = serve({("GET", "/cluster"): (200, {"version": "0.0.9"}),
                    ("GET", "/openapi.json"): (200, {"paths": {"/api/v1/cluster": {}}})})
    said = ctl.fails(1, "top", "services")
    assert "has no /api/v1/traffic" in said and "update the server" in said
    assert "orchestrator 0.0.9 at http://127.0.0.1:" in said


def test_why_not_is_about_one_node(serve):
    _, ctl = serve({("GET", "/deployments/web/why"): (200, WHY)})
    shown = ctl.ok("why-not", "web", "--node", "n2")
    assert "n2" in shown and "n1" not in shown
    assert 'there is no node "n9"' in ctl.run("why-not", "web", "--node", "n9").stderr
    assert "--node node-1" in ctl.fails(1, "why-not", "web")


def test_a_plan_ends_with_2_and_its_token_applies_it(serve, tmp_path):
    server, ctl = serve({("POST", "/plan"): (200, PLAN), ("POST", "/plan/tok-1/apply"): (200, {})})
    manifest = tmp_path / "web.yaml"
    manifest.write_text("kind: Deployment\nname: web\nimage: app/web:1\nreplicas: 3\n")
    done = ctl.run("plan", "-f", manifest)
    assert done.returncode == 2
    for line in ("~ deployments/web replicas: 1 -> 3", "+ slot 1 on n1",
                 "- container web-0-abc on n2", "! slot 2 fits nowhere: memory short",
                 "service web: at least 1 ready", "warning: n2 will be full",
                 "orchctl apply --plan tok-1"):
        assert line in done.stdout, done.stdout
    assert server.asked[-1][2] == {"items": [{
        "op": "put", "kind": "deployments", "name": "web",
        "object": {"name": "web", "image": "app/web:1", "replicas": 3}}]}
    assert ctl.ok("apply", "--plan", "tok-1") == "plan applied\n"


@pytest.mark.parametrize("words, item", [
    (["scale", "web", "5"], {"op": "scale", "kind": "deployments", "name": "web",
                             "object": {"replicas": 5}}),
    (["drain", "n1"], {"op": "drain", "kind": "nodes", "name": "n1"}),
    (["lose", "n1"], {"op": "lose", "kind": "nodes", "name": "n1"}),
    (["delete", "web"], {"op": "delete", "kind": "deployments", "name": "web"}),
])
def test_plans_are_made_of_words_too(serve, words, item):
    server, ctl = serve({("POST", "/plan"): (200, {"changes": [], "start": [], "stop": []})})
    assert ctl.ok("plan", *words) == "nothing would change\n"
    assert server.asked[-1][2] == {"items": [item]}


def test_pages_are_followed_to_the_end(serve):
    def page(query):
        number = int(query.partition("after=p")[2] or 0)
        return {"items": [{"id": f"web-{number}-abc"}], "next": f"p{number + 1}" if number < 2 else None}
    server, ctl = serve({("GET", "/containers"): (200, page)})
    assert ctl.ok("get", "c", "-l", "a=b", "-q").split() == ["web-0-abc", "web-1-abc", "web-2-abc"]
    assert server.asked[-1][1] == "/containers?selector=a%3Db&after=p2"


def test_traffic_is_a_table(serve):
    _, ctl = serve({("GET", "/traffic"): (200, {"items": [
        {"name": "web", "requestsPerSecond": 12.5, "errorsPerSecond": 0, "p50Ms": 1.25, "p99Ms": 9,
         "inFlight": 3}], "next": None})})
    assert re.search(r"web +12.50 +0 +1.25 +9 +3", ctl.ok("top", "deployments"))


def test_every_fault_of_a_refusal_is_told(serve):
    _, ctl = serve({("POST", "/deployments/web/scale"): (400, {
        "error": "replicas: too many (and 1 more)", "code": "VALIDATION_FAILED", "details": [
            {"field": "replicas", "message": "too many"},
            {"field": "speed", "message": "is not known"}]})})
    said = ctl.fails(1, "scale", "web", 5)
    assert "  replicas: too many\n  speed: is not known\n" in said


@pytest.mark.parametrize("http_status, code, status, next_step", [
    (409, "INVALID_STATE", 5, "look at it"), (412, "PRECONDITION_FAILED", 5, "somebody else"),
    (403, "FORBIDDEN", 1, "whoami"), (429, "RATE_LIMITED", 1, "try again"),
    (503, "UNAVAILABLE", 1, "try again")])
def test_refusals_have_their_status_and_next_step(serve, http_status, code, status, next_step):
    _, ctl = serve({("POST", "/deployments/web/restart"): (http_status, {
        "error": "no", "code": code, "details": []})})
    assert next_step in ctl.fails(status, "restart", "web")


def test_an_outcome_that_is_not_known_is_said(serve):
    _, ctl = serve({("POST", "/deployments/web/pause"): (503, {
        "error": "late", "code": "UNAVAILABLE", "outcome": "unknown"})})
    assert "it may or may not have happened" in ctl.fails(1, "rollout", "pause", "web")


def test_an_answer_that_is_no_json_is_a_failure(serve):
    server, ctl = serve({})
    server.answers[("GET", "/nodes")] = (502, "bad gateway")
    assert "HTTP status 502" in ctl.fails(1, "get", "nodes")


def test_control_characters_of_a_server_reach_no_terminal(serve):
    _, ctl = serve({("GET", "/nodes"): (500, {"error": "a\x1b]0;owned\x07b\u202ec", "code": "INTERNAL"})})
    seen = plain(ctl.terminal("get", "nodes").end())
    assert "a?]0;owned?b?c" in seen and "\x07" not in seen and "\u202e" not in seen


HOSTILE = "a\x1b[2Jb\x1b]0;owned\x07c\x9bd\u202ee\rf"


@pytest.mark.parametrize("entry", (
    {"container": "web-1", "line": HOSTILE}, {"container": HOSTILE, "line": "x"},
    {"container": "web-1", "line": "x", "at": HOSTILE}, {"container": "web-1", "error": HOSTILE}),
    ids=("line", "container", "time", "error"))
def test_what_a_container_writes_does_nothing_to_the_terminal(serve, entry):
    _, ctl = serve({("GET", "/deployments/web"): (200, DEPLOYMENT),
                    ("GET", "/deployments/web/logs"): (200, json.dumps(entry).encode() + b"\n")})
    seen = plain(ctl.terminal("logs", "web", "--timestamps").end())
    assert "owned" in seen
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", seen), seen


def test_the_bytes_of_one_container_do_nothing_to_the_terminal(serve):
    lines = HOSTILE.encode() + b"\n\xff\x9b2J\xc2\x9b31m\n"
    _, ctl = serve({("GET", "/containers/web-1"): (200, {"id": "web-1"}),
                    ("GET", "/containers/web-1/logs"): (200, lines)})
    seen = plain(ctl.terminal("logs", "containers/web-1").end())
    assert "owned" in seen and seen.count("\n") == 2
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", seen), seen


def test_a_unix_socket_serves_as_well(tmp_path):
    server = FakeUnixApi({("GET", "/whoami"): (200, {"key": "k", "role": "viewer"})},
                         tmp_path / "s")
    try:
        ctl = Orchctl(None, tmp_path)
        shown = ctl.ok("whoami", "--server", f"unix://{tmp_path}/s", "--key", "secret")
        assert "role viewer" in shown and f"{tmp_path}/s" in shown
        assert server.asked[-1][3] == "secret"
    finally:
        server.close()


def test_tls_needs_an_authority_that_is_trusted(serve, certificate, tmp_path):
    server, _ = serve({("GET", "/whoami"): (200, {"key": "k", "role": "viewer"})},
                      certificate=certificate)
    ctl = Orchctl(None, tmp_path)
    url = f"https://127.0.0.1:{server.port}"
    said = ctl.fails(1, "whoami", "--server", url, "--key", "x")
    assert "--ca-file" in said and not server.asked
    assert "role viewer" in ctl.ok("whoami", "--server", url, "--ca-file", certificate[0],
                                   "--key", "x")
    ctl.ok("context", "set", "tls", "--server", url, "--ca-file", certificate[0], "--key", "x")
    assert "role viewer" in ctl.ok("whoami")
