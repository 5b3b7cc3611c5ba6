"""A server that answers what a test lays down: for answers that no daemon gives on demand."""
import http.server
import json
import socket
import socketserver
import ssl
import threading
from urllib.parse import urlsplit


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        target = urlsplit(self.path)
        path = target.path.removeprefix("/api/v1")
        self.server.asked.append((self.command, self.path.removeprefix("/api/v1"), body,
                                  self.headers.get("X-API-Key")))
        status, reply = self.server.answers.get((self.command, path), (
            404, {"error": "there is nothing at this path", "code": "NOT_FOUND", "details": []}))
        reply = reply(target.query) if callable(reply) else reply
        text = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def address_string(self):
        return "client"

    def log_message(self, *_):
        pass


class FakeApi(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """`answers`: (method, path) -> (status, body), the body perhaps a function of the query, and sent
    as it is where it is bytes. Over TCP, TLS with `certificate`."""

    daemon_threads = True

    def __init__(self, answers, certificate=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked, self.key = answers, [], "key"
        self.port = self.server_address[1]
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """A client that refuses our certificate is what a test is about."""

    def close(self):
        self.shutdown()
        self.server_close()


class FakeUnixApi(FakeApi):
    def __init__(self, answers, path):
        self.path = str(path)
        super().__init__(answers)

    def server_bind(self):
        self.socket.close()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(self.path)
        self.server_address = (self.path, 0)

    def get_request(self):
        connection, _ = self.socket.accept()
        return connection, ("client", 0)
