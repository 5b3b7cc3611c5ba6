"""The main job, end to end: deploy, balance, heal, survive, update, delete."""
import collections
import http.client
import signal

import pytest

from harness.load import Load
from harness.objects import containers, wait_complete, wait_endpoints
from harness.wait import eventually, throughout


def more(load, count=100):
    """Waits until `count` further requests were served."""
    served = load.served
    eventually(lambda: load.served >= served + count, within=20, what="further load")


def test_requests_are_balanced_over_ready_containers(serve):
    served = serve(3)
    bodies = collections.Counter(served.ask()[1] for _ in range(60))
    assert {body.split()[0] for body in bodies} == served.ids()
    assert all(10 <= count <= 30 for count in bodies.values()), bodies


def test_scaling_reaches_the_service(serve):
    served = serve(2)
    served.daemon.api.post(f"/deployments/{served.name}/scale", {"replicas": 5}).check(200)
    served.settle(5)
    assert len({served.ask()[1] for _ in range(40)}) == 5
    with Load(served.port) as load:
        more(load, 30)
        served.daemon.api.post(f"/deployments/{served.name}/scale", {"replicas": 1}).check(200)
        served.settle(1)
        more(load, 30)
    load.check()


def test_a_container_removed_behind_our_back_is_made_anew(engine, serve):
    served = serve(3)
    victim = served.containers()[0]
    engine.kill(victim["runtimeId"])
    engine.remove(victim["runtimeId"])

    def another():
        """Under its record where its end was seen first, else under a new one."""
        found = served.containers()
        return (len(found) == 3 and all(item["ready"] for item in found) and
                victim["runtimeId"] not in [item["runtimeId"] for item in found])
    eventually(another, within=20, what="another in its place")
    served.settle(3)
    with Load(served.port) as load:
        more(load)
    load.check()


def test_a_killed_container_restarts_under_its_record(engine, serve):
    served = serve(2)
    victim = served.containers()[0]
    engine.kill(victim["runtimeId"])

    def again():
        found = served.daemon.api.get(f"/containers/{victim['id']}").ok()
        return found["ready"] and found["restarts"] == 1 and found
    found = eventually(again, within=20, what="the restart")
    assert found["runtimeId"] != victim["runtimeId"]
    assert found["lastEnd"]["exitCode"] == 137
    served.settle(2)


def test_a_killed_daemon_cuts_no_connection_and_adopts_its_containers(engine, serve):
    served = serve(3)
    before = [engine.identity(runtime_id) for runtime_id in served.runtime_ids()]
    ids = served.ids()
    with Load(served.port, threads=3) as load:
        more(load)
        served.daemon.kill()
        more(load, 200)
        served.daemon.start()
        served.settle(3)
        more(load)
    load.check(400)
    assert served.ids() == ids
    assert [engine.identity(runtime_id) for runtime_id in served.runtime_ids()] == before


def test_a_connection_held_through_a_restart_stays_whole(serve):
    served = serve(1)
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.request("GET", "/cgi-bin/slow")
    eventually(lambda: served.daemon.api.items(f"/services/{served.name}/endpoints")[0]["inFlight"],
               what="a request in flight")
    served.daemon.kill()
    served.daemon.start()
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read().decode().strip() in served.ids()
    connection.close()
    served.settle(1)


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGKILL))
def test_a_restart_disturbs_no_container(engine, daemon, name, number):
    daemon.api.post("/deployments", {"name": name, "image": "e2e/web:1", "replicas": 3,
                                     "stopGracePeriod": "2s"}).check(201)
    wait_complete(daemon.api, name, 30)
    before = sorted((item["id"], item["restarts"], *engine.identity(item["runtimeId"]))
                    for item in containers(daemon.api, name))
    daemon.process.send_signal(number)
    daemon.process.wait(20)
    daemon.start()
    wait_complete(daemon.api, name, 30)

    def same():
        return sorted((item["id"], item["restarts"], *engine.identity(item["runtimeId"]))
                      for item in containers(daemon.api, name) if item["runtimeId"]) == before
    eventually(same, what="the same containers")
    throughout(same, 1, "the same containers")


def test_a_container_that_ended_while_the_daemon_was_down_is_started_again(engine, serve):
    served = serve(2)
    victim = served.runtime_ids()[0]
    served.daemon.kill()
    engine.kill(victim)
    served.daemon.start()
    eventually(lambda: victim not in served.runtime_ids(), within=20, what="another one")
    served.settle(2)


def test_a_deletion_under_way_is_ended_after_a_crash(serve):
    served = serve(2)
    served.daemon.api.delete(f"/deployments/{served.name}").check(202)
    served.daemon.kill()
    served.daemon.start()
    eventually(lambda: served.daemon.api.get(f"/deployments/{served.name}").status == 404,
               within=30, what="404")


def test_a_rolling_update_under_load_fails_no_request(serve):
    served = serve(3)
    old = served.ids()
    with Load(served.port, threads=3) as load, Load(served.port, 2, "/cgi-bin/slow") as slow:
        more(load)
        eventually(lambda: slow.served > 1, what="slow requests")
        served.daemon.api.patch(f"/deployments/{served.name}", {"image": "e2e/web:2"}).check(200)
        served.settle(3, within=60)
        more(load)
    load.check(300)
    slow.check(2)
    assert not old & served.ids()
    assert {served.ask()[1].split()[1] for _ in range(10)} == {"v2"}


def test_a_daemon_killed_in_the_middle_of_an_update_goes_on_with_it(serve):
    served = serve(3)
    with Load(served.port, threads=2) as load:
        more(load)
        served.daemon.api.patch(f"/deployments/{served.name}", {"image": "e2e/web:2"}).check(200)
        eventually(lambda: any(item["image"] == "e2e/web:2" for item in served.containers()),
                   what="a new container")
        served.daemon.kill()
        served.daemon.start()
        served.settle(3, within=60)
        more(load)
    load.check(200)
    assert {item["image"] for item in served.containers()} == {"e2e/web:2"}


def test_deleting_leaves_nothing(engine, foreign, serve):
    served = serve(3)
    api = served.daemon.api
    api.delete(f"/deployments/{served.name}").check(202)
    eventually(lambda: api.get(f"/deployments/{served.name}").status == 404, within=30)
    assert [item["Id"] for item in engine.containers()] == [foreign]
    wait_endpoints(api, served.name, 0)
