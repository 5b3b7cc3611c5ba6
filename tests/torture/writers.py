"""Users that never pause: declared objects, and a rollout that is always under way."""
import http.client
import random
import threading

from harness.client import Client
from harness.ports import free_port

CUT = (OSError, http.client.HTTPException)
KEPT = 20   # objects of one writer that live at a time


class User(threading.Thread):
    """Acts until the daemon is gone or `end` is called."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.api = Client(daemon.port, daemon.key, timeout=5)
        self.ended = threading.Event()

    def run(self):
        try:
            while not self.ended.is_set():
                self.act()
        except CUT:
            pass    # cut: what was under way may or may not have happened

    def act(self):
        raise NotImplementedError

    def end(self):
        self.ended.set()


class Writer(User):
    """Creates, labels, restarts and deletes; keyed where that can be repeated."""

    def __init__(self, daemon, ledger, name, pending):
        super().__init__(daemon)
        self.ledger, self.name = ledger, name
        self.pending = pending      # list of keyed operations without an answer; kept over restarts

    def act(self):
        number = self.ledger.labels[self.name][1] + 1
        self.ledger.trying_label(self.name, number)
        if self.api.patch(f"/deployments/{self.name}", {"labels": {"n": str(number)}}).status == 200:
            self.ledger.labelled(self.name, number)
        self.keyed("create", f"{self.name}-{number}")
        self.keyed("restart", f"{self.name}-r{number}")
        self.delete_oldest()

    def keyed(self, what, key):
        self.pending.append((what, key))
        if self.ask(self.api, what, key):
            self.pending.remove((what, key))

    def ask(self, api, what, key):
        headers = {"Idempotency-Key": key}
        if what == "create":
            reply = api.post("/deployments", {"name": key, "image": "local/none:1", "replicas": 0},
                             headers=headers)
            if reply.status == 201:
                self.ledger.created(key, reply.json["uid"])
            return reply.status == 201
        reply = api.post(f"/deployments/{self.name}/restart", headers=headers)
        if reply.status == 200:
            self.ledger.restarted(self.name)
        return reply.status == 200

    def repeat_pending(self, api):
        """After a restart: each unanswered operation once more, with its key."""
        for what, key in list(self.pending):
            assert self.ask(api, what, key), f"{what} {key} is refused when it is repeated"
            self.pending.remove((what, key))

    def delete_oldest(self):
        mine = [name for name in list(self.ledger.made)
                if name.startswith(f"{self.name}-") and name not in self.ledger.deleted
                and name not in self.ledger.maybe_deleted]
        if len(mine) <= KEPT:
            return
        self.ledger.maybe_deleted.add(mine[0])
        if self.api.delete(f"/deployments/{mine[0]}").status == 202:
            self.ledger.removed(mine[0])


class Roller(User):
    """Rolls and scales one deployment, and moves a service from port to port."""

    def __init__(self, daemon, seed, app, extra, pause):
        super().__init__(daemon)
        self.random, self.app, self.extra, self.pause = random.Random(seed), app, extra, pause

    def act(self):
        number = self.random.randrange(10 ** 9)
        self.api.patch(f"/deployments/{self.app}", {"env": {"ROUND": str(number)}})
        self.api.put(f"/services/{self.extra}", {
            "name": self.extra, "deployment": self.app, "listen": f"127.0.0.1:{free_port()}"})
        self.ended.wait(self.pause)
        self.api.post(f"/deployments/{self.app}/scale", {"replicas": self.random.randrange(2, 6)})
        self.ended.wait(self.pause)
        if self.random.random() < 0.3:
            self.api.delete(f"/services/{self.extra}")
