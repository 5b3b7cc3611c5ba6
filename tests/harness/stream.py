"""A server-sent event stream, read by a thread of its own."""
import http.client
import json
import queue
import threading
import time


class Message:
    """`kind` is the event's name, or "comment"."""

    def __init__(self, kind, number, data):
        self.kind, self.id, self.data = kind, number, data

    def __repr__(self):
        return f"<{self.kind} {self.id} {self.data}>"

    @property
    def type(self):
        return self.data.get("type")

    @property
    def object(self):
        return self.data.get("object")


class Watch:
    def __init__(self, api, query="", headers=None):
        self._connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=60)
        self._connection.request("GET", f"{api.base}/watch{query}",
                                 headers={"X-API-Key": api.key, **(headers or {})})
        self.reply = self._connection.getresponse()
        assert self.reply.status == 200, (self.reply.status, self.reply.read())
        assert self.reply.headers.get_content_type() == "text/event-stream"
        self.seen = []
        self._messages = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._connection.sock:
            self._connection.sock.shutdown(2)
        self._connection.close()

    def _read(self):
        fields = {}
        try:
            for line in self._lines():
                if not line:
                    self._end_of_message(fields)
                    fields = {}
                elif line.startswith(":"):
                    self._messages.put(Message("comment", None, {"text": line[1:].strip()}))
                else:
                    name, _, value = line.partition(":")
                    value = value[1:] if value.startswith(" ") else value
                    fields[name] = fields[name] + "\n" + value if name in fields else value
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass
        self._messages.put(None)

    def _lines(self):
        while True:
            line = self.reply.readline()
            if not line:
                return
            yield line.decode().rstrip("\r\n")

    def _end_of_message(self, fields):
        if "data" in fields:
            number = int(fields["id"]) if fields.get("id", "").isdigit() else None
            self._messages.put(Message(fields.get("event", "message"), number,
                                       json.loads(fields["data"])))

    def next(self, within=10.0):
        """The next message; comments are passed over."""
        return self.until(lambda message: message.kind != "comment", within)

    def until(self, wanted, within=10.0):
        """Reads on up to the first message that `wanted` takes; all of them are kept in `seen`."""
        deadline = time.monotonic() + within
        while True:
            try:
                message = self._messages.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no such message within {within} s: {self.seen[-8:]}") from None
            assert message is not None, f"the stream ended: {self.seen[-8:]}"
            self.seen.append(message)
            if wanted(message):
                return message

    def drain(self, quiet=0.3):
        """All that comes until nothing did for `quiet` seconds."""
        taken = []
        while True:
            try:
                message = self._messages.get(timeout=quiet)
            except queue.Empty:
                return taken
            assert message is not None, "the stream ended"
            self.seen.append(message)
            taken.append(message)


class Lines:
    """The lines of a reply that goes on; reading past its end, or one cut short, raises."""

    def __init__(self, api, path, timeout=15):
        self._connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=timeout)
        self._connection.request("GET", api.base + path, headers={"X-API-Key": api.key})
        self._reply = self._connection.getresponse()
        assert self._reply.status == 200, (self._reply.status, self._reply.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()

    def __iter__(self):
        return iter(self._reply)

    def next(self):
        return next(iter(self._reply))
