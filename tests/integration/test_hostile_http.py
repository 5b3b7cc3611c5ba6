"""Requests that no proper client sends, on the API's port."""
import threading
import time

import pytest

from harness.rawhttp import connect, exchange, receive


def head(daemon, request="GET /api/v1/whoami HTTP/1.1", *lines, host="Host: 127.0.0.1"):
    fields = [request, host, f"X-API-Key: {daemon.key}", *lines]
    return ("\r\n".join(field for field in fields if field) + "\r\n\r\n").encode()


POST = "POST /api/v1/deployments HTTP/1.1"
JSON = "Content-Type: application/json"
SMUGGLED = b"GET /api/v1/whoami HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

BAD_FRAMING = {
    "two lengths that differ": ["Content-Length: 2", "Content-Length: 50"],
    "a list of lengths": ["Content-Length: 2, 50"],
    "length and chunks": ["Content-Length: 2", "Transfer-Encoding: chunked"],
    "chunks and length": ["Transfer-Encoding: chunked", "Content-Length: 2"],
    "negative length": ["Content-Length: -1"],
    "signed length": ["Content-Length: +2"],
    "length in hex": ["Content-Length: 0x2"],
    "length of 2^63": ["Content-Length: 9223372036854775808"],
    "length of 2^64+2": ["Content-Length: 18446744073709551618"],
    "length of nothing": ["Content-Length: "],
    "unknown coding": ["Transfer-Encoding: gzip"],
    "chunked that is not the last": ["Transfer-Encoding: chunked, gzip"],
    "space before the colon": ["Content-Length : 2"],
    "space before chunked's colon": ["Transfer-Encoding : chunked"],
}


@pytest.mark.parametrize("lines", BAD_FRAMING.values(), ids=BAD_FRAMING.keys())
def test_a_body_whose_end_is_in_doubt_is_refused_and_the_connection_closed(shared, lines):
    request = head(shared, POST, JSON, *lines) + b"{}" + SMUGGLED
    answer = exchange(shared.port, request, within=8, enough=None)
    # libmicrohttpd 0.9.75 puts the head of its own refusal before itself once more.
    assert len(set(answer.statuses)) <= 1 and all(400 <= s < 600 for s in answer.statuses), answer
    assert b'"role"' not in answer.data, f"what follows was taken for a request: {answer}"
    assert answer.closed, "the connection stayed open"


@pytest.mark.parametrize("chunks", (b"zz\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n",
                                    b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
                                    b"2\r\n{}XX0\r\n\r\n"))
def test_broken_chunks_are_refused(shared, chunks):
    request = head(shared, POST, JSON, "Transfer-Encoding: chunked") + chunks
    answer = exchange(shared.port, request, within=8)
    assert answer.status is None and answer.closed or 400 <= answer.status < 500, answer


def test_a_chunked_body_is_read(shared):
    request = head(shared, POST, JSON, "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n"
    answer = exchange(shared.port, request)
    assert answer.status == 400 and b"VALIDATION_FAILED" in answer.data


def test_a_chunked_body_without_end_is_cut_off(shared):
    with connect(shared.port) as connection:
        connection.sendall(head(shared, POST, JSON, "Transfer-Encoding: chunked"))
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        sent = 0
        try:
            while sent < 8 * 1024 * 1024:
                connection.sendall(chunk)
                sent += 65536
        except (ConnectionError, TimeoutError):
            pass
        answer = receive(connection, 5, enough=lambda data: b"\r\n\r\n" in data)
    assert answer.status == 413 or answer.closed, answer
    assert shared.api.get("/whoami").status == 200


@pytest.mark.parametrize("request_bytes", (
    b"GET /api/v1/whoami HTTP/1.1\nHost: a\n\n", b"GET /api/v1/whoami\r\n\r\n", b"\0\0\0\0\r\n\r\n",
    b"GET /api/v1/whoami HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n", b"GET  HTTP/1.1\r\n\r\n",
    b"G\0T / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"GET /api/v1/whoami HTTP/1.1\r\n: x\r\n\r\n",
    b"GET /api/v1/whoami HTTP/1.1\r\nHost: 127.0.0.1\r\n folded\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /\x01 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"))
def test_a_broken_head_is_refused(shared, request_bytes):
    answer = exchange(shared.port, request_bytes, within=8)
    assert answer.status is None or 400 <= answer.status < 600, answer
    assert b'"role"' not in answer.data


@pytest.mark.parametrize("lines", (["Host: 127.0.0.1"], []), ids=("two hosts", "no host"))
def test_a_host_is_given_once(shared, lines):
    host = "Host: 127.0.0.1" if lines else None
    answer = exchange(shared.port, head(shared, "GET /api/v1/whoami HTTP/1.1", *lines, host=host))
    assert answer.status == 400, answer


def test_a_hundred_and_one_headers_are_too_many(shared):
    lines = [f"X-Number-{number}: {number}" for number in range(101)]
    answer = exchange(shared.port, head(shared, "GET /api/v1/whoami HTTP/1.1", *lines))
    assert answer.status == 431, answer


def test_fifty_headers_are_fine(shared):
    lines = [f"X-Number-{number}: {number}" for number in range(50)]
    answer = exchange(shared.port, head(shared, "GET /api/v1/whoami HTTP/1.1", *lines))
    assert answer.status == 200, answer


def test_headers_without_end_are_cut_off(shared):
    with connect(shared.port) as connection:
        try:
            connection.sendall(b"GET /api/v1/whoami HTTP/1.1\r\n")
            for number in range(2000):
                connection.sendall(b"X-%d: %s\r\n" % (number, b"a" * 1000))
        except ConnectionError:
            pass
        answer = receive(connection, 8, enough=lambda data: b"\r\n\r\n" in data)
    assert answer.status in (431, 400) or answer.closed, answer


@pytest.mark.limit(30)
def test_a_slow_header_meets_a_total_deadline(shared):
    """A byte a time keeps no connection open: the deadline is of the whole header (5 s)."""
    with connect(shared.port) as connection:
        begun = time.monotonic()
        ended = threading.Event()

        def dribble():
            try:
                connection.sendall(b"GET /api/v1/whoami HTTP/1.1\r\n")
                while not ended.wait(0.5):
                    connection.sendall(b"X")
            except OSError:
                pass
        thread = threading.Thread(target=dribble, daemon=True)
        thread.start()
        answer = receive(connection, 15)
        ended.set()
        thread.join()
    assert answer.closed, "the connection was still open after 15 s"
    assert time.monotonic() - begun < 12


def test_slow_clients_delay_nobody(shared):
    slow = [connect(shared.port) for _ in range(200)]
    try:
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        for _ in range(20):
            assert shared.api.get("/whoami").status == 200
    finally:
        for connection in slow:
            connection.close()


def test_head_is_get_without_a_body(shared):
    answer = exchange(shared.port, head(shared, "HEAD /api/v1/whoami HTTP/1.1",
                                        "Connection: close"), enough=None)
    assert answer.status in (200, 405), answer
    assert answer.data.split(b"\r\n\r\n", 1)[1] == b""


def test_head_and_options_need_a_key_as_well(shared):
    for method in ("HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "XYZZY"):
        answer = exchange(shared.port, f"{method} /api/v1/whoami HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                       "Connection: close\r\n\r\n".encode())
        assert answer.status and 400 <= answer.status < 600, (method, answer)


def test_options_and_trace_give_nothing_away(shared):
    for method in ("OPTIONS", "TRACE", "XYZZY"):
        answer = exchange(shared.port, head(shared, f"{method} /api/v1/whoami HTTP/1.1"))
        assert answer.status in (400, 404, 405, 501), (method, answer)
        assert b"Access-Control-Allow" not in answer.data and shared.key.encode() not in answer.data


def test_pipelined_requests_are_answered_in_order(shared):
    first = head(shared, "GET /api/v1/whoami HTTP/1.1")
    second = head(shared, "GET /api/v1/deployments/none HTTP/1.1")
    third = head(shared, "GET /healthz HTTP/1.1", "Connection: close")
    answer = exchange(shared.port, first + second + third, enough=None)
    assert answer.statuses == [200, 404, 200], answer


def test_many_requests_share_a_connection(shared):
    with connect(shared.port) as connection:
        for _ in range(100):
            connection.sendall(head(shared))
            answer = receive(connection, enough=lambda data: b'"role"' in data and
                             data.rstrip().endswith(b"}"))
            assert answer.status == 200 and not answer.closed


def test_a_client_that_leaves_in_the_middle_harms_nobody(shared):
    for cut in (1, 20, 60, 120):
        with connect(shared.port) as connection:
            connection.sendall(head(shared, POST, JSON, "Content-Length: 500")[:cut] + b"")
    with connect(shared.port) as connection:
        connection.sendall(head(shared, POST, JSON, "Content-Length: 500") + b'{"name":')
    assert shared.api.get("/whoami").status == 200


def test_an_expected_continue_is_answered(shared):
    request = head(shared, POST, JSON, "Content-Length: 2", "Expect: 100-continue")
    with connect(shared.port) as connection:
        connection.sendall(request)
        answer = receive(connection, 5, enough=lambda data: b"\r\n\r\n" in data)
        assert answer.status in (100, 400, 417), answer


def test_a_foreign_host_gets_no_cors_permission(shared):
    reply = shared.api.get("/whoami", headers={"Origin": "http://evil.example"})
    assert not [key for key in reply.headers if key.lower().startswith("access-control-")]


def test_an_unknown_host_is_refused(shared):
    """Against DNS rebinding: a page of a stranger's name reaches nothing."""
    answer = exchange(shared.port, head(shared, host="Host: evil.example"))
    assert answer.status == 403 and b"FORBIDDEN" in answer.data
