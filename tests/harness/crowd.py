"""Very many watchers in one thread: some read all that comes, some never read."""
import selectors
import socket
import time

KEPT = 16 * 1024  # of what came last


class Watcher:
    def __init__(self, port, key, query):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.sendall((f"GET /api/v1/watch{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                             f"X-API-Key: {key}\r\n\r\n").encode())
        self.socket.setblocking(False)
        self.tail = b""
        self.open = True

    def take(self):
        try:
            part = self.socket.recv(65536)
        except BlockingIOError:
            return
        self.open = bool(part)
        self.tail = (self.tail + part)[-KEPT:]


class Crowd:
    """`silent` of the watchers never read. Closed by `with`."""
    def __init__(self, port, key, count, silent, query):
        self.watchers = [Watcher(port, key, query) for _ in range(count)]
        self.readers = self.watchers[silent:]
        self.selector = selectors.DefaultSelector()
        for watcher in self.readers:
            self.selector.register(watcher.socket, selectors.EVENT_READ, watcher)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.selector.close()
        for watcher in self.watchers:
            watcher.socket.close()

    def read(self, seconds):
        for key, _ in self.selector.select(seconds):
            key.data.take()
            if not key.data.open:
                self.selector.unregister(key.fileobj)

    def until_all_saw(self, marker, within=60):
        """Reads on until each reader has been told of `marker`."""
        deadline = time.monotonic() + within
        waiting = self.readers
        while waiting:
            assert time.monotonic() < deadline, f"{len(waiting)} have not seen {marker!r}"
            self.read(0.05)
            waiting = [watcher for watcher in waiting if marker not in watcher.tail]
            assert all(watcher.open for watcher in waiting), "a reader was cut off"
