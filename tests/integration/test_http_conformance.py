"""What the proxy makes of requests that are easily misread, before an origin that reads strictly and
remembers what it was asked."""
import socket
import threading

import pytest

from harness.http_cases import COMPLIANCE, MALFORMED, SEQUENCES, SMUGGLING
from harness.objects import service, wait_complete, wait_endpoints
from harness.ports import free_port

PATIENCE = 5.0  # for an answer
SILENCE = 0.3   # after which the proxy is taken to wait for the rest
INCOMPLETE = {"COMP-POST-CL-UNDERSEND", "COMP-CHUNKED-NO-FINAL", "RFC9112-2.3-HTTP09-REQUEST",
              "MAL-INCOMPLETE-REQUEST", "MAL-EMPTY-REQUEST", "MAL-POST-CL-HUGE-NO-BODY"}


ONCE = (b"host", b"content-length", b"transfer-encoding")


class Origin:
    """Answers with Allow, without a Date; `seen` holds (method, target, body) of whole requests."""

    def __init__(self, address, port):
        self.seen, self.faults, self.threads = [], [], []
        self.listener = socket.create_server((address, port), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                while self.answer(connection, stream):
                    pass
            except (OSError, EOFError):
                pass  # a request that was cut short

    def answer(self, connection, stream):
        line = stream.readline()
        if not line:
            return False
        method, target, version = line.rstrip(b"\r\n").split(b" ")
        fields = {}
        while (field := stream.readline()) != b"\r\n":
            if not field:
                raise EOFError
            key, _, value = field.partition(b":")
            if key.lower() in fields and key.lower() in ONCE:
                self.faults.append((line, "twice", key))
            fields[key.lower()] = value.strip()
        if version != b"HTTP/1.1" or b"host" not in fields:
            self.faults.append((line, fields))
        body = self.body(stream, fields)
        self.seen.append((method, target, body))
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
        if method == b"OPTIONS":
            connection.sendall(b"HTTP/1.1 204 No Content\r\nAllow: GET, HEAD, POST, OPTIONS\r\n\r\n")
        elif method not in (b"GET", b"HEAD", b"POST", b"DELETE"):
            connection.sendall(b"HTTP/1.1 501 No\r\nContent-Length: 0\r\n\r\n")
        elif method == b"DELETE":
            connection.sendall(b"HTTP/1.1 405 No\r\nAllow: GET, HEAD, POST, OPTIONS\r\n"
                               b"Content-Length: 0\r\n\r\n")
        else:
            head += b"Content-Length: %d\r\n\r\n" % len(body)
            connection.sendall(head + (b"" if method == b"HEAD" else body))
        return True

    @staticmethod
    def exactly(stream, length):
        data = stream.read(length)
        if len(data) < length:
            raise EOFError
        return data

    @staticmethod
    def chunk_size(stream):
        line = stream.readline()
        if not line:
            raise EOFError
        return int(line, 16)

    def body(self, stream, fields):
        if b"transfer-encoding" not in fields:
            return self.exactly(stream, int(fields.get(b"content-length", b"0")))
        if b"content-length" in fields:
            self.faults.append(("two lengths", fields))
        body = b""
        while size := self.chunk_size(stream):
            body += self.exactly(stream, size)
            if stream.read(2) != b"\r\n":
                raise EOFError
        while stream.readline() not in (b"\r\n", b""):
            pass
        return body


class Served:
    """A service of protocol http whose one container is an Origin."""

    def __init__(self, daemon, name):
        self.port = free_port()
        daemon.api.post("/services", service(name, f"127.0.0.1:{self.port}", protocol="http"))
        daemon.api.post("/deployments", {"name": name, "image": "origin:1", "replicas": 1,
                                         "ports": [{"containerPort": 8080}]}).check(201)
        wait_complete(daemon.api, name)
        wait_endpoints(daemon.api, name, 1)
        (endpoint,) = daemon.api.get(f"/services/{name}/endpoints").ok(200)["items"]
        address, _, port = endpoint["address"].rpartition(":")
        self.origin = Origin(address, int(port))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    from harness.daemon import Daemon
    daemon = Daemon(tmp_path_factory.mktemp("conformance")).start()
    served = Served(daemon, "conformance")
    yield served
    served.origin.listener.close()
    daemon.stop()
    daemon.discard()


class Talk:
    """A connection: what is sent, and the replies in the order they come."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.received, self.ended = b"", False

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            self.ended = True

    def more(self, seconds):
        self.socket.settimeout(seconds)
        try:
            block = self.socket.recv(65536)
        except TimeoutError:
            return False
        except OSError:
            block = b""
        self.received += block
        self.ended |= not block
        return bool(block)

    def reply(self, seconds, head=False):
        """(status, fields, body) of the next final reply; None: the connection has ended or is
        silent."""
        while True:
            while b"\r\n\r\n" not in self.received:
                if self.ended or not self.more(seconds):
                    return None
            text, _, rest = self.received.partition(b"\r\n\r\n")
            lines = text.decode("latin-1").split("\r\n")
            status = int(lines[0].split(" ")[1])
            fields = {key.lower(): value.strip() for key, _, value in
                      (line.partition(":") for line in lines[1:])}
            if status >= 200 or status == 101:
                break
            self.received = rest
        length = 0 if head or status == 204 else int(fields.get("content-length", "0"))
        while len(rest) < length and self.more(seconds):
            rest = self.received.partition(b"\r\n\r\n")[2]
        self.received = rest[length:]
        return status, fields, rest[:length]

    def has_ended(self):
        while not self.ended and self.more(2.0):
            pass
        return self.ended


def one(served, name, wanted, request):
    """Why the answer is not right, or None."""
    before = len(served.origin.seen)
    talk = Talk(served.port)
    with talk.socket:
        talk.send(request)
        reply = talk.reply(SILENCE if name in INCOMPLETE else PATIENCE, request.startswith(b"HEAD"))
        outcome = judge(talk, reply, wanted.split())
    seen = served.origin.seen[before:]
    if len(seen) > 1:
        return f"the origin saw {len(seen)} requests: {seen}"
    if seen and reply and reply[0] >= 400 and reply[0] not in (405, 501):
        return f"refused with {reply[0]}, yet the origin saw {seen}"
    return outcome


def judge(talk, reply, wanted):
    if reply is None:
        state = "close" if talk.ended else "waits"
        return None if state in wanted else f"{state}, not {wanted}"
    status, fields, _ = reply
    if status >= 400 and status not in (404, 405, 501, 503) and not talk.has_ended():
        return f"{status} on a connection that stays open"
    if "not-101" in wanted:
        return None if status != 101 else "101"
    if "not-1xx" in wanted:
        return None if status >= 200 else str(status)
    if "ends" in wanted and not talk.has_ended():
        return "the connection stays open"
    extra = {"date": "date", "type": "content-type", "allow": "allow"}
    for word in set(wanted) & set(extra):
        return None if extra[word] in fields else f"no {word} in {fields}"
    if str(status) in wanted or ("2xx" in wanted and 200 <= status < 300):
        return None
    return f"{status}, not {wanted}"


# Cases that are not answered as the checklist would have it, and why.
MISSES = {}


@pytest.mark.parametrize("group, least", (("compliance", 76), ("smuggling", 64), ("malformed", 26)))
def test_requests_are_read_as_they_should(served, group, least):
    cases = {"compliance": COMPLIANCE, "smuggling": SMUGGLING, "malformed": MALFORMED}[group]
    wrong = {}
    for name, wanted, request in cases:
        if fault := one(served, name, wanted, request):
            wrong[name] = fault
    assert len(cases) == least
    print(f"{group}: {len(cases) - len(wrong)}/{len(cases)} as the checklist has them")
    assert wrong.keys() == {name for name, _, _ in cases} & MISSES.keys(), wrong
    assert not served.origin.faults


@pytest.mark.parametrize("name, kind, first, second", SEQUENCES, ids=[case[0] for case in SEQUENCES])
def test_no_request_hides_in_another(served, name, kind, first, second):
    before = len(served.origin.seen)
    talk = Talk(served.port)
    with talk.socket:
        talk.send(first)
        reply = talk.reply(PATIENCE)
        assert reply, "an answer"
        if kind == "last":
            assert reply[0] in (400, 501), reply
            talk.send(second)
            assert talk.has_ended() and not talk.received, talk.received
            assert served.origin.seen[before:] == []
            return
        assert reply[0] in (200, 204), reply
        talk.send(second)
        following = talk.reply(PATIENCE)
        if kind == "poison":
            assert following and following[0] == 501, following
            assert [method for method, _, _ in served.origin.seen[before:]] == [b"POST", b"XGET"]
            return
        assert following and following[0] == 200, following
    assert [target for _, target, _ in served.origin.seen[before:]] == [b"/", b"/"]
    assert not served.origin.faults
