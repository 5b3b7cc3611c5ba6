"""Over `protocol: http` nothing that happens to containers fails a request or closes a client's
connection: rollouts, scaling, a killed replica, a killed daemon. ORCH_ROLLOUTS says how many."""
import os

import pytest

from conftest import IMAGES
from harness.load import KeepAliveLoad
from harness.wait import eventually

ROLLOUTS = int(os.environ.get("ORCH_ROLLOUTS", "3"))


def more(load, count=30):
    eventually(lambda at=load.served + count: load.served > at, within=20, what="more load")


def roll(served, number):
    image = IMAGES[(number + 1) % len(IMAGES)]
    served.daemon.api.patch(f"/deployments/{served.name}", {"image": image}).check(200)
    served.settle(3, within=60)


def scale(served):
    served.daemon.api.post(f"/deployments/{served.name}/scale", {"replicas": 1}).check(200)
    served.settle(1, within=60)
    served.daemon.api.post(f"/deployments/{served.name}/scale", {"replicas": 3}).check(200)
    served.settle(3, within=60)


def kill_replica(served, engine):
    before = served.runtime_ids()
    engine.kill(before[0])
    eventually(lambda: before[0] not in served.runtime_ids() and len(served.runtime_ids()) == 3,
               within=30, what="another one")
    served.settle(3, within=60)


def kill_daemon(served):
    served.daemon.kill()
    served.daemon.start()
    served.settle(3, within=60)


@pytest.mark.limit(60 + 30 * ROLLOUTS)
def test_nothing_fails_a_request_or_closes_a_connection(engine, serve):
    served = serve(3, protocol="http")
    with KeepAliveLoad(served.port, threads=4) as load, \
            KeepAliveLoad(served.port, threads=2, path="/cgi-bin/slow") as slow:
        more(load)
        eventually(lambda: slow.served > 1, what="slow requests")
        for number in range(ROLLOUTS):
            roll(served, number)
            more(load)
            (lambda: None, lambda: scale(served), lambda: kill_replica(served, engine),
             lambda: kill_daemon(served))[(number + 1) % 4]()
        more(load)
    load.check(300)
    slow.check(2)
    assert (load.connects, slow.connects) == (4, 2), "a client's connection was closed"
