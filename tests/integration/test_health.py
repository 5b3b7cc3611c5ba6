"""What is open without a key."""
from harness.client import Client


def test_healthz_and_readyz_answer_without_a_key(shared):
    assert shared.open.get("/healthz").status == 200
    assert shared.open.get("/readyz").status == 200


def test_a_wrong_key_does_not_close_the_health_routes(shared):
    stranger = Client(shared.port, "wrong", base="")
    assert stranger.get("/healthz").status == 200
    assert stranger.get("/readyz").status == 200


def test_metrics_are_open_to_a_loopback_peer(shared):
    reply = shared.open.get("/metrics").check(200)
    assert reply.headers["Content-Type"].startswith("text/plain")
    lines = [line for line in reply.text.splitlines() if line]
    assert any(line.startswith("# TYPE ") for line in lines)
    assert all(line.startswith("#") or len(line.split()) >= 2 for line in lines)


def test_forwarded_metrics_want_a_key(shared):
    for header in ("Forwarded", "X-Forwarded-For"):
        value = {header: "for=192.0.2.1"}
        shared.open.get("/metrics", headers=value).error(401, "UNAUTHORIZED")
        keyed = Client(shared.port, shared.key, base="")
        assert keyed.get("/metrics", headers=value).status == 200


def test_no_reply_may_be_stored(api):
    for path in ("/deployments", "/whoami", "/nodes/none"):
        assert api.get(path).headers["Cache-Control"] == "no-store"


def test_every_reply_of_the_api_tells_the_clusters_seq(api, name):
    before = int(api.get("/deployments").headers["X-Seq"])
    api.post("/deployments", {"name": name, "image": "a:1", "replicas": 0}).check(201)
    assert int(api.get("/deployments").headers["X-Seq"]) > before
