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
        self._note(fault, body)

    def _note(self, fault, body):
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


class KeepAliveLoad(Load):
    """The same on a connection for each thread, made again only when it was closed."""

    def __init__(self, port, **options):
        super().__init__(port, **options)
        self.connects = 0
        self._own = threading.local()

    def _one(self):
        try:
            status, body = self._ask()
            fault = None if status == 200 else f"status {status}"
        except (OSError, http.client.HTTPException) as error:
            fault, body = repr(error), None
            self._own.connection = None
        self._note(fault, body)

    def _ask(self):
        connection = getattr(self._own, "connection", None)
        if not connection or not connection.sock:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            connection.connect()
            self._own.connection = connection
            with self._lock:
                self.connects += 1
        connection.request("GET", self.path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace").strip()
