"""Mutated requests through the proxy to an origin of another's making: does it see the requests, and
only those, that the proxy has forwarded?

Each trial sends a mutated case of Http11Probe's list and, behind it on the same connection, a plain
request with an id of its own. The origin tells method, target and id of what it sees.
A disagreement is one of
- a reply to the plain request that shows another's id or target (replies have moved by one),
- in the end another number of requests at the origin than the proxy has forwarded.
"""
import argparse
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness.daemon import Daemon  # noqa: E402
from harness.http_cases import COMPLIANCE, MALFORMED, SMUGGLING  # noqa: E402
from harness.objects import service, wait_complete, wait_endpoints  # noqa: E402
from harness.ports import free_port  # noqa: E402

PIECES = (b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b",", b";", b"0", b"1", b"5", b"-", b"+",
          b"chunked", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Host: b\r\n",
          b"Connection: close\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n", b"GET /x HTTP/1.1\r\n", b"\x80",
          b"Expect: 100-continue\r\n", b"Content-Length: 0\r\n", b"X: ", b"\x0b", b"%2e%2e/", b"?")
NGINX = """daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 512; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 60s;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; large_client_header_buffers 8 64k;
  server {{ listen {address}; client_max_body_size 0; underscores_in_headers on;
    location / {{ return 200 "seen $request_method $request_uri $http_x_request_id\\n"; }} }}
  server {{ listen 127.0.0.1:{status}; location / {{ stub_status; }} }} }}
"""


class Nginx:
    def __init__(self, address, port):
        self.folder, self.status = tempfile.mkdtemp(prefix="diff"), free_port()
        config = Path(self.folder) / "nginx.conf"
        config.write_text(NGINX.format(folder=self.folder, address=f"{address}:{port}",
                                       status=self.status), encoding="utf-8")
        self.process = subprocess.Popen(["nginx", "-p", self.folder, "-c", str(config)])
        self.asked = 0

    def count(self):
        """Of requests, less those for this very number."""
        for _ in range(100):
            try:
                with socket.create_connection(("127.0.0.1", self.status)) as sock:
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                    text = b"".join(iter(lambda: sock.recv(4096), b""))
                self.asked += 1
                return int(re.search(rb"requests\s+\d+ \d+ (\d+)", text).group(1)) - self.asked
            except OSError:
                time.sleep(0.05)  # it has only just been started, and tells nobody that it listens
        raise RuntimeError("nginx does not answer")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


class Python:
    """The standard library's server, which reads bodies as http.client frames them."""

    def __init__(self, address, port):
        self.seen, lock = 0, threading.Lock()
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def parse_request(self):
                with lock:
                    origin.seen += 1
                return super().parse_request()

            def log_message(self, *_):
                pass

            def body(self):
                if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                    self.rfile.read(int(self.headers.get("Content-Length", 0)))
                    return
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    self.rfile.read(size + 2)
                while self.rfile.readline() not in (b"\r\n", b""):
                    pass

            def __getattr__(self, name):
                if name.startswith("do_"):
                    return self.answer
                raise AttributeError(name)

            def answer(self):
                if self.headers.get("Expect"):
                    self.send_response_only(100)
                    self.end_headers()
                self.body()
                text = (f"seen {self.command} {self.path} {self.headers.get('X-Request-Id')}\n"
                        .encode("latin-1", "replace"))
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(text)

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # a connection that the proxy gave up with its client's

        self.server = Server((address, port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def count(self):
        return self.seen

    def stop(self):
        self.server.shutdown()


def mutate(chance, data):
    data = bytearray(data)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        at, what = chance.randrange(len(data) + 1), chance.randrange(4)
        if what == 0:
            data[at:at] = chance.choice(PIECES)
        elif what == 1:
            del data[at:at + chance.randint(1, 4)]
        elif what == 2 and at < len(data):
            data[at] = chance.randrange(256)
        else:
            end = at + chance.randint(1, 24)
            data[at:at] = data[at:end]
    return bytes(data)


def exchange(port, data, ident):
    """All that comes until the plain request's reply, the end, or a silence."""
    received = b""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.settimeout(0.05)
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)  # what waits for more is not waited for
            while block := sock.recv(65536):
                received += block
                if ident in block:
                    break
        except OSError:
            pass
    return received


def is_refused(received):
    """By the origin: a target or a method that it does not take, which is no disagreement."""
    return b"HTTP/1.1 400 Bad Request\r\nServer: " in received


def faults_of(data, received):
    own = re.findall(rb"GET (/plain-\d+) [^\0]*X-Request-Id: (id[0-9a-f]+)", data)[-1]
    for line in re.findall(rb"seen GET (/plain-\d+) (id[0-9a-f]+)\n", received):
        if line != own:
            yield f"another's reply: {line!r}"


def forwarded(daemon, name):
    (endpoint,) = daemon.api.get(f"/services/{name}/endpoints").ok(200)["items"]
    return endpoint["served"] + endpoint["failed"]


def settled(look):
    """A number that no longer changes."""
    last, since = look(), time.monotonic()
    while time.monotonic() - since < 3:
        time.sleep(0.25)  # that nothing more comes is no event; three seconds without are taken for it
        if look() != last:
            last, since = look(), time.monotonic()
    return last


def run(options):
    chance = random.Random(options.seed)
    cases = [case[-1] for case in COMPLIANCE + SMUGGLING + MALFORMED if 0 < len(case[-1]) < 4000]
    folder, name, port = Path(tempfile.mkdtemp(prefix="diff")), "differential", free_port()
    daemon = Daemon(folder).start()
    daemon.api.post("/services", service(name, f"127.0.0.1:{port}", protocol="http")).check(201)
    daemon.api.post("/deployments", {"name": name, "image": "origin:1", "replicas": 1,
                                     "ports": [{"containerPort": 8080}]}).check(201)
    wait_complete(daemon.api, name)
    wait_endpoints(daemon.api, name, 1)
    (endpoint,) = daemon.api.get(f"/services/{name}/endpoints").ok(200)["items"]
    address, _, at = endpoint["address"].rpartition(":")
    origin = {"nginx": Nginx, "python": Python}[options.origin](address, int(at))
    sent, faults, refused, end = 0, 0, 0, time.monotonic() + options.seconds
    origin.count()
    while sent < options.requests and time.monotonic() < end:
        ident = b"id%x" % sent
        data = mutate(chance, chance.choice(cases))
        plain = b"GET /plain-%d HTTP/1.1\r\nHost: a\r\nX-Request-Id: %s\r\n\r\n" % (sent, ident)
        received = exchange(port, data + plain, ident)
        refused += is_refused(received)
        for fault in faults_of(data + plain, received):
            faults += 1
            print(f"{fault}\n  sent {data!r}\n  got {received!r}", flush=True)
        sent += 1
    seen, told = settled(origin.count), settled(lambda: forwarded(daemon, name))
    faults += seen != told
    print(f"{options.origin}: {2 * sent} requests ({sent} of them mutated), {faults} disagreements; "
          f"the origin saw {seen} (and refused {refused}), the proxy forwarded {told}")
    origin.stop()
    daemon.stop()
    daemon.discard()
    shutil.rmtree(folder, ignore_errors=True)
    return 1 if faults else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--origin", choices=("nginx", "python"), default="nginx")
    parser.add_argument("--requests", type=int, default=500000, help="mutated ones")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=1)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
