#!/usr/bin/python3
"""The core's own figures, each beside what it is measured against in the same run:

containers   POST /deployments to all running (the engine's own StartedAt), beside the same containers
             made by raw parallel calls of the Engine API, in alternating rounds
recovery     a container killed, or removed, to its replacement's StartedAt
memory       of both programs together, idle and with 50 containers
writes       acknowledged (durable) writes a second, beside the disk's own appends with fdatasync

Prints a table, writes build/bench/core.json. Wants root, a release build and docker.io."""
import concurrent.futures
import datetime
import http.client
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from support import engine as engines  # noqa: E402
from support.server import Server, wait_until  # noqa: E402

IMAGE = "orchestrator-bench:1"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
PARALLEL = 4
CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
                "NET_BIND_SERVICE"]


def started_at(engine, container):
    """The engine's own word, seconds since 1970."""
    text = engine.inspect(container)["State"]["StartedAt"]
    whole, _, fraction = text.rstrip("Z").partition(".")
    at = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc)
    return at.timestamp() + float(f"0.{fraction or 0}")


# -- containers

def raw_one(engine, name):
    made = engine.json("POST", f"/containers/create?name={name}", {
        "Image": IMAGE, "Labels": {"bench": "raw"}, "Hostname": name,
        "HostConfig": {"CapDrop": ["ALL"], "CapAdd": CAPABILITIES, "PidsLimit": 512,
                       "SecurityOpt": ["no-new-privileges"],
                       "LogConfig": {"Type": "json-file",
                                     "Config": {"max-size": "10m", "max-file": "3"}}}})
    engine.json("POST", f"/containers/{made['Id']}/start")
    return made["Id"]


def raw(engine, count):
    begun = time.time()
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        made = list(pool.map(lambda i: raw_one(engine, f"raw-{i}"), range(count)))
    took = max(started_at(engine, item) for item in made) - begun
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(engine.remove, made))
    return took


def deploy(server, replicas, name="bench"):
    server.api("POST", "/deployments", {"name": name, "replicas": replicas, "image": IMAGE,
                                        "imagePull": "never", "stopSignal": "SIGKILL"})


def remove(server, name="bench"):
    server.api("DELETE", f"/deployments/{name}")
    wait_until(lambda: server.gone(name), 120, "the deployment to be gone", 0.1)


def ours(engine, server, count):
    begun = time.time()
    deploy(server, count)
    server.wait_complete("bench", 180)
    found = [item["Id"] for item in engine.containers("orchestrator.deployment=bench")]
    took = max(started_at(engine, item) for item in found) - begun
    remove(server)
    return took


def containers(engine, server, figures):
    for count in (10, 50):
        pairs = [(raw(engine, count), ours(engine, server, count)) for _ in range(ROUNDS)]
        row = {"raw_ms": round(1000 * statistics.median(p[0] for p in pairs)),
               "orchestrator_ms": round(1000 * statistics.median(p[1] for p in pairs)),
               "ratio": round(statistics.median(p[1] / p[0] for p in pairs), 3),
               "rounds": ROUNDS}
        figures[f"containers_{count}"] = row
        print(f"{count:3} containers   raw {row['raw_ms']} ms   orchestrator "
              f"{row['orchestrator_ms']} ms   ratio {row['ratio']} (median of {ROUNDS} pairs)",
              flush=True)


# -- recovery

def newest_start(engine, known):
    for item in engine.containers("orchestrator.deployment=bench"):
        if item["Id"] not in known and item["State"] == "running":
            return started_at(engine, item["Id"])
    return None


def recover(engine, server, end):
    """Milliseconds from the call that ended one to its replacement's start."""
    server.wait_complete("bench")
    there = engine.containers("orchestrator.deployment=bench")
    known = {item["Id"] for item in there}
    victim = next(item["Id"] for item in there if item["State"] == "running")
    begun = time.time()
    end(victim)
    return 1000 * (wait_until(lambda: newest_start(engine, known), 30, "a replacement") - begun)


def recovery(engine, server, figures):
    deploy(server, 5)
    server.wait_complete("bench")
    time.sleep(2)  # so long that a container counts as having run well: backoff is 500 ms
    kill = [recover(engine, server, lambda c: engine.json("POST", f"/containers/{c}/kill"))
            for _ in range(max(ROUNDS, 5)) if not time.sleep(1)]
    gone = [recover(engine, server, engine.remove) for _ in range(max(ROUNDS, 5))]
    for word, values in (("killed", kill), ("removed", gone)):
        figures[f"recovery_{word}_ms"] = {"median": round(statistics.median(values)),
                                          "max": round(max(values)), "n": len(values)}
        print(f"{word} to running again: median {statistics.median(values):.0f} ms, "
              f"max {max(values):.0f} ms of {len(values)}", flush=True)
    remove(server)


# -- memory

def proxies(server):
    """The data planes that this daemon began."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            state = (folder / "stat").read_text()
        except OSError:
            continue
        name, _, rest = state.partition("(")[2].rpartition(")")
        if name.startswith("orchestrator-pr") and int(rest.split()[1]) == server.process.pid:
            found.append(int(folder.name))
    return found


def memory_of(pids):
    private = resident = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            word, _, rest = line.partition(":")
            if word in ("Private_Clean", "Private_Dirty"):
                private += int(rest.split()[0])
            elif word == "Rss":
                resident += int(rest.split()[0])
    return {"private_kib": private, "resident_kib": resident}


def memory(server, figures, word):
    row = memory_of([server.process.pid, *proxies(server)])
    figures[f"memory_{word}"] = row
    print(f"memory, {word}: private {row['private_kib'] / 1024:.1f} MiB, "
          f"resident {row['resident_kib'] / 1024:.1f} MiB ({1 + len(proxies(server))} processes)",
          flush=True)


# -- writes

def write_all_the_time(server, key, end, counts, index):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    count = 0
    while not end.is_set():
        connection.request("PATCH", f"/api/v1/deployments/idle-{index}",
                           json.dumps({"labels": {"n": str(count)}}), headers)
        reply = connection.getresponse()
        reply.read()
        if reply.status != 200:
            raise RuntimeError(f"a write was answered {reply.status}")
        count += 1
    counts[index] = count
    connection.close()


def fdatasync_rate(folder, seconds=2.0):
    path, count = folder / "sync", 0
    with open(path, "wb", buffering=0) as file:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            count += 1
    path.unlink()
    return count / seconds


def writes(server, figures, folder, threads=32, seconds=4.0):
    for i in range(threads):
        deploy(server, 0, f"idle-{i}")
    key, end, counts = server.key_path.read_text().strip(), threading.Event(), [0] * threads
    workers = [threading.Thread(target=write_all_the_time, args=(server, key, end, counts, i))
               for i in range(threads)]
    for worker in workers:
        worker.start()
    time.sleep(seconds)
    end.set()
    for worker in workers:
        worker.join()
    rate, raw_rate = sum(counts) / seconds, fdatasync_rate(folder)
    figures["writes"] = {"acknowledged_per_s": round(rate), "clients": threads,
                         "fdatasync_per_s": round(raw_rate), "ratio": round(rate / raw_rate, 2)}
    print(f"acknowledged writes: {rate:.0f} a second from {threads} clients (Python); the disk alone "
          f"does {raw_rate:.0f} appends with fdatasync a second", flush=True)


def main():
    folder, figures = Path(tempfile.mkdtemp(prefix="orch-bench-")), {}
    engine = engines.private_engine(folder / "engine")
    server = Server(folder / "state", engine.endpoint, folder / "log",
                    environment={"ORCHD_PROXY_LINGER": "0s"})
    try:
        engine.import_image(*IMAGE.split(":"), {}, ["sleep", "3600"])
        server.start()
        wait_until(lambda: proxies(server), 10, "the proxy")
        time.sleep(1)  # until all that happens once has happened
        memory(server, figures, "idle")
        containers(engine, server, figures)
        deploy(server, 50)
        server.wait_complete("bench", 180)
        memory(server, figures, "50_containers")
        remove(server)
        recovery(engine, server, figures)
        writes(server, figures, folder)
        out = ROOT / "build" / "bench"
        out.mkdir(parents=True, exist_ok=True)
        (out / "core.json").write_text(json.dumps(figures, indent=1) + "\n")
    finally:
        server.stop()
        engines.stop_private_engine(folder / "engine")
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
