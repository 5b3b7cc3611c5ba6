"""An engine that hangs, ends or holds what is not ours."""
import pytest
from conftest import IMAGES

from harness.client import Client
from harness.objects import containers, wait_complete
from harness.registry import Registry
from harness.wait import eventually, throughout


def deploy(api, name, replicas=2, **changes):
    api.post("/deployments", {"name": name, "image": IMAGES[0], "replicas": replicas,
                              "stopGracePeriod": "2s", **changes}).check(201)
    wait_complete(api, name, 30)


def ours(engine, foreign):
    return [item for item in engine.containers() if item["Id"] != foreign]


def running(engine, foreign):
    return [item["Id"] for item in ours(engine, foreign) if item["State"] == "running"]


def test_a_hung_engine_does_not_hang_the_api(engine, foreign, daemon, name):
    deploy(daemon.api, name)
    before = {item["id"] for item in containers(daemon.api, name)}
    impatient = Client(daemon.port, daemon.key, timeout=3)
    engine.pause()
    try:
        impatient.post(f"/deployments/{name}/scale", {"replicas": 3}).check(200)

        def responsive():
            assert impatient.get(f"/deployments/{name}").status == 200
            assert impatient.get("/nodes").status == 200
            return before <= {item["id"] for item in impatient.items("/containers")}
        throughout(responsive, 5, "an API that answers and containers that are not given up")
    finally:
        engine.resume()
    wait_complete(daemon.api, name, 30)
    eventually(lambda: len(running(engine, foreign)) == 3, what="three containers")
    assert len(ours(engine, foreign)) == 3, "something was doubled"
    assert before <= {item["id"] for item in containers(daemon.api, name)}


@pytest.mark.limit(90)
def test_a_restarted_engine_doubles_nothing(engine, foreign, daemon, name):
    deploy(daemon.api, name, 3)
    engine.end()
    assert daemon.api.get(f"/deployments/{name}").status == 200
    engine.start()
    engine.ok("POST", f"/containers/{foreign}/start")

    def three():
        found = containers(daemon.api, name)
        return (len(found) == 3 and all(item["state"] == "running" for item in found)
                and sorted(item["runtimeId"] for item in found) == sorted(running(engine, foreign)))
    eventually(three, within=40, what="three containers, each once")
    wait_complete(daemon.api, name, 30)
    # The ended incarnation before is kept for its logs, and no more than that.
    assert len(ours(engine, foreign)) <= 6


def test_containers_of_others_are_never_touched(engine, foreign, daemon, name):
    """One of another cluster: our own labels, with another cluster's uid."""
    deploy(daemon.api, name, 1)
    labels = engine.inspect(containers(daemon.api, name)[0]["runtimeId"])["Config"]["Labels"]
    cluster = [key for key in labels if "cluster" in key]
    assert len(cluster) == 1, labels
    other = engine.run("of-another-cluster", IMAGES[0],
                       {**labels, cluster[0]: "0" * len(labels[cluster[0]])},
                       ["sleep", "100000"])
    try:
        before = engine.identity(other)
        daemon.restart()
        daemon.api.post(f"/deployments/{name}/scale", {"replicas": 2}).check(200)
        wait_complete(daemon.api, name, 30)
        throughout(lambda: engine.identity(other) == before, 1, "another cluster's container")
    finally:
        engine.remove(other)


def test_an_orphan_of_ours_is_removed(engine, foreign, daemon, name):
    """Our cluster's labels, and no record of it: what a crash between two steps may leave."""
    deploy(daemon.api, name, 1)
    kept = containers(daemon.api, name)[0]["runtimeId"]
    labels = engine.inspect(kept)["Config"]["Labels"]
    other = containers(daemon.api, name)[0]["id"][:-1] + "0"
    key = [key for key, value in labels.items() if value == containers(daemon.api, name)[0]["id"]]
    assert len(key) == 1, labels
    engine.run("orphan", IMAGES[0], {**labels, key[0]: other}, ["sleep", "100000"])
    daemon.restart()
    eventually(lambda: running(engine, foreign) == [kept], within=40, what="only what is owned")


@pytest.fixture
def registry(tmp_path):
    running_registry = Registry(tmp_path).start()
    yield running_registry
    running_registry.end()


def test_an_image_is_pulled_and_its_digest_recorded(engine, registry, api, name):
    image = registry.push(engine, IMAGES[0], "shop/web", "1")
    deploy(api, name, 2, image=image)
    found = containers(api, name)
    digest = registry.digest("shop/web", "1")
    assert {item["imageDigest"] for item in found} == {digest}
    assert {item["image"] for item in found} == {image}


def test_all_replicas_of_a_revision_run_one_image_although_the_tag_moved(engine, registry, api,
                                                                         name):
    image = registry.push(engine, IMAGES[0], "shop/web", "1")
    deploy(api, name, 1, image=image, imagePull="always")
    first = containers(api, name)[0]["imageDigest"]
    registry.push(engine, IMAGES[1], "shop/web", "1")
    assert registry.digest("shop/web", "1") != first
    api.post(f"/deployments/{name}/scale", {"replicas": 3}).check(200)
    wait_complete(api, name, 30)
    assert {item["imageDigest"] for item in containers(api, name)} == {first}
