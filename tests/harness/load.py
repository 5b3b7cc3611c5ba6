"""HTTP load of a bounded time on a service: what failed and who answered."""
import collections
import http.client
import threading


def ask(port, path="/", timeout=5):
    """One request on a connection of its own: (status, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace").strip()
    finally:
        connection.close()


class Load:
    """`with Load(port) as load:` asks all the time; afterwards `load` holds the counts."""

    def __init__(self, port, threads=2, path="/", pause=0.002):
        self.port, self.path, self.pause = port, path, pause
        self.served = 0
        self.failures = []
        self.by_body = collections.Counter()
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join(20)

    def _run(self):
        while not self._end.is_set():
            self._one()
            self._end.wait(self.pause)

    def _one(self):
        try:
            status, body = ask(self.port, self.path)
            fault = None if status == 200 else f"status {status}"
        except (OSError, http.client.HTTPException) as error:
            fault, body = repr(error), None
        with self._lock:
            if fault:
                self.failures.append(fault)
            else:
                self.served += 1
                self.by_body[body] += 1

    def check(self, at_least=1):
        assert not self.failures, (f"{len(self.failures)} of {self.served + len(self.failures)} "
                                   f"requests failed: {collections.Counter(self.failures)}")
        assert self.served >= at_least, f"only {self.served} requests were served"
