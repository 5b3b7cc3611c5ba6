"""Containers: their fields, states, ends and logs."""
import json
import re

from harness.objects import (containers, deploy, deployment, first_container, remove, status_of,
                             wait_complete)
from harness.stream import Lines
from harness.wait import eventually

FIELDS = {"id", "namespace", "owner", "deployment", "slot", "revision", "labels", "node", "image",
          "imageDigest", "state", "ready", "restarts", "nextStartAt", "reason", "message",
          "exitCode", "address", "resources", "ports", "runtimeId", "createdAt", "startedAt",
          "finishedAt", "lastEnd", "seq"}


def test_a_container_tells_what_the_contract_says(api, name):
    deploy(api, name, ports=[{"name": "http", "containerPort": 80}],
           containerLabels={"team": "shop"})
    found = first_container(api, name)
    assert FIELDS <= set(found), FIELDS - set(found)
    assert re.fullmatch(r"[a-z0-9-]{1,79}", found["id"])
    assert found["owner"] == {"kind": "deployments", "name": name}
    assert (found["deployment"], found["node"], found["image"]) == (name, "node-1", "app/web:1")
    assert (found["state"], found["ready"], found["restarts"]) == ("running", True, 0)
    assert found["labels"]["team"] == "shop" and found["runtimeId"] and found["address"]
    assert found["ports"][0]["containerPort"] == 80
    assert api.get(f"/containers/{found['id']}").ok()["id"] == found["id"]


def test_a_deleted_container_is_replaced(api, name):
    deploy(api, name, replicas=2)
    victim = first_container(api, name)
    assert api.delete(f"/containers/{victim['id']}").check(202).json["id"] == victim["id"]
    eventually(lambda: api.get(f"/containers/{victim['id']}").status == 404, what="404")
    wait_complete(api, name)
    after = containers(api, name)
    assert len(after) == 2 and victim["id"] not in {item["id"] for item in after}


def test_a_restarted_container_runs_as_a_new_one_of_the_engine(api, name):
    deploy(api, name)
    before = first_container(api, name)
    api.post(f"/containers/{before['id']}/restart").check(200)
    eventually(lambda: [item for item in containers(api, name) if item["state"] == "running"
                        and item["runtimeId"] != before["runtimeId"]], what="new runtimeId")
    wait_complete(api, name)


def test_a_container_that_ends_is_started_again_and_its_record_stays(api, name):
    deploy(api, name, env={"SIMULATED_EXIT_AFTER": "900ms", "SIMULATED_EXIT_CODE": "3"})
    before = first_container(api, name)

    def again():
        found = api.get(f"/containers/{before['id']}").ok()
        return found["restarts"] >= 1 and found["state"] == "running" and found
    after = eventually(again, what="a restart")
    assert after["runtimeId"] != before["runtimeId"]
    assert after["lastEnd"]["exitCode"] == 3
    assert status_of(api, name)["restarts"] >= 1


def test_a_crash_loop_is_seen_with_its_next_start(api, name):
    api.post("/deployments", deployment(name, image="crash/web:1")).check(201)

    def looping():
        found = first_container(api, name)
        return found["reason"] == "CrashLoop" and found["state"] == "exited" and found
    found = eventually(looping, what="CrashLoop")
    assert found["nextStartAt"] and found["exitCode"] == 1 and found["message"]
    assert not found["ready"]


def test_back_off_spaces_the_restarts(api, name):
    api.post("/deployments", deployment(name, image="crash/web:1", restartPolicy={
        "backoff": "2s", "maxBackoff": "60s"})).check(201)
    eventually(lambda: first_container(api, name)["state"] == "exited", what="an end")
    assert first_container(api, name)["restarts"] <= 3


def test_a_policy_of_never_restarts_nothing(api, name):
    api.post("/deployments", deployment(name, restartPolicy={"condition": "never"}, env={
        "SIMULATED_EXIT_AFTER": "50ms", "SIMULATED_EXIT_CODE": "3"})).check(201)
    found = eventually(lambda: [item for item in containers(api, name)
                                if item["state"] == "failed"], what="failed")
    assert (found[0]["restarts"], found[0]["nextStartAt"], found[0]["exitCode"]) == (0, None, 3)


def test_a_policy_of_on_failure_restarts_failures(api, name):
    api.post("/deployments", deployment(name, restartPolicy={"condition": "on-failure"}, env={
        "SIMULATED_EXIT_AFTER": "50ms", "SIMULATED_EXIT_CODE": "3"})).check(201)
    eventually(lambda: first_container(api, name)["restarts"] >= 1, what="a restart")


def test_out_of_memory_is_told(api, name):
    api.post("/deployments", deployment(name, env={
        "SIMULATED_EXIT_AFTER": "50ms", "SIMULATED_EXIT_OOM": "1"})).check(201)

    def killed():
        found = first_container(api, name)
        return found["lastEnd"] and found["lastEnd"]["reason"] == "OOMKilled"
    eventually(killed, what="OOMKilled")


def test_a_pull_and_a_start_are_states(api, name):
    api.post("/deployments", deployment(name, image="slow/web:1")).check(201)
    eventually(lambda: first_container(api, name)["state"] == "pulling", what="pulling")
    eventually(lambda: first_container(api, name)["state"] == "creating", what="creating")
    wait_complete(api, name)


def test_readiness_is_that_of_the_probe(api, name):
    api.post("/deployments", deployment(
        name, env={"SIMULATED_UNHEALTHY": "1"},
        readinessProbe={"exec": {"command": ["check"]}, "interval": "100ms"})).check(201)
    eventually(lambda: first_container(api, name)["state"] == "running", what="running")
    assert first_container(api, name)["ready"] is False
    assert status_of(api, name)["ready"] == 0
    api.patch(f"/deployments/{name}", {"env": {"SIMULATED_UNHEALTHY": None}}).check(200)
    wait_complete(api, name)


def test_a_failing_liveness_probe_restarts(api, name):
    api.post("/deployments", deployment(
        name, env={"SIMULATED_UNHEALTHY": "1"},
        livenessProbe={"exec": {"command": ["check"]}, "interval": "100ms",
                       "failureThreshold": 2})).check(201)
    eventually(lambda: first_container(api, name)["restarts"] >= 1, what="a restart")


def test_logs_are_text(api, name):
    deploy(api, name)
    reply = api.get(f"/containers/{first_container(api, name)['id']}/logs").check(200)
    assert reply.headers["Content-Type"].startswith("text/plain")
    assert reply.text.strip()


def test_the_tail_of_logs_is_bounded(api, name):
    deploy(api, name)
    path = f"/containers/{first_container(api, name)['id']}/logs"
    assert len(api.get(f"{path}?tail=1").check(200).text.splitlines()) <= 1
    api.get(f"{path}?tail=x").error(400, "VALIDATION_FAILED")


def test_logs_of_a_deployment_are_merged(api, name):
    deploy(api, name, replicas=2)
    assert api.get(f"/deployments/{name}/logs").check(200).text.strip()


def test_followed_logs_of_a_deployment_go_on_with_later_containers(api, name):
    deploy(api, name)
    with Lines(api, f"/deployments/{name}/logs?follow=true&format=json") as lines:
        first = json.loads(lines.next())["container"]
        api.post(f"/deployments/{name}/scale", {"replicas": 2}).check(200)
        later = next(line for line in map(json.loads, lines) if line["container"] != first)
        assert later["line"]
        remove(api, name)
        for _ in lines:
            pass  # it ends with the deployment, whole
