"""The program's command line and the ends of its process."""
import json
import re
import signal
import subprocess
import time

import pytest

from harness.daemon import program
from harness.objects import deploy
from harness.ports import free_port
from harness.wait import eventually


def run(*arguments, environment=None):
    return subprocess.run([str(program()), *map(str, arguments)], capture_output=True, text=True,
                          timeout=30, env={"PATH": "/usr/bin:/bin", **(environment or {})})


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "orchestrator.yaml"
        path.write_text(text)
        path.chmod(0o600)
        return path
    return write


def fault_lines(result, path):
    assert result.returncode == 2, result
    found = re.findall(rf"(?m)^{re.escape(str(path))}:(\d+):(\d+): (?:(\S+): )?(.+)$",
                       result.stderr + result.stdout)
    assert found, result
    return {place: (int(line), int(column), message) for line, column, place, message in found}


def test_version_is_told():
    result = run("--version")
    assert result.returncode == 0 and re.search(r"\d+\.\d+", result.stdout)


def test_an_unknown_option_is_bad_usage():
    result = run("--no-such-option")
    assert result.returncode == 2 and result.stderr


def test_a_missing_file_is_a_fault(tmp_path):
    result = run("--config", tmp_path / "none.yaml", "--check-config")
    assert result.returncode == 2 and "none.yaml" in result.stderr


def test_a_good_file_checks_and_writes_nothing(config, tmp_path):
    path = config(f"stateDir: {tmp_path}/none\nstore: {{plugin: memory}}\n"
                  "runtime: {plugin: simulated}\n")
    assert run("--config", path, "--check-config").returncode == 0
    assert not (tmp_path / "none").exists()


def test_every_fault_is_told_with_its_place(config):
    path = config("api:\n  lisen: 127.0.0.1:1\nlog:\n  level: loud\nproxy:\n  workers: many\n"
                  "store: {plugin: memory}\nruntime: {plugin: simulated}\n")
    faults = fault_lines(run("--config", path, "--check-config"), path)
    assert faults["api.lisen"][:2] == (2, 3) and "listen" in faults["api.lisen"][2]
    assert faults["log.level"][0] == 4 and faults["proxy.workers"][0] == 6


def test_a_syntax_fault_has_a_place(config):
    path = config("api: [\n")
    assert fault_lines(run("--config", path, "--check-config"), path)


def test_a_listen_off_loopback_without_tls_is_refused(config):
    path = config("api: {listen: \"0.0.0.0:7070\"}\nruntime: {plugin: simulated}\n")
    faults = fault_lines(run("--config", path, "--check-config"), path)
    assert "tls" in faults["api.listen"][2]


def test_a_plugins_own_settings_are_checked(config):
    path = config("runtime: {plugin: simulated, config: {htp: true}}\nstore: {plugin: memory}\n")
    faults = fault_lines(run("--config", path, "--check-config"), path)
    assert "http" in faults["runtime.config.htp"][2]


def test_a_number_is_no_text_in_yaml(config):
    path = config("runtime: {plugin: 5}\n")
    assert "runtime.plugin" in fault_lines(run("--config", path, "--check-config"), path)


def test_an_unknown_plugin_is_a_fault(config):
    path = config("scheduler: {default: nobody}\nstore: {plugin: memory}\n"
                  "runtime: {plugin: simulated}\n")
    assert "scheduler.default" in fault_lines(run("--config", path, "--check-config"), path)


def test_a_secret_that_others_may_read_is_a_fault(config):
    path = config("api: {key: \"" + "k" * 40 + "\"}\nruntime: {plugin: simulated}\n")
    path.chmod(0o644)
    result = run("--config", path, "--check-config")
    assert result.returncode == 2 and "k" * 40 not in result.stderr + result.stdout


def test_print_config_tells_values_and_origins_but_no_secret(config):
    path = config("api: {key: \"" + "k" * 40 + "\"}\nruntime: {plugin: simulated}\n")
    result = run("--config", path, "--print-config",
                 environment={"ORCHD_EVENTS_LIMIT": "777"})
    assert result.returncode == 0, result
    assert "777" in result.stdout and "ORCHD_EVENTS_LIMIT" in result.stdout
    assert "simulated" in result.stdout and str(path) in result.stdout
    assert "k" * 40 not in result.stdout + result.stderr


def test_an_override_that_names_no_setting_is_a_fault(config):
    path = config("runtime: {plugin: simulated}\n")
    result = run("--config", path, "--check-config", environment={"ORCHD_API_LISEN": "x"})
    assert result.returncode == 2 and "ORCHD_API_LISEN" in result.stderr


def test_a_bad_configuration_does_not_start(make_daemon):
    daemon = make_daemon({"log": {"level": "loud"}}, started=False)
    daemon.spawn()
    assert daemon.process.wait(20) == 2
    assert "log.level" in daemon.log() and not daemon.state.exists()


def test_the_environment_overrides_the_file(make_daemon):
    port = free_port()
    daemon = make_daemon(started=False, environment={"ORCHD_API_LISTEN": f"127.0.0.1:{port}"})
    daemon.port = port
    daemon.settings["api"] = {"listen": "127.0.0.1:1"}
    daemon.start()
    assert daemon.api.get("/whoami").status == 200


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT))
def test_a_signal_ends_it_cleanly(make_daemon, name, number):
    daemon = make_daemon()
    deploy(daemon.api, name, replicas=3)
    assert daemon.terminate(number) == 0
    eventually(lambda: not daemon.left(), what="end of the proxy with linger 0")


def test_a_signal_ends_it_while_clients_are_connected(make_daemon):
    from harness.stream import Watch
    daemon = make_daemon()
    watch = Watch(daemon.api)
    begun = time.monotonic()
    assert daemon.terminate() == 0
    assert time.monotonic() - begun < 10
    watch.close()


def test_a_port_that_is_taken_is_named(shared, make_daemon):
    daemon = make_daemon(started=False)
    daemon.port = shared.port
    daemon.spawn()
    assert daemon.process.wait(20) not in (0, None)
    assert str(shared.port) in daemon.log()


def test_the_log_is_json_lines(shared):
    shared.api.get("/whoami").check(200)
    lines = [line for line in shared.log().splitlines() if line]
    assert lines
    for line in lines:
        record = json.loads(line)
        assert isinstance(record, dict) and record, line
