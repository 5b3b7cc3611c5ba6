"""Traffic outlives what serves it: scripts/test-outlives --help.

In front of real containers, under load of keep-alive, short and slow requests: the service is
configured anew (`--changes` times), the daemon is killed and restarted (`--kills` times each), and
the proxy is replaced by one of other settings, which takes its listeners over. Not one connection
may be refused or cut. Then, with the load gone, the proxy is killed `--proxy-kills` times: told is
how long it takes until a connection made at once is answered."""
import argparse
import os
import random
import shutil
import signal
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.wait import eventually  # noqa: E402
from rollout import NAME, WITHIN, World  # noqa: E402


def changes(chance):
    """One change of what may be changed without cutting anything."""
    return chance.choice((
        {"balancer": chance.choice(("round-robin", "least-connections", "p2c", "local-first"))},
        {"drainTimeout": f"{chance.randint(5, 20)}s"},
        {"connectTimeout": f"{chance.randint(1, 5)}s"},
        {"idleTimeout": f"{chance.randint(60, 300)}s"},
        {"slowStart": chance.choice(("0s", "5s"))},
        {"ejection": {"failures": chance.randint(0, 10)}},
        {"maxConnections": chance.choice((None, 1000))}))


def reconfigure(world, times):
    """Half of them to the service, the others by services that come and go beside it."""
    for i in range(times):
        if i % 2:
            world.api.patch(f"/services/{NAME}", changes(world.chance)).check(200)
        elif i % 4:
            world.api.delete(f"/services/{NAME}-{i - 2}").check(204)
        else:
            world.api.post("/services", {"name": f"{NAME}-{i}", "deployment": NAME,
                                         "listen": f"127.0.0.2:{20000 + i}"}).check(201)
        time.sleep(world.chance.uniform(0, 0.05))   # the load asked for: one by one, and several at once


def restart(world, times):
    for _ in range(times):
        world.restart_the_daemon()
        time.sleep(world.chance.uniform(0, 0.5))    # what is tried: a kill at any instant of its beginning
        world.daemon.kill()
        world.daemon.process.wait(30)
        world.daemon.start()
    world.settle("complete")


def replace_proxy(world):
    """By a daemon that wants another number of workers."""
    before = world.daemon.proxies()
    world.daemon.terminate()
    world.daemon.process.wait(30)
    world.daemon.settings["proxy"]["workers"] = 3
    world.daemon.start()
    world.settle("complete")

    eventually(lambda: set(world.daemon.proxies()) - set(before), WITHIN, "another proxy")
    time.sleep(1)   # the load asked for: what the new one serves while the old one drains


def ask(port):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
        return client.recv(4096).startswith(b"HTTP/1.1 200")


def kill_proxy(world):
    """Seconds until who connects right after the kill has an answer."""
    (pid,) = eventually(lambda: len(world.daemon.proxies()) == 1 and world.daemon.proxies(),
                        WITHIN, "one proxy")
    assert ask(world.port)
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    while not ended(pid):
        pass
    assert ask(world.port), "not answered"
    return time.monotonic() - began


def ended(pid):
    """Also when nobody has asked for its status yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def drive(options, folder):
    world = World(options, folder)
    try:
        world.set_up()
        reconfigure(world, options.changes)
        restart(world, options.kills)
        replace_proxy(world)
        counts = world.load.end()
        return counts, [kill_proxy(world) for _ in range(options.proxy_kills)]
    finally:
        world.discard()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--kills", type=int, default=20, help="and as many orderly restarts")
    parser.add_argument("--proxy-kills", type=int, default=5)
    parser.add_argument("--protocol", choices=("http", "tcp"), default="tcp")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # what was begun is ended, too
    folder = Path(tempfile.mkdtemp(prefix="or"))
    try:
        counts, back = drive(options, folder)
        sys.stderr.write((folder / "load.log").read_text())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    lost = counts["failed"] + counts["cut"]
    print("  " + ", ".join(f"{key} {value}" for key, value in counts.items()))
    if back:
        print(f"  proxy killed: answered after {statistics.median(back) * 1000:.1f} ms (median of "
              f"{len(back)}; {min(back) * 1000:.1f} to {max(back) * 1000:.1f})")
    print(f"outlives: {options.changes} changes, {options.kills} kills and restarts, another proxy "
          f"over {options.protocol}: {counts['failed']} refused or failed, {counts['cut']} cut of "
          f"{counts['requests']}, seed {options.seed}: {'FAILED' if lost else 'passed'}")
    return lost != 0


if __name__ == "__main__":
    sys.exit(main())
