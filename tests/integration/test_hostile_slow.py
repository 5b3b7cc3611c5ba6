"""Clients that take their time: all have a total deadline, and nobody else waits for them."""
import contextlib
import json
import select
import socket
import threading
import time

import pytest

from harness.memory import MIB, resident_bytes
from harness.rawhttp import connect, receive

SLOW = 500
HEADER_SECONDS, BODY_SECONDS = 5, 30
GRACE = 10  # of a loaded machine


@contextlib.contextmanager
def many(port, count):
    connections = []
    try:
        for _ in range(count):
            connections.append(connect(port))
        yield connections
    finally:
        for connection in connections:
            connection.close()


def dribble(connections, ended):
    """A byte of a header to each connection, again and again; those that are closed drop out."""
    alive = list(connections)
    while alive and not ended.wait(0.5):
        for connection in list(alive):
            try:
                connection.send(b"x", socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
            except OSError:
                alive.remove(connection)


def open_ones(connections):
    """Those whose peer has not ended them."""
    ended, _, _ = select.select(connections, [], [], 0)
    return [connection for connection in connections if connection not in ended]


@pytest.mark.limit(90)
def test_five_hundred_slow_headers_hold_up_nobody_and_all_meet_their_deadline(daemon):
    daemon.api.get("/whoami").ok()
    before = resident_bytes(daemon.process.pid)
    ended = threading.Event()
    with many(daemon.port, SLOW) as slow:
        begun = time.monotonic()
        for connection in slow:
            connection.sendall(b"GET /api/v1/whoami HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        thread = threading.Thread(target=dribble, args=(slow, ended), daemon=True)
        thread.start()
        try:
            served, peak, alive = 0, 0, slow
            while alive and time.monotonic() - begun < HEADER_SECONDS + GRACE:
                daemon.api.get("/whoami").ok()
                served += 1
                peak = max(peak, resident_bytes(daemon.process.pid))
                alive = open_ones(alive)
        finally:
            ended.set()
            thread.join()
    assert not alive, f"{len(alive)} slow connections outlived their deadline"
    assert served >= 20, f"only {served} requests were served meanwhile"
    assert peak - before < SLOW * MIB // 4, f"{(peak - before) // SLOW} bytes a slow connection"


@pytest.mark.limit(90)
def test_a_slow_body_meets_a_total_deadline(shared):
    with connect(shared.port) as connection:
        connection.sendall((f"POST /api/v1/deployments HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                            f"X-API-Key: {shared.key}\r\nContent-Type: application/json\r\n"
                            "Content-Length: 1000\r\n\r\n").encode())
        begun, ended = time.monotonic(), threading.Event()
        thread = threading.Thread(target=dribble, args=([connection], ended), daemon=True)
        thread.start()
        answer = receive(connection, BODY_SECONDS + GRACE,
                         enough=lambda data: b"\r\n\r\n" in data)
        took = time.monotonic() - begun
        ended.set()
        thread.join()
    assert answer.closed or answer.status == 408, answer
    assert took < BODY_SECONDS + GRACE


@pytest.mark.limit(90)
def test_clients_that_read_nothing_of_their_answers_cost_little_and_hold_up_nobody(daemon):
    document = len(daemon.api.get("/openapi.json", base="").check(200).body)
    before = resident_bytes(daemon.process.pid)
    wanted = (b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") * 20
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            slow = stack.enter_context(socket.socket())
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            slow.connect(("127.0.0.1", daemon.port))
            slow.sendall(wanted)
        for _ in range(50):
            daemon.api.get("/whoami").ok()
        grown = resident_bytes(daemon.process.pid) - before
    assert grown < 100 * (2 * document + MIB // 4), f"{grown // 100} bytes a connection"
    daemon.api.get("/whoami").ok()


def test_a_watcher_that_reads_nothing_is_served_no_more_memory_than_the_ring(daemon):
    """Its events are not queued for it: what it has missed is told by a new list."""
    request = (f"GET /api/v1/watch HTTP/1.1\r\nHost: 127.0.0.1\r\n"
               f"X-API-Key: {daemon.key}\r\n\r\n").encode()
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            slow = stack.enter_context(socket.socket())
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            slow.connect(("127.0.0.1", daemon.port))
            slow.sendall(request)
        before = resident_bytes(daemon.process.pid)
        note = "x" * 4000
        daemon.api.post("/deployments", {"name": "noisy", "image": "a:1", "replicas": 0}).check(201)
        for number in range(300):
            daemon.api.patch("/deployments/noisy", json.dumps(
                {"annotations": {"note": f"{number}{note}"}})).ok()
        grown = resident_bytes(daemon.process.pid) - before
    assert grown < 32 * MIB, f"{grown} bytes for watchers that read nothing"
