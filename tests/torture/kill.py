"""Kills the daemon at each failpoint and at random instants: scripts/test-torture --help."""
import argparse
import math
import random
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import engines  # noqa: E402
import failpoints  # noqa: E402
from world import World  # noqa: E402

KINDS = ("lost", "dup", "orphan", "double", "touched", "convergence", "crash",
         "unreached")
RANDOM_MOST = 1.0   # seconds under load before a kill at a random instant


def order(count, chance):
    """Failpoints for `count` kills: all of them, again and again, each time in another order."""
    names = []
    while len(names) < count:
        names += chance.sample(failpoints.names(), len(failpoints.names()))
    return names[:count]


def run(world, kills, seed):
    """Pairs of a kill at a failpoint and one at random, with a look at everything after each."""
    chance = random.Random(seed)
    at_points = order(max(kills - kills // 2, min(kills, len(failpoints.names()))), chance)
    left = kills - len(at_points)
    for number, name in enumerate(at_points):
        world.crash_at(name)
        world.check()
        if left > 0:
            left -= 1
            world.kill_at_random(RANDOM_MOST)
            world.start()
            if number % 4 == 3:
                world.check()
    world.check()


def part(engine, kills, seed):
    world = None
    try:
        world = World(engine.start(), seed)
        world.set_up()
        run(world, kills, seed)
        world.finish()
        return world
    finally:
        if world:
            world.discard()
        engine.finish()


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else 0


def tell(title, world, seconds):
    """Counts, with the bound of the rate that n clean trials leave (3/n, 95 %)."""
    n = world.kills
    failed = sum(world.traffic.failures.values())
    print(f"{title}: {n} kills in {seconds:.0f} s, {world.ledger.acknowledged} acknowledged writes, "
          f"seed {world.seed}")
    for kind in KINDS:
        count = world.violations[kind]
        bound = "" if count else f" (below {3 / max(n, 1):.1%} of kills at 95 %)"
        print(f"  {kind:12} {count}{bound}")
    requests = world.traffic.served + failed
    print(f"  requests     {failed} of {requests} failed while the proxy lived"
          f" (below {3 / max(requests, 1):.3%}); {world.traffic.cut_count} while it was replaced")
    print(f"  ready        p50 {quantile(world.ready_ms, .5):.0f} ms, "
          f"p99 {quantile(world.ready_ms, .99):.0f} ms of {len(world.ready_ms)} starts")
    print(f"  failpoints   {len(world.reached)} of {len(failpoints.names())} reached, "
          f"{sum(world.reached.values())} kills")
    for fault, count in world.traffic.failures.most_common(5):
        print(f"  ! request: {count} x {fault}")
    for example in world.examples:
        print(f"  ! {example}")
    return sum(world.violations.values()) + failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=90, help="over the acted engine")
    parser.add_argument("--real", type=int, default=10, help="over a real Docker Engine")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--point", help="only this failpoint")
    options = parser.parse_args()
    if options.point:
        if options.point not in failpoints.names():
            parser.error(f"no failpoint is named {options.point}")
        failpoints.names = lambda: [options.point]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # what was begun is ended, too
    started, kills, bad = time.monotonic(), [], 0
    for title, engine, wanted in (("an acted engine", engines.FakeEngine, options.kills),
                                  ("a Docker Engine", engines.RealEngine, options.real)):
        if wanted:
            began = time.monotonic()
            world = part(engine(), wanted, options.seed)
            bad += tell(f"over {title}", world, time.monotonic() - began)
            kills.append(f"{world.kills} kills over {title}")
    print(f"torture: {', '.join(kills) or 'no kills'}: {bad} violations in "
          f"{time.monotonic() - started:.0f} s, seed {options.seed}: {'FAILED' if bad else 'passed'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
