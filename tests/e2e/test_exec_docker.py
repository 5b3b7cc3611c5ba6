"""exec in real containers, as people run it: in a terminal, in pipes, with the command's status."""
import hashlib
import subprocess

import pytest
from conftest import IMAGES

from harness.daemon import program
from harness.objects import containers, wait_complete
from harness.orchctl import Orchctl, plain


@pytest.fixture
def ctl(daemon, tmp_path):
    daemon.api.post("/deployments", {"name": "web", "image": IMAGES[0], "command": ["sleep", "100000"],
                                     "stopSignal": "SIGKILL"}).check(201)
    wait_complete(daemon.api, "web", 30)
    return Orchctl(daemon, tmp_path)


def test_a_shell_in_a_terminal(ctl):
    terminal = ctl.terminal("exec", "-it", "web", "sh")
    terminal.type("echo $((40 + 2)) $(hostname); tty; exit 7\n")
    seen = plain(terminal.end())
    assert "42 web-0-" in seen and "/dev/pts/" in seen, seen
    assert terminal.status == 7


def test_outputs_stay_apart_and_the_status_is_the_commands(ctl):
    done = ctl.run("exec", "web", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)
    assert "no-such-program" in ctl.run("exec", "web", "no-such-program").stderr + \
        ctl.run("exec", "web", "no-such-program").stdout
    assert ctl.run("exec", "web", "cat").returncode == 0, "without -i there is no input"


def test_megabytes_pass_both_ways_unchanged(ctl):
    sent = b"".join(hashlib.sha512(bytes([number % 256, number >> 8])).digest()
                    for number in range(65536))
    done = subprocess.run([program("orchctl"), "exec", "-i", "web", "cat"], input=sent,
                          capture_output=True, env=ctl.environment, timeout=60)
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256(done.stdout).hexdigest() == hashlib.sha256(sent).hexdigest()


def test_a_session_ends_with_its_container(ctl, api):
    # The command in the container only has to outlive the test, which waits for its end.
    running = ctl.spawn("exec", "web", "sh", "-c", "echo begun; sleep 1000")
    assert running.stdout.readline() == "begun\n"
    api.delete(f"/containers/{containers(api, 'web')[0]['id']}").check(202)
    assert running.wait(30) != 0
    running.stdout.close()
    running.stderr.close()
