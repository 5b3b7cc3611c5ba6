"""Requests to services, all the time, over every crash of the daemon."""
import collections
import http.client
import threading
import time
from contextlib import contextmanager

from harness.load import ask


class Traffic:
    """Counts what was served and what failed while the proxy lived; `cut()` sets apart what fails
    while the proxy itself is being replaced."""

    def __init__(self, ports, pause=0.01):
        self.ports, self.pause = ports, pause
        self.served = self.cut_count = 0
        self.failures = collections.Counter()
        self._cuts = 0
        self._last_cut = -1e9
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(port,), daemon=True)
                         for port in ports]

    def start(self):
        for thread in self._threads:
            thread.start()
        return self

    def end(self):
        self._end.set()
        for thread in self._threads:
            thread.join(20)

    @contextmanager
    def cut(self):
        with self._lock:
            self._cuts += 1
        try:
            yield
        finally:
            with self._lock:
                self._cuts -= 1
                self._last_cut = time.monotonic()

    def _run(self, port):
        while not self._end.is_set():
            began = time.monotonic()
            try:
                status, _ = ask(port)
                fault = None if status == 200 else f"status {status}"
            except (OSError, http.client.HTTPException) as error:
                fault = repr(error)
            self._count(port, began, fault)
            self._end.wait(self.pause)

    def _count(self, port, began, fault):
        with self._lock:
            if not fault:
                self.served += 1
            elif self._cuts or began < self._last_cut:
                self.cut_count += 1
            else:
                self.failures[fault] += 1
