"""Keys: who is let in, and what a wrong key costs whom."""
import os
import stat

import pytest

from harness.client import Client
from harness.wait import eventually

ROUTES = ("/deployments", "/deployments/web", "/containers", "/containers/none", "/nodes",
          "/services", "/events", "/plugins", "/config", "/cluster", "/whoami", "/problems",
          "/watch", "/no-such-route", "")


@pytest.mark.parametrize("path", ROUTES)
def test_nothing_under_the_base_answers_without_a_key(shared, path):
    Client(shared.port, None).get(path).error(401, "UNAUTHORIZED")


@pytest.mark.parametrize("method", ("POST", "PUT", "PATCH", "DELETE"))
def test_no_write_is_taken_without_a_key(shared, method):
    body = {"name": "web", "image": "a:1"}
    path = "/deployments" if method == "POST" else "/deployments/web"
    Client(shared.port, None).request(method, path, body).error(401, "UNAUTHORIZED")
    shared.api.get("/deployments/web").error(404, "NOT_FOUND")


@pytest.mark.parametrize("key", ("", "wrong", "x" * 43, " ", "é".encode().decode("latin-1")))
def test_wrong_keys_are_refused(shared, key):
    eventually(lambda: Client(shared.port, key).get("/whoami").status == 401, what="401")


def test_a_part_of_the_key_is_not_the_key(shared):
    for key in (shared.key[:-1], shared.key + "0", shared.key.swapcase()):
        assert Client(shared.port, key).get("/whoami").status in (401, 429)


def test_the_key_may_come_as_a_bearer_token(shared):
    bearer = {"Authorization": f"Bearer {shared.key}"}
    assert Client(shared.port, None).get("/whoami", headers=bearer).ok()["role"] == "admin"


def test_a_wrong_bearer_token_is_refused(shared):
    wrong = {"Authorization": "Bearer nothing"}
    assert Client(shared.port, None).get("/whoami", headers=wrong).status in (401, 429)


def test_whoami_names_the_key_and_its_role(api):
    me = api.get("/whoami").ok()
    assert isinstance(me["key"], str) and me["key"] and me["role"] == "admin"
    assert api.key not in str(me)


def test_wrong_keys_are_slowed_down_and_the_right_one_never_is(daemon):
    wrong = Client(daemon.port, "wrong")
    replies = [wrong.get("/whoami") for _ in range(60)]
    assert {reply.status for reply in replies} <= {401, 429}
    limited = [reply for reply in replies if reply.status == 429]
    assert limited, "sixty wrong keys in a row were never limited"
    assert limited[0].error(429, "RATE_LIMITED") and int(limited[0].headers["Retry-After"]) >= 1
    for _ in range(20):
        daemon.api.get("/whoami").check(200)


def test_the_generated_key_is_long_and_its_owners_alone(shared):
    path = shared.state / "api-key"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(shared.state).st_mode) == 0o700
    assert len(shared.key) >= 43, "256 random bits take at least 43 characters"


def test_the_generated_key_survives_a_restart(daemon):
    before = daemon.key
    daemon.restart()
    assert daemon.key == before
    daemon.api.get("/whoami").check(200)


def test_a_configured_key_is_the_one_that_counts(make_daemon):
    key = "K" * 40
    daemon = make_daemon({"api": {"key": key}})
    assert Client(daemon.port, key).get("/whoami").status == 200
    assert key not in daemon.log()


def test_no_key_is_logged(shared):
    Client(shared.port, "canary-of-a-wrong-key").get("/whoami")
    shared.api.get("/whoami").check(200)
    assert shared.key not in shared.log() and "canary-of-a-wrong-key" not in shared.log()
