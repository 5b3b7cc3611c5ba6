"""HTTP load of a bounded time, every answer kept with its instant."""
import http.client
import threading
import time


class Load:
    """Asks on connections of their own and, beside, on some that are kept open all the time."""

    def __init__(self, port, path, short=4, kept=4, pause=0.003):
        self.port, self.path, self.pause = port, path, pause
        self.answers = []  # (instant, body or None, fault or None)
        self.cut = []      # faults of connections that were kept open
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._short, daemon=True) for _ in range(short)]
        self._threads += [threading.Thread(target=self._kept, daemon=True) for _ in range(kept)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join(15)

    def _note(self, body, fault):
        with self._lock:
            self.answers.append((time.monotonic(), body, fault))

    def _ask(self, connection, keep):
        connection.request("GET", self.path,
                           headers={"Connection": "keep-alive" if keep else "close"})
        reply = connection.getresponse()
        body = reply.read().decode(errors="replace").strip()
        return body, None if reply.status == 200 else f"status {reply.status}"

    def _short(self):
        while not self._end.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                self._note(*self._ask(connection, False))
            except (OSError, http.client.HTTPException) as fault:
                self._note(None, repr(fault))
            finally:
                connection.close()
            self._end.wait(self.pause)

    def _kept(self):
        """One TCP connection, held open without a word for most of the time."""
        while not self._end.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            try:
                connection.connect()
                self._end.wait(1.0)
                self._note(*self._ask(connection, False))
            except (OSError, http.client.HTTPException) as fault:
                self.cut.append(repr(fault))
                self._note(None, repr(fault))
            finally:
                connection.close()

    def failures(self, since=0.0):
        return [(at, fault) for at, _, fault in self.answers if fault and at >= since]

    def served(self, since=0.0):
        return sum(1 for at, _, fault in self.answers if not fault and at >= since)
