"""Bytes to a port and back: for requests that no proper client would send."""
import re
import socket
import time


class Raw:
    """What came back until the peer closed or the deadline passed."""

    def __init__(self, data, closed):
        self.data, self.closed = data, closed

    def __repr__(self):
        return f"<closed={self.closed} {self.data[:300]!r}>"

    @property
    def statuses(self):
        return [int(found) for found in re.findall(rb"HTTP/1\.[01] (\d{3}) ", self.data)]

    @property
    def status(self):
        return self.statuses[0] if self.statuses else None


def connect(port, host="127.0.0.1", timeout=10.0):
    return socket.create_connection((host, port), timeout=timeout)


def receive(connection, within=10.0, enough=None):
    """Reads until the end, the deadline, or until `enough(data)`."""
    deadline = time.monotonic() + within
    data = b""
    while not (enough and enough(data)):
        left = deadline - time.monotonic()
        if left <= 0:
            return Raw(data, False)
        connection.settimeout(left)
        try:
            part = connection.recv(65536)
        except TimeoutError:
            return Raw(data, False)
        except ConnectionError:
            return Raw(data, True)
        if not part:
            return Raw(data, True)
        data += part
    return Raw(data, False)


def has_head(data):
    return b"\r\n\r\n" in data


def exchange(port, request, within=10.0, enough=has_head):
    """Sends `request` whole and answers what comes back; a peer that resets is closed."""
    with connect(port) as connection:
        try:
            connection.sendall(request)
        except ConnectionError:
            pass
        return receive(connection, within, enough)


def closes_at_once(port, within=3.0):
    """Whether a new connection is accepted and closed without a byte."""
    with connect(port) as connection:
        answer = receive(connection, within)
        return answer.closed and answer.data == b""
