"""Requests of any size: refused before they are kept, at a bounded cost of memory."""
import contextlib
import json
import time

import pytest

from harness.memory import MIB, resident_bytes
from harness.rawhttp import connect, exchange, has_head, receive

BODY_LIMIT, URI_LIMIT, HEADER_LIMIT = MIB, 8 * 1024, 16 * 1024
STUCK_SECONDS = 15  # half of what a body may take; it is a second or two


def head(daemon, line, *fields):
    lines = [line, "Host: 127.0.0.1", f"X-API-Key: {daemon.key}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


POST = "POST /api/v1/deployments HTTP/1.1"
JSON = "Content-Type: application/json"


def padded(size):
    body = json.dumps({"name": "Not A Name", "image": "a:1"}).encode()
    return body + b" " * (size - len(body))


def test_a_body_of_just_the_limit_is_read(shared):
    shared.api.post("/deployments", padded(BODY_LIMIT)).error(400, "VALIDATION_FAILED")


def test_a_byte_more_is_too_large(shared):
    shared.api.post("/deployments", padded(BODY_LIMIT + 1)).error(413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("length", (1024 ** 3, 2 ** 31, 2 ** 32, 2 ** 32 + 2, 2 ** 63 - 1))
def test_a_length_beyond_the_limit_is_refused_before_the_body_comes(shared, length):
    answer = exchange(shared.port, head(shared, POST, JSON, f"Content-Length: {length}"))
    assert answer.status == 413, answer


@pytest.mark.parametrize("length", (
    2 ** 63, 2 ** 64 - 1, 2 ** 64, 2 ** 64 + 2, 10 ** 40, "-1", "-9223372036854775808", "0x10", "1e3",
    "2 2", "2,2", "\u0663", "2;", "NaN"))
def test_a_length_that_is_no_number_of_ours_is_refused(shared, length):
    answer = exchange(shared.port, head(shared, POST, JSON, f"Content-Length: {length}") + b"{}",
                      within=8)
    assert answer.status in (400, 413) or (answer.status is None and answer.closed), answer


@pytest.mark.parametrize("size", ("80000000", "8000000000000000", "ffffffffffffffff",
                                  "10000000000000000", "7fffffffffffffff", "100000002", "+2", "0x2"))
def test_a_chunk_of_a_size_that_overflows_is_not_taken_for_a_small_one(shared, size):
    request = head(shared, POST, JSON, "Transfer-Encoding: chunked")
    answer = exchange(shared.port, request + f"{size}\r\n{{}}\r\n0\r\n\r\n".encode(), within=3)
    assert b"name" not in answer.data, f"the body was read: {answer}"
    assert answer.status is None or 400 <= answer.status < 500, answer


def test_a_target_of_more_than_8_kib_is_too_long(shared):
    answer = exchange(shared.port, head(shared, f"GET /api/v1/{'a' * URI_LIMIT} HTTP/1.1"))
    assert answer.status == 414, answer


def test_a_query_of_too_many_parameters_is_refused(shared):
    query = "&".join(f"p{number}=1" for number in range(65))
    shared.api.get(f"/deployments?{query}").error(400, "VALIDATION_FAILED")


def test_headers_of_more_than_16_kib_are_too_large(shared):
    for fields in ([f"X-Big: {'a' * HEADER_LIMIT}"], [f"X-{n}: {'a' * 1000}" for n in range(17)]):
        answer = exchange(shared.port, head(shared, "GET /api/v1/whoami HTTP/1.1", *fields))
        assert answer.status == 431, answer


@pytest.mark.parametrize("begin, more", (
    (b"GET /api/v1/whoami HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", b"a" * 65536),
    (b"GET /", b"a" * 65536),
    (b"", b"A" * 65536),
    (b"GET / HTTP/1.1\r\n", b"X: y\r\n" * 10000),
    (b"", b"\r\n" * 32768)), ids=("header", "target", "method", "headers", "empty lines"))
def test_a_head_without_end_is_cut_off_at_little_memory(shared, begin, more):
    before = resident_bytes(shared.process.pid)
    sent = 0
    with connect(shared.port, timeout=8) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(begin)
            while sent < 16 * MIB:
                sent += connection.send(more)
        answer = receive(connection, 8, enough=has_head)
    assert answer.closed or (answer.status and 400 <= answer.status < 500), answer
    assert sent < 16 * MIB, "all of it was read"
    assert resident_bytes(shared.process.pid) - before < 4 * MIB
    shared.api.get("/whoami").ok()


CHUNKS = {
    "large chunks": b"10000\r\n" + b" " * 65536 + b"\r\n",
    "single bytes": b"1\r\n \r\n" * 10000,
    "long extensions": b"1;x=" + b"a" * 60000 + b"\r\n \r\n",
    "trailers": b"0\r\n" + b"X-Trailer: y\r\n" * 5000,
}


@pytest.mark.parametrize("chunk", CHUNKS.values(), ids=CHUNKS.keys())
def test_chunks_without_end_are_cut_off_at_little_memory(shared, chunk):
    """Also an extension larger than what is kept of a connection, which its reader cannot leave: it
    took a whole core until the body's deadline."""
    before, begun = resident_bytes(shared.process.pid), time.monotonic()
    sent = 0
    with connect(shared.port, timeout=8) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(head(shared, POST, JSON, "Transfer-Encoding: chunked"))
            while sent < 64 * MIB:
                sent += connection.send(chunk)
        answer = receive(connection, 8, enough=has_head)
    assert answer.closed or (answer.status and 400 <= answer.status < 500), answer
    assert sent < 64 * MIB, "all of it was read"
    assert time.monotonic() - begun < STUCK_SECONDS, "it was left to itself until the last deadline"
    assert resident_bytes(shared.process.pid) - before < 4 * MIB
    shared.api.get("/whoami").ok()


def test_fifty_bodies_at_once_cost_no_more_than_they_are(daemon):
    """All but the last byte of the largest allowed body, on fifty connections."""
    daemon.api.post("/deployments", padded(BODY_LIMIT)).error(400)
    before = resident_bytes(daemon.process.pid)
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(connect(daemon.port))
            connection.sendall(head(daemon, POST, JSON, f"Content-Length: {BODY_LIMIT}"))
            connection.sendall(padded(BODY_LIMIT)[:-1])
        daemon.api.get("/whoami").ok()
        grown = resident_bytes(daemon.process.pid) - before
    assert grown < 50 * 2 * MIB, f"{grown // 50} bytes a connection"
