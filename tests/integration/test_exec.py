"""exec against a real server: tickets, the WebSocket's rules, what passes through it."""
import json
import socket
import struct

import pytest

from harness.objects import deploy, first_container
from harness.memory import MIB, resident_bytes
from harness.orchctl import Orchctl
from harness.wait import eventually
from harness.websocket import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, WebSocket)

INPUT, OUTPUT, ERRORS, END, SIZE = (bytes([number]) for number in range(5))


@pytest.fixture(scope="module")
def container(shared):
    deploy(shared.api, "exec-web")
    return first_container(shared.api, "exec-web")["id"]


@pytest.fixture
def attach(shared):
    opened = []

    def make(container, *command, daemon=shared, **more):
        body = {"command": list(command)}
        body.update(more.pop("body", {}))
        ticket = daemon.api.post(f"/containers/{container}/exec", body).ok()
        opened.append(WebSocket(daemon.port, path_of(ticket), **more))
        return opened[-1]
    yield make
    for websocket in opened:
        websocket.close()


def path_of(ticket):
    return f"/api/v1/exec/{ticket['id']}?ticket={ticket['ticket']}"


def messages(websocket):
    """All messages up to the end, joined by channel; the end as JSON; the close code."""
    output, end = {OUTPUT: b"", ERRORS: b""}, None
    while (got := websocket.receive()) is not None:
        opcode, data = got
        if opcode == CLOSE:
            return output[OUTPUT], end, struct.unpack(">H", data[:2])[0]
        assert opcode == BINARY, got
        if data[:1] == END:
            end = json.loads(data[1:])
        else:
            assert end is None, "nothing comes behind the end"
            output[data[:1]] += data[1:]
    return output[OUTPUT], end, None


def test_a_commands_output_and_exit_code_arrive(container, attach):
    assert messages(attach(container, "echo", "hello", "there")) == \
        (b"hello there\n", {"exitCode": 0}, 1000)
    assert messages(attach(container, "exit", "7")) == (b"", {"exitCode": 7}, 1000)


def test_input_passes_to_its_end_and_output_comes_back_whole(container, attach):
    websocket = attach(container, "cat")
    sent = bytes(range(256)) * 2048
    for at in range(0, len(sent), 16384):
        websocket.send(BINARY, INPUT + sent[at:at + 16384])
    websocket.send(BINARY, INPUT)
    assert messages(websocket) == (sent, {"exitCode": 0}, 1000)


def test_input_that_rides_with_the_handshake_is_not_lost(container, attach):
    early = WebSocket.frame(BINARY, INPUT + b"early") + WebSocket.frame(BINARY, INPUT)
    assert messages(attach(container, "cat", early=early)) == (b"early", {"exitCode": 0}, 1000)


def test_fragments_are_joined_and_pings_between_them_answered(container, attach):
    websocket = attach(container, "cat")
    websocket.send(BINARY, INPUT + b"one ", last=False)
    websocket.send(PING, b"are you there")
    websocket.send(CONTINUATION, b"two ", last=False)
    websocket.send(CONTINUATION, b"three")
    assert websocket.receive() == (PONG, b"are you there")
    assert websocket.receive() == (BINARY, OUTPUT + b"one two three")
    websocket.send(BINARY, SIZE + b'{"columns": 100, "rows": 30}')
    websocket.send(BINARY, INPUT)
    assert messages(websocket)[1:] == ({"exitCode": 0}, 1000)


def frame(*arguments, **more):
    return WebSocket.frame(*arguments, **more)


@pytest.mark.parametrize("sent, code", [
    (frame(BINARY, INPUT + b"x", masked=False), 1002),
    (frame(BINARY, INPUT + b"x", reserved=0x40), 1002),
    (frame(3, b"x"), 1002), (frame(11, b"x"), 1002),
    (frame(CONTINUATION, b"x"), 1002),
    (frame(BINARY, INPUT, last=False) + frame(BINARY, INPUT), 1002),
    (frame(PING, b"x", last=False), 1002), (frame(PING, b"x" * 126), 1002),
    (frame(BINARY, INPUT + b"x", size=2), 1002), (frame(BINARY, INPUT + b"x", size=8), 1002),
    (frame(CLOSE, b"\x03"), 1002), (frame(CLOSE, struct.pack(">H", 1005)), 1002),
    (frame(CLOSE, struct.pack(">H", 1000) + b"\xff"), 1007),
    (frame(TEXT, b"x"), 1003), (frame(BINARY), 1003), (frame(BINARY, OUTPUT + b"x"), 1003),
    (frame(BINARY, SIZE + b"{}"), 1007), (frame(BINARY, SIZE + b'{"columns":65536,"rows":1}'), 1007),
    (frame(BINARY, INPUT + b"x" * 131072), 1009),
    (frame(BINARY, INPUT + b"x" * 100000, last=False) + frame(CONTINUATION, b"x" * 40000), 1009),
    (frame(CLOSE, struct.pack(">H", 1000)), 1000), (frame(CLOSE), 1000),
    (frame(CLOSE, struct.pack(">H", 4321) + b"why"), 4321),
], ids=("unmasked", "reserved-bit", "unknown-data", "unknown-control", "stray-continuation",
        "data-in-a-message", "split-ping", "long-ping", "long-form-2", "long-form-8", "short-close",
        "reserved-code", "bad-reason", "text", "empty", "no-channel", "no-size", "no-columns",
        "too-long", "too-long-in-parts", "normal", "no-code", "own-code"))
def test_each_end_has_its_code(container, attach, sent, code):
    websocket = attach(container, "cat")
    websocket.connection.sendall(sent)
    assert websocket.closed_with() == code
    if code in (1000, 4321):
        assert websocket.receive() is None


@pytest.mark.parametrize("changes", [
    {"Upgrade": None}, {"Upgrade": "h2c"}, {"Connection": "keep-alive"},
    {"Sec_WebSocket_Version": "8"}, {"Sec_WebSocket_Version": None}, {"Sec_WebSocket_Key": None},
    {"Sec_WebSocket_Key": "c2hvcnQ="}, {"method": "HEAD"}])
def test_what_is_no_handshake_is_refused_and_the_ticket_stays_good(shared, container, attach, changes):
    ticket = shared.api.post(f"/containers/{container}/exec", {"command": ["true"]}).ok()
    refused = WebSocket(shared.port, path_of(ticket), **changes)
    assert refused.status == 400 and b"Sec-WebSocket-Version: 13" in refused.head
    refused.close()
    websocket = WebSocket(shared.port, path_of(ticket))
    assert messages(websocket)[1] == {"exitCode": 0}
    websocket.close()


def test_a_ticket_is_good_once_and_only_for_its_session(shared, container):
    first, second = (shared.api.post(f"/containers/{container}/exec", {"command": ["true"]}).ok()
                     for _ in range(2))
    wrong = [f"/api/v1/exec/{first['id']}?ticket={second['ticket']}",
             f"/api/v1/exec/{first['id']}", f"/api/v1/exec/nothing?ticket={first['ticket']}"]
    for path in wrong:
        assert WebSocket(shared.port, path).status == 401
    used = WebSocket(shared.port, path_of(first))
    assert used.status == 101
    assert WebSocket(shared.port, path_of(first)).status == 401
    used.close()


@pytest.mark.parametrize("body, field", [
    ({}, "command"), ({"command": []}, "command"), ({"command": ["x"] * 257}, "command"),
    ({"command": ["x"], "tty": 1}, "tty"), ({"command": ["x"], "user": "root"}, "user"),
    ({"command": ["x" * 40000]}, "")])
def test_faults_of_the_order_are_named(shared, container, body, field):
    faults = shared.api.post(f"/containers/{container}/exec", body).faults()
    assert any(name.startswith(field) for name in faults), faults


def test_what_does_not_run_cannot_run_a_command(shared, container, name):
    api = shared.api
    api.post("/containers/nothing-0-abcdef/exec", {"command": ["x"]}).error(404)
    api.post("/deployments", {"name": name, "image": "slow/web:1"}).check(201)
    found = eventually(lambda: api.items(f"/containers?deployment={name}"), what="a container")[0]
    said = api.post(f"/containers/{found['id']}/exec", {"command": ["x"]}).error(409)["error"]
    assert "does not run" in said
    said = api.post(f"/containers/{container}/exec?dryRun=true", {"command": ["x"]}).error(400)
    assert "dry run" in said["error"]


def test_who_ran_what_is_an_event_and_the_data_is_in_none(shared, container, attach):
    websocket = attach(container, "cat", "audited")
    websocket.send(BINARY, INPUT + b"confidential")
    assert websocket.receive() == (BINARY, OUTPUT + b"confidential")
    websocket.send(BINARY, INPUT)
    assert messages(websocket)[1] == {"exitCode": 0}

    def ends():
        found = shared.api.items(f"/events?object=containers/{container}&reason=ExecEnded&order=desc")
        return found and "it ended with 0" in found[0]["message"] and found
    eventually(ends, what="the end's event")
    begun = [event for event in shared.api.items(
        f"/events?object=containers/{container}&reason=ExecStarted")
        if "cat audited" in event["message"]]
    assert begun and begun[0]["cause"]["by"] == "key:admin", begun
    assert "confidential" not in shared.api.get("/events?limit=5000").text + shared.log()


def test_the_session_ends_with_its_container(shared, attach, name):
    deploy(shared.api, name)
    container = first_container(shared.api, name)["id"]
    websocket = attach(container, "cat")
    shared.api.delete(f"/deployments/{name}").check(202)
    _, end, code = messages(websocket)
    assert end and code == 1000, (end, code)


def test_the_session_ends_when_its_client_leaves(shared, container, attach):
    websocket = attach(container, "cat", "left")
    websocket.send(BINARY, INPUT + b"x")
    websocket.receive()
    websocket.connection.shutdown(socket.SHUT_RDWR)
    websocket.close()
    eventually(lambda: any("the client left" in event["message"] for event in shared.api.items(
        f"/events?object=containers/{container}&reason=ExecEnded")), what="its end")


def test_the_daemons_end_is_told_and_waits_for_nobody(daemon, attach):
    deploy(daemon.api, "web")
    container = first_container(daemon.api, "web")["id"]
    websocket = attach(container, "cat", daemon=daemon)
    silent = attach(container, "cat", daemon=daemon)
    websocket.send(BINARY, INPUT + b"x")
    assert websocket.receive() == (BINARY, OUTPUT + b"x")
    daemon.process.terminate()
    assert websocket.closed_with() == 1001
    websocket.close()
    assert daemon.process.wait(20) == 0
    silent.close()


def test_a_slow_client_holds_its_command_up_and_nothing_else(shared, container, attach):
    """Far more than all buffers hold goes in before anything is read; memory stays bounded."""
    websocket = attach(container, "cat")
    websocket.connection.settimeout(1)
    block, sent = WebSocket.frame(BINARY, INPUT + b"x" * 65536), 0
    before = resident_bytes(shared.process.pid)
    with pytest.raises(TimeoutError):
        while sent < 200 * MIB:
            websocket.connection.sendall(block)
            sent += len(block)
    assert resident_bytes(shared.process.pid) - before < 8 * MIB
    assert shared.api.get("/healthz", base="").status == 200
    assert messages(attach(container, "echo", "other"))[0] == b"other\n"


@pytest.mark.limit(120)
def test_sessions_are_limited(shared, container, attach):
    open_ones = [attach(container, "cat") for _ in range(64)]
    assert {websocket.status for websocket in open_ones} == {101}
    refused = attach(container, "cat")
    assert refused.status == 429
    for websocket in open_ones:
        websocket.send(CLOSE, struct.pack(">H", 1000))
    assert {websocket.closed_with() for websocket in open_ones} == {1000}
    eventually(lambda: attach(container, "true").status == 101, what="room again")


def test_a_client_over_tls_is_served_alike(make_daemon, certificate):
    daemon = make_daemon({"api": {"tls": dict(zip(("certFile", "keyFile"), map(str, certificate)))}},
                         started=False).spawn()
    ctl = Orchctl(None, daemon.folder)
    server = ["--server", f"https://127.0.0.1:{daemon.port}", "--ca-file", certificate[0],
              "--key-file", daemon.state / "api-key"]
    eventually(lambda: ctl.run("whoami", *server).returncode == 0, what="a server")
    ctl.ok("run", "app/web:1", "--name", "web", *server)
    text = "over TLS\n" * 500
    done = ctl.run("exec", "-i", *server, "web", "cat", stdin=text)
    assert (done.returncode, done.stdout) == (0, text), done.stderr
    done = ctl.run("exec", *server, "web", "exit", "9")
    assert (done.returncode, done.stderr) == (9, "")
