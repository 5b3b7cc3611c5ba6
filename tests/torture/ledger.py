"""What was acknowledged to the writers, kept outside the daemon and its file system.

An operation is written here before it counts. What got no answer may have happened or not; a keyed
operation is repeated with its key after the restart, and then it has happened exactly once."""
import collections
import threading
from pathlib import Path


class Ledger:
    def __init__(self, path):
        self._file = open(path, "a", buffering=1)
        self._lock = threading.Lock()
        self.path = Path(path)
        self.made, self.deleted = {}, set()     # name -> uid; names
        self.maybe_deleted = set()
        self.labels = collections.defaultdict(lambda: (0, 0))    # marker -> (acknowledged, tried)
        self.restarts = collections.Counter()                    # marker -> keys that were answered
        self.acknowledged = 0

    def _note(self, *words):
        with self._lock:
            self._file.write(" ".join(map(str, words)) + "\n")
            self.acknowledged += 1

    def created(self, name, uid):
        self._note("made", name, uid)
        self.made[name] = uid

    def removed(self, name):
        self._note("deleted", name)
        self.maybe_deleted.discard(name)
        self.deleted.add(name)

    def trying_label(self, marker, number):
        self.labels[marker] = (self.labels[marker][0], number)

    def labelled(self, marker, number):
        self._note("label", marker, number)
        self.labels[marker] = (number, number)

    def restarted(self, marker):
        self._note("restarted", marker)
        self.restarts[marker] += 1

    def close(self):
        self._file.close()


def audit(ledger, api, markers):
    """Yields (kind, sentence) for each acknowledged write that the state does not show as it was
    acknowledged. No writer may run, and what was left unanswered has been repeated."""
    present, after = {}, ""
    while after is not None:
        page = api.get(f"/deployments?limit=5000&fields=name,uid,labels,status{after}").ok()
        present.update((item["name"], item) for item in page["items"])
        after = f"&after={page['next']}" if page["next"] else None
    for name, uid in ledger.made.items():
        if name in ledger.deleted:
            if name in present and present[name]["status"]["phase"] != "deleting":
                yield "lost", f"{name} was deleted and is back"
        elif name not in present and name not in ledger.maybe_deleted:
            yield "lost", f"{name} was acknowledged and is not there"
        elif name in present and present[name]["uid"] != uid:
            yield "dup", f"{name} was made twice: {uid}, {present[name]['uid']}"
    for name in present:
        if name.split("-")[0] in markers and name not in ledger.made and name not in markers:
            yield "dup", f"{name} is there and nobody was told so"
    for marker, (acknowledged, tried) in ledger.labels.items():
        if marker not in present:
            yield "lost", f"{marker} is not there"
            continue
        found = int(present[marker]["labels"].get("n", "0"))
        if not acknowledged <= found <= tried:
            yield "lost", f"{marker} has label {found}, acknowledged was {acknowledged}"
        wanted, revision = 1 + ledger.restarts[marker], present[marker]["status"]["revision"]
        if revision != wanted:
            kind = "lost" if revision < wanted else "dup"
            yield kind, f"{marker} was restarted {wanted - 1} times and is at revision {revision}"
