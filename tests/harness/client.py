"""A user of the REST API: one connection per request, replies that can be asserted on."""
import http.client
import json
import re

CODES = {
    "VALIDATION_FAILED": {400}, "UNAUTHORIZED": {401}, "FORBIDDEN": {403}, "NOT_FOUND": {404},
    "METHOD_NOT_ALLOWED": {405}, "ALREADY_EXISTS": {409}, "CONFLICT": {409},
    "INVALID_STATE": {409}, "PRECONDITION_FAILED": {412}, "PAYLOAD_TOO_LARGE": {413},
    "URI_TOO_LONG": {414}, "UNSUPPORTED_MEDIA_TYPE": {415}, "RATE_LIMITED": {429},
    "HEADERS_TOO_LARGE": {431}, "INTERNAL": {500}, "UNAVAILABLE": {503},
}


class Reply:
    def __init__(self, request, status, headers, body):
        self.request, self.status, self.headers, self.body = request, status, headers, body

    def __repr__(self):
        return f"<{self.request} -> {self.status} {self.body[:600]!r}>"

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()

    def check(self, *statuses):
        assert self.status in statuses, f"wanted {statuses}: {self!r}"
        return self

    def ok(self, *statuses):
        """The body of a reply that must have one of `statuses` (200 where none is given)."""
        return self.check(*(statuses or (200,))).json

    def error(self, status, code=None):
        """The body of an error of the contract's shape."""
        self.check(status)
        assert self.headers.get_content_type() == "application/json", repr(self)
        body = self.json
        assert isinstance(body.get("error"), str) and body["error"], repr(self)
        assert status in CODES.get(body.get("code"), ()), f"code and status disagree: {self!r}"
        for detail in body.get("details", []):
            assert isinstance(detail["field"], str) and isinstance(detail["message"], str), repr(self)
        if code:
            assert body["code"] == code, repr(self)
        return body

    def faults(self):
        """The fields of a 400 with their messages."""
        details = self.error(400, "VALIDATION_FAILED").get("details", [])
        return {detail["field"]: detail["message"] for detail in details}

    @property
    def etag(self):
        found = re.fullmatch(r'"(\d+)"', self.headers.get("ETag", ""))
        assert found, f"no ETag of a version: {self.headers.items()}"
        return int(found.group(1))


class Client:
    """`base` is put before every path; `key` None sends none."""

    def __init__(self, port, key, base="/api/v1", timeout=15):
        self.port, self.key, self.base, self.timeout = port, key, base, timeout

    def request(self, method, path, body=None, headers=None, base=None):
        sent = {} if self.key is None else {"X-API-Key": self.key}
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        full = (self.base if base is None else base) + path
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            connection.request(method, full, body=body, headers=sent)
            answer = connection.getresponse()
            return Reply(f"{method} {full[:200]}", answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.request("POST", path, body=body, **more)

    def put(self, path, body=None, **more):
        return self.request("PUT", path, body=body, **more)

    def patch(self, path, body=None, **more):
        return self.request("PATCH", path, body=body, **more)

    def delete(self, path, **more):
        return self.request("DELETE", path, **more)

    def items(self, path):
        return self.get(path).ok()["items"]
