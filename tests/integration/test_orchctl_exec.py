"""exec over a WebSocket, against a server of our own that speaks its side of it."""
import base64
import hashlib
import json
import os
import signal
import socket
import struct
import termios
import threading

import pytest

from harness.fakeapi import FakeApi
from harness.orchctl import Orchctl
from harness.wait import eventually

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
INPUT, OUTPUT, ERRORS, END, SIZE = range(5)


class Server:
    """Answers the calls that exec makes; `play` is the other end of the WebSocket."""

    def __init__(self, play, accept=None):
        self.play, self.accept, self.asked = play, accept, None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.key = self.listener.getsockname()[1], "key"
        self.threads = []
        self.begin(self.serve)

    def begin(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        thread.start()
        self.threads.append(thread)

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.begin(self.talk, connection)

    def talk(self, connection):
        self.stream = connection.makefile("rwb")
        stream = self.stream
        while head := stream.readline():
            headers = {}
            while (line := stream.readline()) not in (b"\r\n", b""):
                name, value = line.decode().split(":", 1)
                headers[name.lower()] = value.strip()
            body = stream.read(int(headers.get("content-length", 0)))
            method, path, _ = head.decode().split()
            if "upgrade" in headers:
                self.upgrade(connection, stream, path, headers)
                return
            if method == "POST":
                self.asked = (path, json.loads(body))
                answer = {"id": "s1", "ticket": "t 1", "expiresAt": "2030-01-01T00:00:00Z"}
            else:
                answer = {"items": [{"id": "web-0-abc", "ready": True}], "next": None}
            text = json.dumps(answer).encode()
            stream.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                         b"Content-Length: %d\r\n\r\n%s" % (len(text), text))
            stream.flush()

    def upgrade(self, connection, stream, path, headers):
        assert path == "/api/v1/exec/s1?ticket=t%201"
        digest = hashlib.sha1((headers["sec-websocket-key"] + GUID).encode()).digest()
        stream.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Accept: %s\r\n\r\n" % (self.accept or base64.b64encode(digest)))
        stream.flush()
        self.play(self)
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def say(self, channel, text, opcode=2, last=True):
        data = (bytes([channel]) if channel is not None else b"") + text.encode("latin-1")
        size = bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack(">H", len(data)) \
            if len(data) < 65536 else b"\x7f" + struct.pack(">Q", len(data))
        self.stream.write(bytes([(0x80 if last else 0) | opcode]) + size + data)
        self.stream.flush()

    def hear(self):
        """The next message: opcode, channel, text."""
        first, size = self.stream.read(2)
        assert size & 0x80, "a client's frames are masked"
        size &= 0x7f
        if size > 125:
            size = int.from_bytes(self.stream.read(2 if size == 126 else 8), "big")
        mask = self.stream.read(4)
        data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(self.stream.read(size)))
        return first & 0x0f, data[0] if data else None, data[1:].decode()

    def close(self):
        self.listener.close()


@pytest.fixture
def against(tmp_path):
    servers = []

    def make(play, **more):
        servers.append(Server(play, **more))
        return servers[-1], Orchctl(servers[-1], tmp_path)
    yield make
    for server in servers:
        server.close()


def test_output_errors_and_the_exit_status_are_the_commands(against):
    def play(server):
        server.say(OUTPUT, "out")
        server.say(None, "\x01", last=False)
        server.say(None, "put\n", opcode=0)
        server.say(ERRORS, "bad\n")
        server.say(END, '{"exitCode": 7}')
    server, ctl = against(play)
    done = ctl.run("exec", "web", "ls", "-la")
    assert (done.stdout, done.stderr, done.returncode) == ("output\n", "bad\n", 7)
    assert server.asked == ("/api/v1/containers/web-0-abc/exec",
                            {"command": ["ls", "-la"], "tty": False, "stdin": False})


def test_input_goes_on_to_its_end(against):
    heard = []

    def play(server):
        server.say(None, "are you there", opcode=9)
        while (2, INPUT, "") not in heard or 10 not in [opcode for opcode, _, _ in heard]:
            heard.append(server.hear())
        server.say(OUTPUT, "x" * 70000)
        server.say(END, '{"exitCode": 0}')
    _, ctl = against(play)
    done = ctl.run("exec", "-i", "web", "cat", stdin="hello")
    assert done.returncode == 0 and done.stdout == "x" * 70000
    assert (2, INPUT, "hello") in heard
    assert (10, ord("a"), "re you there") in heard, "a ping is answered with what it said"


def test_a_terminal_is_passed_on_with_its_size(against):
    heard = []

    def play(server):
        while True:
            heard.append(server.hear())
            if heard[-1][1] == INPUT and "q" in heard[-1][2]:
                break
            if heard[-1][1] == SIZE:
                server.say(OUTPUT, "\x1b[7mready\x1b[0m")
        server.say(END, '{"exitCode": 0}')
    server, ctl = against(play)
    terminal = ctl.terminal("exec", "-it", "web", "sh")
    terminal.expect("\x1b[7mready").type("\x03q").end()
    assert terminal.status == 0
    assert any(channel == INPUT and "\x03" in text for _, channel, text in heard)
    assert set(json.loads(heard[0][2])) == {"columns", "rows"}
    assert server.asked[1]["tty"] is True


def test_the_terminal_is_given_back_when_it_is_ended(against):
    def play(server):
        server.hear()
        server.say(OUTPUT, "ready")
        server.stream.read(1)  # its end
    _, ctl = against(play)
    terminal = ctl.terminal("exec", "-it", "web", "sh")

    def echoes():
        return bool(termios.tcgetattr(terminal.descriptor)[3] & termios.ECHO)
    assert echoes()
    terminal.expect("ready")
    assert not echoes()
    os.kill(terminal.pid, signal.SIGTERM)
    eventually(echoes, what="a terminal that echoes")
    terminal.end()
    assert terminal.status == -signal.SIGTERM


@pytest.mark.parametrize("play, said", [
    (lambda server: server.say(END, '{"error": "no such program"}'), "no such program"),
    (lambda server: server.say(OUTPUT, "x"), "the connection was closed before its end"),
    (lambda server: server.say(None, "", opcode=8), "the connection was closed before its end"),
])
def test_an_end_without_an_exit_status_is_a_failure(against, play, said):
    _, ctl = against(play)
    assert said in ctl.fails(1, "exec", "web", "x")


def test_a_wrong_handshake_is_refused(against):
    _, ctl = against(lambda server: None, accept=b"wrong")
    assert "handshake is wrong" in ctl.fails(1, "exec", "web", "x")


def test_a_tty_needs_a_terminal(against):
    _, ctl = against(lambda server: None)
    assert "standard input is no terminal" in ctl.fails(1, "exec", "-t", "web", "sh")


def test_a_server_that_lacks_it_says_so(tmp_path):
    server = FakeApi({("GET", "/containers"): (200, {
        "items": [{"id": "web-0-abc", "ready": True}], "next": None})})
    try:
        said = Orchctl(server, tmp_path).fails(1, "exec", "web", "ls")
    finally:
        server.close()
    assert "has no /api/v1/containers/" in said or "cannot" in said
