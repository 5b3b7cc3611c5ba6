"""A WebSocket client that also says what no proper one would."""
import base64
import hashlib
import os
import socket
import struct

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class WebSocket:
    """Connected by `connect`, or refused: then `status` and `head` say how."""

    def __init__(self, port, path, timeout=15, **changes):
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        headers = {"Host": f"127.0.0.1:{port}", "Upgrade": "websocket", "Connection": "Upgrade",
                   "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"}
        method = changes.pop("method", "GET")
        early = changes.pop("early", b"")
        headers.update({name.replace("_", "-"): value for name, value in changes.items()})
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
        self.connection.sendall(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + early)
        self.stream = self.connection.makefile("rb")
        self.head = b""
        while not self.head.endswith(b"\r\n\r\n"):
            line = self.stream.readline()
            assert line, self.head
            self.head += line
        self.status = int(self.head.split()[1])
        if self.status == 101:
            accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest())
            assert b"sec-websocket-accept: " + accept.lower() in self.head.lower()

    @staticmethod
    def frame(opcode, data=b"", last=True, masked=True, reserved=0, size=None):
        """`size`: how many bytes the length takes, where that is not the shortest form."""
        size = size if size is not None else 0 if len(data) < 126 else 2 if len(data) < 65536 else 8
        short = {0: len(data), 2: 126, 8: 127}[size]
        mask = os.urandom(4) if masked else b""
        body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)) if masked else data
        return (bytes([(0x80 if last else 0) | reserved | opcode, (0x80 if masked else 0) | short])
                + (len(data).to_bytes(size, "big") if size else b"") + mask + body)

    def send(self, opcode, data=b"", **more):
        self.connection.sendall(self.frame(opcode, data, **more))

    def exactly(self, count):
        data = self.stream.read(count)
        return data if len(data) == count else None

    def receive(self):
        """The next frame: opcode and data. None: the connection has ended."""
        start = self.exactly(2)
        if start is None:
            return None
        assert start[0] & 0xf0 == 0x80 and not start[1] & 0x80, "whole, and not masked"
        size = start[1]
        if size > 125:
            size = int.from_bytes(self.exactly(2 if size == 126 else 8), "big")
        return start[0] & 0x0f, self.exactly(size)

    def closed_with(self):
        """The code of the close frame that comes next among what comes."""
        while (got := self.receive()) is not None:
            if got[0] == CLOSE:
                return struct.unpack(">H", got[1][:2])[0]
        return None

    def close(self):
        self.stream.close()
        self.connection.close()
