"""The one form in which replies write quantities and times; names and labels."""
import re

import pytest

from harness.objects import deploy, deployment

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.mark.parametrize("given, written", (
    ("250m", "250m"), (0.25, "250m"), (4, "4"), ("4", "4"), ("4000m", "4"), (1.5, "1500m"),
    ("1.5", "1500m"), (0, "0")))
def test_cpu_is_written_in_one_form(api, name, given, written):
    made = api.post("/deployments", deployment(name, replicas=0, resources={"cpu": given})).ok(201)
    assert made["resources"]["cpu"] == written


@pytest.mark.parametrize("given, written", (
    ("64Mi", "64Mi"), (67108864, "64Mi"), ("1024Mi", "1Gi"), ("1024Ki", "1Mi"), ("1Ti", "1Ti"),
    ("2048Gi", "2Ti"), (0, "0"), (1, "1"), ("1G", "1000000000"), ("1536Mi", "1536Mi"),
    ("64M", "62500Ki")))
def test_memory_is_written_in_the_largest_binary_unit_that_divides(api, name, given, written):
    body = deployment(name, replicas=0, resources={"memory": given})
    assert api.post("/deployments", body).ok(201)["resources"]["memory"] == written


@pytest.mark.parametrize("given, written", (
    ("10s", "10s"), (90, "1m30s"), ("90s", "1m30s"), ("500ms", "500ms"),
    (0.5, "500ms"), ("60m", "1h"), ("1h", "1h"), (0, "0s"), ("1m30s", "1m30s")))
def test_durations_are_written_in_one_form(api, name, given, written):
    body = deployment(name, replicas=0, stopGracePeriod=given)
    assert api.post("/deployments", body).ok(201)["stopGracePeriod"] == written


def test_equal_quantities_in_another_form_change_nothing(api, name):
    body = deployment(name, replicas=0, resources={"cpu": "1", "memory": "1Gi"})
    before = api.post("/deployments", body).ok(201)
    body["resources"] = {"cpu": 1.0, "memory": 1073741824}
    assert api.put(f"/deployments/{name}", body).ok()["version"] == before["version"]


def test_times_are_rfc_3339_in_utc_with_milliseconds(api, name):
    made = deploy(api, name)
    container = api.items(f"/containers?deployment={name}")[0]
    for time in (made["createdAt"], made["updatedAt"], made["status"]["phaseSince"],
                 container["createdAt"], container["startedAt"]):
        assert TIME.fullmatch(time), time
    assert container["finishedAt"] is None


def test_the_defaults_of_a_deployment_are_those_of_the_contract(api, name):
    made = api.post("/deployments", {"name": name, "image": "nginx:1.27"}).ok(201)
    expected = {
        "namespace": "default", "labels": {}, "annotations": {}, "containerLabels": {},
        "containerAnnotations": {}, "mode": "replicated", "imagePull": "missing", "env": {},
        "ports": [], "workingDir": None, "startupProbe": None, "livenessProbe": None,
        "readinessProbe": None, "stopSignal": "SIGTERM", "stopGracePeriod": "10s",
        "revisionHistory": 10}
    assert {key: made[key] for key in expected} == expected
    policy = made["restartPolicy"]
    assert (policy["condition"], policy["backoff"], policy["resetAfter"]) == (
        "always", "500ms", "10m")
    rollout = made["rollout"]
    assert (rollout["strategy"], rollout["maxSurge"], rollout["maxUnavailable"]) == ("rolling", 1, 0)
    assert rollout["progressDeadline"] == "10m" and rollout["autoRollback"] is True
    assert made["placement"]["scheduler"] == "spread" and made["placement"]["maxPerNode"] == 0
    assert made["resources"]["pidsLimit"] == 512 and made["resources"]["cpuLimit"] is None
    assert made["security"]["readOnlyRoot"] is False


@pytest.mark.parametrize("good", ("a", "0", "a-b", "a" * 63, "1a-2"))
def test_good_names_are_taken(api, good):
    api.post("/deployments", deployment(good, replicas=0)).check(201)
    api.delete(f"/deployments/{good}").check(202)


@pytest.mark.parametrize("bad", ("", "A", "a_b", "-a", "a-", "a" * 64, "a.b", "a b", "ä", "a/b",
                                 "a\n", "../a", "a%20b", "web\x1b[2J"))
def test_bad_names_are_refused(api, bad):
    assert "name" in api.post("/deployments", deployment(bad)).faults()


@pytest.mark.parametrize("good", ("a", "A", "team", "example.org/team", "a.b_c-d", "x" * 63))
def test_good_label_keys_are_taken(api, name, good):
    made = api.post("/deployments", deployment(name, replicas=0, labels={good: "v"})).ok(201)
    assert made["labels"] == {good: "v"}


@pytest.mark.parametrize("bad", ("", "-a", "a-", "a b", "/a", "a/", "a/b/c", "x" * 64, "ä",
                                 "Bad_Prefix/a", "a=b"))
def test_bad_label_keys_are_refused(api, name, bad):
    faults = api.post("/deployments", deployment(name, labels={bad: "v"})).faults()
    assert any(field.startswith("labels") for field in faults)


@pytest.mark.parametrize("bad", ("x" * 64, "a b", "-a", "a\n"))
def test_bad_label_values_are_refused(api, name, bad):
    assert api.post("/deployments", deployment(name, labels={"a": bad})).faults()


def test_text_that_people_write_comes_back_as_it_was(api, name):
    notes = {"note": "Grüße, 世界 🚢 \"quoted\" \\ \u202e \x1b[2J \n tab\t"}
    env = {"GREETING": "ä=b\nc", "EMPTY": ""}
    api.post("/deployments", deployment(name, replicas=0, annotations=notes, env=env)).check(201)
    seen = api.get(f"/deployments/{name}").ok()
    assert seen["annotations"] == notes and seen["env"] == env
