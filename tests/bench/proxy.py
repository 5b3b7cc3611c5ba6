#!/usr/bin/env python3
"""Our proxy beside nginx and HAProxy, by connection (stream, tcp) and by request (http): wrk, one nginx
origin, one worker each; the peers as they come and tuned (splice, large buffers).

Rounds alternate, so that a machine's drift meets all alike; what is printed are medians of the
rounds, and the CPU time of the proxy's process a request, by schedstat. `pinned`: the proxy alone on
one core, load and origin on the other. Figures hold for this machine only, and go to
build/bench/proxy.json.

    tests/bench/proxy.py BUILD_FOLDER [--rounds 5] [--seconds 2] [--cases NAME,...]
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

class Case:
    def __init__(self, protocol, path, connections, *extra, pinned=False):
        self.protocol, self.path, self.connections = protocol, path, connections
        self.extra, self.pinned = extra, pinned


CASES = {
    "l4-64": Case("tcp", "/1k", 64),
    "l4-512": Case("tcp", "/1k", 512),
    "l4-64-pinned": Case("tcp", "/1k", 64, pinned=True),
    "l4-512-pinned": Case("tcp", "/1k", 512, pinned=True),
    "l4-short": Case("tcp", "/1k", 64, "-H", "Connection: close"),
    "l4-bulk": Case("tcp", "/1m", 64),
    "l7-64": Case("http", "/1k", 64),
    "l7-64-pinned": Case("http", "/1k", 64, pinned=True),
    "l7-bulk": Case("http", "/1m", 64),
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


def nginx_command(folder, port, origin, name="nginx", extra=""):
    module = "/usr/lib/nginx/modules/ngx_stream_module.so"
    load = f"load_module {module};" if os.path.exists(module) else ""
    return nginx(folder, name, f"""{load} events {{ worker_connections 8192; }}
stream {{ {extra} server {{ listen 127.0.0.1:{port} backlog=4096; tcp_nodelay on;
proxy_pass 127.0.0.1:{origin}; }} }}""")


def nginx_tuned_command(folder, port, origin):
    return nginx_command(folder, port, origin, "nginx-tuned", "proxy_buffer_size 256k;")


def nginx_http_command(folder, port, origin):
    paths = "".join(f"{kind}_temp_path {folder}/http-{kind};" for kind in
                    ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return nginx(folder, "nginx-http", f"""events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 100000000; {paths}
upstream origin {{ server 127.0.0.1:{origin}; keepalive 1024; keepalive_requests 100000000; }}
server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://origin;
proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
proxy_set_header X-Forwarded-For $remote_addr; }} }} }}""")


def haproxy_tuned_command(folder, port, origin):
    return haproxy_command(folder, port, origin, tuning="option splice-auto")


def haproxy_command(folder, port, origin, mode="tcp", tuning=""):
    forwarded = "option forwardfor\n  http-reuse always" if mode == "http" else ""
    return ["haproxy", "-db", "-f", write(folder / f"haproxy-{mode}{tuning[:3]}.cfg", f"""global
  nbthread 1
  maxconn 2048
defaults
  mode {mode}
  {forwarded}
  {tuning}
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

    def pin(self, cores):
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), cores)

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
    """In a session of its own, as ours makes itself one: the kernel shares out time by session."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    return Peer(name, port, process, process.pid)


CORES = os.sched_getaffinity(0)
UNITS = {"us": 1, "ms": 1e3, "s": 1e6, "m": 60e6}


def micros(text):
    found = re.fullmatch(r"([\d.]+)(\w+)", text)     # "-nan": nothing was answered
    return float(found.group(1)) * UNITS[found.group(2)] if found else 0.0


def measure(peer, case, seconds):
    before = peer.cpu_seconds()
    out = subprocess.run(
        ["wrk", "-t1", "--latency", f"-c{case.connections}", f"-d{seconds}s", *case.extra,
         f"http://127.0.0.1:{peer.port}{case.path}"], capture_output=True, text=True,
        check=True).stdout
    spent = peer.cpu_seconds() - before
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    errors = sum(map(int, sockets.groups())) if sockets else 0
    return {"requestsPerSecond": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
            "p50Micros": micros(re.search(r"50%\s+(\S+)", out).group(1)),
            "p99Micros": micros(re.search(r"99%\s+(\S+)", out).group(1)),
            "cpuMicrosPerRequest": spent / max(requests, 1) * 1e6,
            "errors": errors + (int(bad.group(1)) if bad else 0)}


def pin(peers, origin, pinned):
    for peer in peers:
        peer.pin({max(CORES)} if pinned else CORES)
    for process in (origin.pid, os.getpid()):     # what we start inherits it
        os.sched_setaffinity(process, CORES - {max(CORES)} if pinned else CORES)


def run_case(name, case, peers, origin, options):
    """{peer: figures}, medians of the rounds."""
    rounds = {peer.name: [] for peer in peers}
    pin(peers, origin, case.pinned)
    try:
        for number in range(options.rounds):
            turn = number % len(peers)
            for peer in peers[turn:] + peers[:turn]:
                rounds[peer.name].append(measure(peer, case, options.seconds))
    finally:
        pin(peers, origin, False)
    found = {}
    for peer, all_of_it in rounds.items():
        found[peer] = {key: round(statistics.median(one[key] for one in all_of_it), 2)
                       for key in all_of_it[0]}
        found[peer]["errors"] = sum(one["errors"] for one in all_of_it)
        print(f"{name:14} {peer:14} {found[peer]['requestsPerSecond']:9.0f} requests/s  p50 "
              f"{found[peer]['p50Micros']:7.0f} us  p99 {found[peer]['p99Micros']:7.0f} us  "
              f"{found[peer]['cpuMicrosPerRequest']:7.1f} us CPU a request"
              f"{'  errors ' + str(found[peer]['errors']) if found[peer]['errors'] else ''}",
              flush=True)
    for peer in found:
        if peer != "ours":
            print(f"{name:14} ours / {peer}: requests/s "
                  f"{found['ours']['requestsPerSecond'] / found[peer]['requestsPerSecond']:.2f}, CPU "
                  f"{found['ours']['cpuMicrosPerRequest'] / found[peer]['cpuMicrosPerRequest']:.2f}",
                  flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--cases", default=",".join(CASES))
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-proxy-"))
    folder.chmod(0o755)  # the origin may run as another user
    origin = free_port()
    processes = [subprocess.Popen(origin_command(folder, origin), stdout=subprocess.DEVNULL)]
    try:
        wait_for(origin)
        by_protocol = {}
        for protocol, others in (
                ("tcp", (("nginx", nginx_command), ("nginx-tuned", nginx_tuned_command),
                         ("haproxy", haproxy_command),
                         ("haproxy-tuned", haproxy_tuned_command))),
                ("http", (("nginx", nginx_http_command), ("haproxy", haproxy_http_command)))):
            peers = [start_ours(options.build.resolve(), folder, free_port(), origin, protocol)]
            for name, command in others:
                port = free_port()
                peers.append(start(name, command(folder, port, origin), port))
            processes += [peer.process for peer in peers]
            for peer in peers:
                wait_for(peer.port)
            by_protocol[protocol] = peers
        found = {}
        for name in options.cases.split(","):
            case = CASES[name]
            found[name] = run_case(name, case, by_protocol[case.protocol], processes[0], options)
        target = pathlib.Path("build/bench/proxy.json")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps({"rounds": options.rounds, "seconds": options.seconds,
                                      "cases": found}, indent=1) + "\n")
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
