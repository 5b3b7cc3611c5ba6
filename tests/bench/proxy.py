#!/usr/bin/env python3
"""Our proxy beside nginx and HAProxy, by connection (stream, tcp) and by request (http): wrk, one nginx
origin, one worker each.

Rounds alternate, so that a machine's drift meets all alike; what is printed are medians of the
rounds, and the CPU time of the proxy's process a request. Figures hold for this machine only.

    tests/bench/proxy.py BUILD_FOLDER [--rounds 5] [--seconds 3] [--cases small,bulk,short,http]
"""
import argparse
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

CASES = {  # protocol, path, connections, extra arguments of wrk
    "small": ("tcp", "/1k", 64, []),
    "bulk": ("tcp", "/1m", 64, []),
    "short": ("tcp", "/1k", 64, ["-H", "Connection: close"]),
    "http": ("http", "/1k", 64, []),
    "http-bulk": ("http", "/1m", 64, []),
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(500):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise SystemExit(f"nothing listens on {port}")


def write(path, text):
    path.write_text(text)
    return str(path)


def nginx(folder, name, body):
    """A single process in the foreground, everything below `folder`."""
    return [
        "nginx", "-e", str(folder / f"{name}.log"), "-c",
        write(folder / f"{name}.conf", f"""daemon off; master_process off; worker_processes 1;
worker_rlimit_nofile 8192; pid {folder}/{name}.pid; error_log {folder}/{name}.log;
{body}"""),
    ]


def origin_command(folder, port):
    root = folder / "root"
    root.mkdir()
    (root / "1k").write_bytes(b"x" * 1024)
    (root / "1m").write_bytes(b"x" * (1 << 20))
    paths = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in
                    ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return nginx(folder, "origin", f"""events {{ worker_connections 8192; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; {paths}
open_file_cache max=10; server {{ listen 127.0.0.1:{port} backlog=4096; root {root}; }} }}""")


def nginx_command(folder, port, origin, extra=""):
    module = "/usr/lib/nginx/modules/ngx_stream_module.so"
    load = f"load_module {module};" if os.path.exists(module) else ""
    name = "tuned" if extra else "nginx"
    return nginx(folder, name, f"""{load} events {{ worker_connections 8192; }}
stream {{ {extra} server {{ listen 127.0.0.1:{port} backlog=4096; tcp_nodelay on;
proxy_pass 127.0.0.1:{origin}; }} }}""")


def nginx_http_command(folder, port, origin):
    paths = "".join(f"{kind}_temp_path {folder}/http-{kind};" for kind in
                    ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return nginx(folder, "nginx-http", f"""events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 100000000; {paths}
upstream origin {{ server 127.0.0.1:{origin}; keepalive 1024; keepalive_requests 100000000; }}
server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://origin;
proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
proxy_set_header X-Forwarded-For $remote_addr; }} }} }}""")


def haproxy_command(folder, port, origin, mode="tcp"):
    forwarded = "option forwardfor\n  http-reuse always" if mode == "http" else ""
    return ["haproxy", "-db", "-f", write(folder / f"haproxy-{mode}.cfg", f"""global
  nbthread 1
  maxconn 8192
defaults
  mode {mode}
  {forwarded}
  timeout connect 2s
  timeout client 60s
  timeout server 60s
listen bench
  bind 127.0.0.1:{port} backlog 4096
  server origin 127.0.0.1:{origin}
""")]


class Peer:
    def __init__(self, name, port, process, pid):
        self.name, self.port, self.process, self.pid = name, port, process, pid

    def cpu_seconds(self):
        """Of all its threads, by the scheduler's own clock."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9


def haproxy_http_command(folder, port, origin):
    return haproxy_command(folder, port, origin, "http")


def start_ours(build, folder, port, origin, protocol):
    state = folder / protocol
    state.mkdir()
    process = subprocess.Popen(
        [build / "bin/bench_proxy_feed", build / "bin/orchestrator-proxy",
         build / "lib/orchestrator/balancer-round-robin.so", state, f"127.0.0.1:{port}",
         str(origin), protocol], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return Peer("ours", port, process, int(process.stdout.readline()))


def start(name, command, port):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    return Peer(name, port, process, process.pid)


def measure(peer, case, seconds):
    _, path, connections, extra = CASES[case]
    before = peer.cpu_seconds()
    out = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *extra,
         f"http://127.0.0.1:{peer.port}{path}"], capture_output=True, text=True, check=True).stdout
    spent = peer.cpu_seconds() - before
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    faults = re.search(r"Socket errors: (.*)", out)
    return rate, spent / requests * 1e6, faults.group(1) if faults else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--cases", default="small,bulk,short,http")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-proxy-"))
    folder.chmod(0o755)  # the origin may run as another user
    origin = free_port()
    processes = [subprocess.Popen(origin_command(folder, origin), stdout=subprocess.DEVNULL)]
    try:
        wait_for(origin)
        by_protocol = {}
        for protocol, others in (
                ("tcp", (("nginx", nginx_command), ("haproxy", haproxy_command))),
                ("http", (("nginx", nginx_http_command), ("haproxy", haproxy_http_command)))):
            peers = [start_ours(options.build.resolve(), folder, free_port(), origin, protocol)]
            for name, command in others:
                port = free_port()
                peers.append(start(name, command(folder, port, origin), port))
            processes += [peer.process for peer in peers]
            for peer in peers:
                wait_for(peer.port)
            by_protocol[protocol] = peers
        for case in options.cases.split(","):
            peers = by_protocol[CASES[case][0]]
            figures = {peer.name: [] for peer in peers}
            for number in range(options.rounds):
                turn = number % len(peers)
                for peer in peers[turn:] + peers[:turn]:
                    figures[peer.name].append(measure(peer, case, options.seconds))
            for name, rounds in figures.items():
                rates, costs, faults = zip(*rounds)
                print(f"{case:9} {name:8} {statistics.median(rates):10.0f} requests/s "
                      f"{statistics.median(costs):8.1f} us CPU a request"
                      f" {'; '.join(filter(None, faults))}", flush=True)
    finally:
        for process in processes:
            if process.stdin:
                process.stdin.close()
            else:
                process.terminate()
        for process in processes:
            process.wait(10)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
