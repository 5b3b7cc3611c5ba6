"""Real containers: their security and resources, probes, ends, images and logs."""
import re
from pathlib import Path

import pytest
from conftest import IMAGES, web

from harness import processes
from harness.objects import containers, first_container as first, status_of, wait_complete
from harness.wait import eventually

CAPABILITIES = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6,
                "SETUID": 7, "SETPCAP": 8, "NET_BIND_SERVICE": 10}
IDLE = ["sleep", "100000"]


def run(api, name, within=30, **changes):
    """Deploys containers that only sleep, unless told otherwise, and answers the first."""
    body = {"name": name, "image": IMAGES[0], "replicas": 1, "command": IDLE,
            "stopSignal": "SIGKILL", **changes}
    api.post("/deployments", body).check(201)
    wait_complete(api, name, within)
    return containers(api, name)[0]


def test_the_defaults_of_security_are_in_force_in_the_process(engine, api, name):
    pid = engine.inspect(run(api, name)["runtimeId"])["State"]["Pid"]
    expected = sum(1 << bit for bit in CAPABILITIES.values())
    bounding = int(processes.status_field(pid, "CapBnd")[0], 16)
    assert bounding == expected, f"{bounding:x}"
    assert processes.status_field(pid, "NoNewPrivs") == ["1"]
    assert processes.status_field(pid, "Seccomp") == ["2"]


def test_the_engine_is_asked_for_what_the_contract_says(engine, api, name):
    found = run(api, name, resources={"cpu": "250m", "memory": "64Mi", "cpuLimit": "500m"})
    host = engine.inspect(found["runtimeId"])["HostConfig"]
    assert host["PidsLimit"] == 512 and host["Memory"] == 64 * 1024 * 1024
    assert host["NanoCpus"] == 500_000_000 or host["CpuQuota"] * 2 == host["CpuPeriod"]
    assert host["CpuShares"] > 0 and not host["Privileged"] and not host["ReadonlyRootfs"]
    assert host["RestartPolicy"]["Name"] in ("no", "") and not host["AutoRemove"]
    assert not host["NetworkMode"].startswith("host") and host["PidMode"] != "host"
    assert not host["Devices"] and not host["Binds"]


def test_without_a_memory_wish_there_is_no_limit_and_cpu_is_no_cap(engine, api, name):
    host = engine.inspect(run(api, name, resources={"cpu": "250m"})["runtimeId"])["HostConfig"]
    assert host["Memory"] == 0 and host["NanoCpus"] == 0 and host["CpuQuota"] == 0


def test_limits_are_what_they_say(engine, api, name):
    found = run(api, name, resources={"memory": "64Mi", "memoryLimit": "none", "pidsLimit": 64})
    host = engine.inspect(found["runtimeId"])["HostConfig"]
    assert host["Memory"] == 0 and host["PidsLimit"] == 64


def test_what_a_deployment_declares_reaches_the_container(engine, api, name):
    found = run(api, name, env={"GREETING": "a=b ä"}, workingDir="/tmp",
                security={"user": "1000", "readOnlyRoot": True,
                          "capabilities": {"drop": ["CHOWN"]}},
                containerLabels={"team": "shop"})
    seen = engine.inspect(found["runtimeId"])
    assert "GREETING=a=b ä" in seen["Config"]["Env"] and seen["Config"]["WorkingDir"] == "/tmp"
    assert seen["Config"]["User"] == "1000" and seen["HostConfig"]["ReadonlyRootfs"]
    assert seen["Config"]["Labels"]["team"] == "shop"
    assert seen["Config"]["StopSignal"] in ("SIGKILL", "9")
    bounding = int(processes.status_field(seen["State"]["Pid"], "CapBnd")[0], 16)
    assert not bounding & 1, "CHOWN was dropped"


def test_the_hostname_is_the_id(engine, api, name):
    found = run(api, name)
    assert engine.inspect(found["runtimeId"])["Config"]["Hostname"] == found["id"]


def test_a_long_id_makes_a_hostname_of_63(engine, api):
    found = run(api, "n" * 63)
    hostname = engine.inspect(found["runtimeId"])["Config"]["Hostname"]
    assert len(found["id"]) > 63 and re.fullmatch(re.escape(found["id"][:54]) + "-[0-9a-f]{8}",
                                                  hostname)


def test_a_host_port_is_published_on_loopback(engine, api, name):
    found = run(api, name, ports=[{"name": "http", "containerPort": 8080, "hostPort": 31999}])
    ports = engine.inspect(found["runtimeId"])["HostConfig"]["PortBindings"]
    assert ports == {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "31999"}]}


def test_an_image_without_a_repository_digest_shows_its_id(engine, api, name):
    assert run(api, name)["imageDigest"] == engine.ok("GET", f"/images/{IMAGES[0]}/json")["Id"]


@pytest.mark.parametrize("probe", ({"exec": {"command": ["cat", "/www/healthz"]}},
                                   {"tcp": {"port": "http"}},
                                   {"http": {"port": 8080, "path": "/healthz"}}),
                         ids=("exec", "tcp", "http"))
def test_readiness_by_each_kind_of_probe(api, name, probe):
    api.post("/deployments", web(name, readinessProbe={**probe, "interval": "100ms"})).check(201)
    wait_complete(api, name, 30)
    assert first(api, name)["ready"]


def test_a_container_whose_probe_fails_is_not_ready(api, name):
    probe = {"http": {"port": 8080, "path": "/nothing-here"}, "interval": "100ms"}
    api.post("/deployments", web(name, readinessProbe=probe)).check(201)
    eventually(lambda: first(api, name)["state"] == "running", within=20, what="running")
    assert not first(api, name)["ready"] and status_of(api, name)["available"] == 0


def test_a_startup_probe_comes_before_the_others(api, name):
    api.post("/deployments", web(
        name, command=["sh", "-c", "sleep 1; touch /tmp/up; exec sleep 100000"],
        stopSignal="SIGKILL", readinessProbe=None,
        startupProbe={"exec": {"command": ["test", "-f", "/tmp/up"]}, "interval": "200ms",
                      "failureThreshold": 50},
        livenessProbe={"exec": {"command": ["test", "-f", "/tmp/up"]}, "interval": "100ms",
                       "failureThreshold": 1})).check(201)
    wait_complete(api, name, 20)
    assert first(api, name)["restarts"] == 0


def test_a_liveness_failure_restarts(engine, api, name):
    api.post("/deployments", web(
        name, command=["sh", "-c", "sleep 1; touch /tmp/sick; exec sleep 100000"],
        stopSignal="SIGKILL", readinessProbe=None,
        livenessProbe={"exec": {"command": ["test", "!", "-f", "/tmp/sick"]},
                       "interval": "200ms", "failureThreshold": 2})).check(201)
    eventually(lambda: first(api, name)["restarts"] >= 1, within=20, what="a restart")


def test_an_image_that_cannot_be_pulled_is_told(api, name):
    api.post("/deployments", web(name, image="127.0.0.1:1/none:1")).check(201)
    found = eventually(lambda: first(api, name)["reason"] == "ImagePullFailed" and first(api, name),
                       within=20, what="ImagePullFailed")
    assert found["message"] and found["state"] != "running"
    status = status_of(api, name)
    assert "ImagePullFailed" in status["reason"] + status["message"], status


def test_an_image_that_is_never_pulled_must_be_there(api, name):
    api.post("/deployments", web(name, image="e2e/none:1", imagePull="never")).check(201)
    eventually(lambda: first(api, name)["reason"].startswith("Image"), within=20, what="a reason")


def test_a_wrong_command_backs_off_visibly(api, name):
    api.post("/deployments", web(name, command=["/no/such/program"])).check(201)

    def backing_off():
        found = first(api, name)
        reasons = ("CrashLoop", "StartFailed")
        return found["nextStartAt"] and found["reason"] in reasons and found
    found = eventually(backing_off, within=20, what="a reason and the next start")
    assert "/no/such/program" in found["message"] and not found["ready"]
    assert status_of(api, name)["phase"] != "complete"


def test_a_program_that_ends_is_backed_off(api, name):
    api.post("/deployments", web(name, command=["sh", "-c", "exit 3"])).check(201)
    found = eventually(lambda: first(api, name)["reason"] == "CrashLoop" and first(api, name),
                       within=20, what="CrashLoop")
    assert found["lastEnd"]["exitCode"] == 3


def test_running_out_of_memory_is_told(api, name):
    api.post("/deployments", web(name, command=["tail", "/dev/zero"], readinessProbe=None,
                                 resources={"memoryLimit": "16Mi"})).check(201)

    def killed():
        end = first(api, name)["lastEnd"]
        return end and end["reason"] == "OOMKilled"
    eventually(killed, within=20, what="OOMKilled")


def test_logs_are_those_of_the_container(api, name):
    found = run(api, name, command=["sh", "-c", "echo one; echo two; echo err >&2; sleep 100000"])
    path = f"/containers/{found['id']}/logs"
    eventually(lambda: set(api.get(path).check(200).text.split()) == {"one", "two", "err"},
               what="three lines")
    assert len(api.get(f"{path}?tail=1").check(200).text.splitlines()) == 1
    stamped = api.get(f"{path}?timestamps=true").check(200).text.splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT", line) for line in stamped)


def test_control_bytes_of_a_container_do_not_reach_our_log(daemon, api, name):
    api.post("/deployments", web(name, readinessProbe=None, command=[
        "sh", "-c", "printf 'a\\033[2J\\r\\nforged\\001'; exit 1"])).check(201)
    eventually(lambda: first(api, name)["restarts"] >= 1, within=20, what="a restart")
    log = Path(daemon.log_path).read_bytes()
    assert not {byte for byte in log if byte < 32 and byte != 10}
