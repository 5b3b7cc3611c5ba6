"""Bodies: strict JSON, and every fault at once with its field."""
import pytest

from harness.objects import deployment

DEEP = b'{"name":"deep","image":"a:1","annotations":' + b"[" * 32 + b"]" * 32 + b"}"

BROKEN = {
    "empty": b"",
    "no object": b"[]",
    "a word": b"null",
    "trailing garbage": b'{"name":"a","image":"a:1"} x',
    "two values": b'{"name":"a","image":"a:1"}{}',
    "duplicate keys": b'{"name":"a","name":"b","image":"a:1"}',
    "duplicate keys below": b'{"name":"a","image":"a:1","env":{"A":"1","A":"2"}}',
    "depth 33": DEEP,
    "invalid UTF-8": b'{"name":"a","image":"a:\xff\xfe"}',
    "overlong UTF-8": b'{"name":"a","image":"a:\xc0\xaf"}',
    "a lone surrogate": b'{"name":"a","image":"a:1","annotations":{"k":"\\ud800"}}',
    "NUL escaped": b'{"name":"a\\u0000b","image":"a:1"}',
    "NUL raw": b'{"name":"a\0b","image":"a:1"}',
    "huge integer": b'{"name":"a","image":"a:1","replicas":123456789012345678901234567890}',
    "1e309": b'{"name":"a","image":"a:1","replicas":1e309}',
    "just over int64": b'{"name":"a","image":"a:1","replicas":9223372036854775808}',
    "wraps to 1 in 32 bits": b'{"name":"a","image":"a:1","replicas":4294967297}',
    "fraction": b'{"name":"a","image":"a:1","replicas":1.5}',
    "leading zero": b'{"name":"a","image":"a:1","replicas":01}',
    "comment": b'{"name":"a","image":"a:1"/**/}',
    "single quotes": b"{'name':'a','image':'a:1'}",
    "trailing comma": b'{"name":"a","image":"a:1",}',
    "NaN": b'{"name":"a","image":"a:1","replicas":NaN}',
    "byte order mark": b'\xef\xbb\xbf{"name":"a","image":"a:1"}',
    "cut short": b'{"name":"a","image":"a:1"',
    "control character": b'{"name":"a","image":"a:1","annotations":{"k":"a\nb"}}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_body_is_refused_and_makes_nothing(api, body):
    api.post("/deployments", body).error(400, "VALIDATION_FAILED")
    api.get("/deployments/a").error(404)


def test_ten_thousand_nested_brackets_are_refused(api):
    api.post("/deployments", b"[" * 10000).error(400)
    api.post("/deployments", b'{"a":' * 10000).error(400)


def test_all_faults_of_a_body_are_told_at_once(api):
    faults = api.post("/deployments", {
        "name": "Bad_Name", "image": "a:1", "replicas": -1, "imagePull": "sometimes",
        "ports": [{"name": "http", "containerPort": 70000}],
        "rollout": {"maxSurge": 0, "maxUnavailable": 0},
        "env": {"A=B": "x"}}).faults()
    for field in ("name", "replicas", "imagePull", "ports[0].containerPort"):
        assert field in faults, faults
    assert any(field.startswith("env") for field in faults), faults
    assert any(field.startswith("rollout") for field in faults), faults


def test_what_is_required_is_named_when_it_is_missing(api):
    assert {"name", "image"} <= set(api.post("/deployments", {}).faults())
    faults = api.post("/services", {}).faults()
    assert {"name", "deployment", "listen"} <= set(faults)


@pytest.mark.parametrize("wrong, right", (
    ("replcas", "replicas"), ("imagePul", "imagePull"), ("readinesProbe", "readinessProbe")))
def test_an_unknown_field_is_refused_with_the_nearest_known_one(api, name, wrong, right):
    faults = api.post("/deployments", deployment(name, **{wrong: 1})).faults()
    assert right in faults[wrong]


def test_an_unknown_field_below_is_named_with_its_path(api, name):
    body = deployment(name, ports=[{"name": "http", "containerPort": 80, "protcol": "tcp"}])
    faults = api.post("/deployments", body).faults()
    assert "protocol" in faults["ports[0].protcol"]


REFUSED = {
    "image without tag": {"image": "nginx"},
    "empty image": {"image": ""},
    "image with a space": {"image": "a b:1"},
    "unknown mode": {"mode": "sometimes"},
    "replicas as text": {"replicas": "3"},
    "replicas over a million": {"replicas": 1000001},
    "empty env name": {"env": {"": "x"}},
    "env name with =": {"env": {"A=B": "x"}},
    "unknown scheduler": {"placement": {"scheduler": "nobody"}},
    "two ports of one name": {"ports": [{"name": "a", "containerPort": 1},
                                        {"name": "a", "containerPort": 2}]},
    "port 0": {"ports": [{"name": "a", "containerPort": 0}]},
    "port 65536": {"ports": [{"name": "a", "containerPort": 65536}]},
    "probe of no kind": {"readinessProbe": {"interval": "1s"}},
    "probe of two kinds": {"readinessProbe": {"tcp": {"port": 80}, "exec": {"command": ["a"]}}},
    "probe at a port that isn't there": {"readinessProbe": {"tcp": {"port": "web"}}},
    "surge and unavailable 0": {"rollout": {"maxSurge": 0, "maxUnavailable": 0}},
    "surge and unavailable 0%": {"rollout": {"maxSurge": "0%", "maxUnavailable": "0%"}},
    "a capability that isn't allowed": {"security": {"capabilities": {"add": ["SYS_ADMIN"]}}},
    "privileged": {"security": {"privileged": True}},
    "cpu as nonsense": {"resources": {"cpu": "a lot"}},
    "negative cpu": {"resources": {"cpu": -1}},
    "memory as nonsense": {"resources": {"memory": "64Mb"}},
    "negative duration": {"stopGracePeriod": -1},
    "duration as nonsense": {"stopGracePeriod": "soon"},
    "unknown signal": {"stopSignal": "SIGNOTHING"},
    "unknown operator": {"placement": {"constraints": [{"label": "a", "op": "like",
                                                        "values": ["b"]}]}},
    "command as text": {"command": "sleep 1"},
    "label that is no text": {"labels": {"a": 1}},
    "host network": {"network": "host"},
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED.keys())
def test_a_deployment_that_makes_no_sense_is_refused(api, name, change):
    assert api.post("/deployments", deployment(name, **change)).faults()
    api.get(f"/deployments/{name}").error(404)


def test_a_service_that_makes_no_sense_is_refused(api, name):
    base = {"name": name, "deployment": "web", "listen": "127.0.0.1:19999"}
    for change in ({"listen": "nowhere"}, {"listen": "127.0.0.1:70000"},
                   {"protocol": "udp", "hosts": ["a.example"]}, {"protocol": "smtp"}, {"balancer": "nobody"},
                   {"drainTimeout": "never"}, {"targetPort": 0}):
        assert api.post("/services", {**base, **change}).faults(), change


def test_an_env_value_as_an_object_is_reserved(api, name):
    api.post("/deployments", deployment(name, env={"A": {"secret": "s", "key": "k"}})).error(400)


@pytest.mark.parametrize("field", ("mounts", "files", "sidecars", "init", "dependsOn", "autoscale"))
def test_reserved_fields_are_refused_until_they_are_built(api, name, field):
    api.post("/deployments", deployment(name, **{field: [{"path": "/x"}]})).error(400)


@pytest.mark.parametrize("path", ("/secrets", "/configs", "/volumes", "/registries", "/jobs",
                                  "/keys", "/namespaces"))
def test_reserved_routes_are_answered_with_400_or_404(api, path):
    reply = api.get(path)
    reply.error(reply.check(400, 404).status)


def test_an_action_needs_no_body(api, name):
    api.post("/deployments", deployment(name, replicas=0)).check(201)
    api.post(f"/deployments/{name}/pause").check(200)
    api.post(f"/deployments/{name}/resume", {}).check(200)
