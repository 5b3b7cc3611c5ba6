"""The API's description: linted, and held against a real server, operation by operation. Request
bodies are the description's own examples."""
import subprocess

import jsonschema
import pytest

from harness.daemon import ROOT
from harness.objects import first_container, wait_complete, wait_phase
from harness.stream import Watch
from harness.wait import eventually
from harness.websocket import WebSocket


class Description:
    def __init__(self, document):
        self.document = document
        self.operations = {(verb.upper(), path): operation
                           for path, item in document["paths"].items()
                           for verb, operation in item.items()}

    def resolve(self, value):
        while "$ref" in value:
            found = self.document
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            value = found
        return value

    def check(self, value, schema):
        """Within the whole document, so that references are found."""
        jsonschema.Draft202012Validator({**schema, "components": self.document["components"]}).validate(value)

    def check_reply(self, verb, path, reply):
        responses = self.operations[verb, path]["responses"]
        assert str(reply.status) in responses, f"a status that is not described: {reply!r}"
        response = self.resolve(responses[str(reply.status)])
        if "content" not in response:
            assert not reply.body, repr(reply)
            return
        kind = reply.headers.get_content_type()
        assert kind in response["content"], f"{kind} is not described: {reply!r}"
        schema = response["content"][kind]["schema"]
        self.check(reply.json if kind == "application/json" else reply.text, schema)

    def example(self, verb, path):
        content = self.operations[verb, path].get("requestBody", {}).get("content", {})
        return content["application/json"]["example"] if content else None


@pytest.fixture(scope="module")
def description(shared):
    return Description(shared.open.get("/openapi.json").ok())


class Driver:
    """Sends each operation's own example, and holds the answer against the description."""

    def __init__(self, daemon, description):
        self.daemon, self.description, self.driven = daemon, description, set()
        self.operations = description.operations

    def __call__(self, verb, path, status=200, body=None, query="", api=True, **names):
        path = ("/api/v1" if api else "") + path
        where = path.format(**names) + query
        body = body if body is not None else self.description.example(verb, path)
        reply = self.daemon.api.request(verb, where, body=body, base="")
        reply.check(status)
        self.description.check_reply(verb, path, reply)
        self.driven.add((verb, path))
        return reply.json if reply.headers.get_content_type() == "application/json" and reply.body else None


def test_the_description_is_clean(description, shared, tmp_path):
    document = tmp_path / "openapi.json"
    document.write_text(shared.open.get("/openapi.json").text)
    done = subprocess.run([ROOT / "scripts" / "lint-openapi", document], capture_output=True, text=True)
    if done.returncode == 3:  # the linter comes from npm, and a machine may have no way to it
        pytest.skip("no registry to install the linter from: " + done.stderr[-200:])
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_example_is_what_its_schema_says(description):
    for operation in description.operations.values():
        for media in operation.get("requestBody", {}).get("content", {}).values():
            description.check(media["example"], media["schema"])


def drive_deployments(drive, api):
    drive("POST", "/deployments", 201)
    wait_complete(api, "web")
    drive("GET", "/deployments")
    drive("GET", "/deployments/{name}", name="web")
    drive("PUT", "/deployments/{name}", name="web")
    drive("PUT", "/deployments/{name}", 201, name="other",
          body={"name": "other", "image": "app/web:1", "replicas": 1})
    drive("PATCH", "/deployments/{name}", name="web")
    wait_complete(api, "web")
    drive("POST", "/deployments/{name}/scale", name="web", body={"replicas": 2})
    drive("POST", "/deployments/{name}/scale", name="web")
    drive("POST", "/deployments/{name}/restart", name="web")
    drive("POST", "/deployments/{name}/pause", name="web")
    drive("POST", "/deployments/{name}/resume", name="web")
    wait_complete(api, "web")
    drive("POST", "/deployments/{name}/rollback", name="web")
    wait_complete(api, "web")
    for part in ("diff", "revisions", "rollouts", "containers", "why", "logs"):
        drive("GET", f"/deployments/{{name}}/{part}", name="web")


def drive_canaries(drive, api):
    canary = {"rollout": {"strategy": "canary", "canary": {"replicas": 1}}}
    wait_complete(api, "other")
    drive("PATCH", "/deployments/{name}", name="other", body={**canary, "replicas": 2})
    wait_complete(api, "other")
    for number, verb in enumerate(("promote", "abort"), start=2):
        drive("PATCH", "/deployments/{name}", name="other", body={"image": f"app/web:{number}"})
        eventually(lambda: api.get("/deployments/other").ok()["status"]["updated"] == 1,
                   what="a canary")
        drive("POST", f"/deployments/{{name}}/{verb}", name="other")
        wait_phase(api, "other", "complete", "rolled-back")


def drive_containers(drive, daemon):
    found = first_container(daemon.api, "web")
    container = found["id"]
    drive("GET", "/containers")
    for part in ("", "/logs", "/stats", "/placement"):
        drive("GET", f"/containers/{{id}}{part}", id=container)
    ticket = drive("POST", "/containers/{id}/exec", id=container)
    websocket = WebSocket(daemon.port, f"/api/v1/exec/{ticket['id']}?ticket={ticket['ticket']}")
    path = "/api/v1/exec/{id}"
    assert str(websocket.status) in drive.operations["GET", path]["responses"]
    assert websocket.status == 101
    drive.driven.add(("GET", path))
    websocket.close()
    drive("POST", "/containers/{id}/restart", id=container)
    eventually(lambda: daemon.api.get(f"/containers/{container}").ok()["runtimeId"] not in
               ("", found["runtimeId"]), within=30, what="its restart")
    wait_complete(daemon.api, "web")
    drive("DELETE", "/containers/{id}", 202, id=container)


def drive_services(drive):
    drive("POST", "/services", 201)
    drive("GET", "/services")
    drive("GET", "/services/{name}", name="web")
    drive("GET", "/services/{name}/endpoints", name="web")
    drive("PUT", "/services/{name}", name="web")
    drive("PATCH", "/services/{name}", name="web")


def drive_watch(drive, api):
    """A stream without end: its head, and the first of what it says."""
    path = "/api/v1/watch"
    content = drive.operations["GET", path]["responses"]["200"]["content"]
    with Watch(api, "?kinds=nodes") as watch:
        assert watch.reply.headers.get_content_type() in content
        assert watch.next().kind == "nodes"
    drive.driven.add(("GET", path))


def drive_nodes(drive, api):
    drive("GET", "/nodes")
    drive("GET", "/nodes/{name}", name="node-1")
    drive("PATCH", "/nodes/{name}", name="node-1")
    drive("POST", "/nodes/{name}/cordon", name="node-1")
    drive("POST", "/nodes/{name}/uncordon", name="node-1")
    for name in ("web", "other"):
        drive("DELETE", "/deployments/{name}", 202, name=name)
    eventually(lambda: api.items("/deployments") == [], what="no deployment")
    drive("POST", "/nodes/{name}/drain", name="node-1")
    drive("DELETE", "/nodes/{name}", 204, name="node-1")


@pytest.mark.limit(120)
def test_every_operation_answers_as_described(make_daemon, description):
    daemon = make_daemon({"runtime": {"config": {"http": True}}})
    drive = Driver(daemon, description)
    api = daemon.api
    for path in ("/healthz", "/readyz", "/openapi.json", "/metrics"):
        drive("GET", path, api=False)
    drive_deployments(drive, api)
    drive_services(drive)
    drive_canaries(drive, api)
    drive_containers(drive, daemon)
    for path in sorted(path for verb, path in description.operations
                       if verb == "GET" and "{" not in path and path.startswith("/api/v1/")
                       and path not in ("/api/v1/watch", "/api/v1/deployments", "/api/v1/containers",
                                        "/api/v1/services", "/api/v1/nodes")):
        drive("GET", path.removeprefix("/api/v1"))
    token = drive("POST", "/plan")["token"]
    drive("POST", "/plan/{token}/apply", token=token)
    eventually(lambda: wait_complete(api, "web")["status"]["stopping"] == 0, what="no drain")
    drive("DELETE", "/services/{name}", 204, name="web")
    drive_watch(drive, api)
    drive_nodes(drive, api)
    left = set(description.operations) - drive.driven
    assert not left, f"operations that no test drives: {sorted(left)}"


NAMES = {"name": "nothing", "id": "nothing-0-abcdef", "token": "nothing"}


def test_refusals_are_as_described_on_every_path(shared, description):
    """Without a key 401, an unknown name 404, each in the form of an error that is described."""
    for verb, path in description.operations:
        where, operation = path.format(**NAMES), description.operations[verb, path]
        opened = operation.get("security") == []
        if not opened and path != "/metrics":
            reply = shared.open.request(verb, where)
            reply.error(401, "UNAUTHORIZED")
            description.check_reply(verb, path, reply)
        if "{" in path and not opened and verb in ("GET", "DELETE"):
            reply = shared.api.request(verb, where, base="")
            reply.check(404)
            description.check_reply(verb, path, reply)


def test_what_a_path_does_not_know_is_405_with_what_it_does(shared, description):
    paths = {}
    for verb, path in description.operations:
        paths.setdefault(path, set()).update({verb, "HEAD"} if verb == "GET" else {verb})
    for path, known in paths.items():
        for verb in {"GET", "POST", "PUT", "PATCH", "DELETE"} - known:
            reply = shared.api.request(verb, path.format(**NAMES), base="")
            reply.error(405, "METHOD_NOT_ALLOWED")
            assert {word.strip() for word in reply.headers["Allow"].split(",")} == known, path


def test_head_answers_as_get_does_without_the_body(shared, description):
    skipped = {"/api/v1/watch", "/metrics"}  # one has no end, the other changes with each look
    for verb, path in description.operations:
        if verb != "GET" or "{" in path or path in skipped:
            continue
        whole, head = (shared.api.request(verb, path, base="") for verb in ("GET", "HEAD"))
        assert (head.status, head.body) == (whole.status, b""), path
        assert head.headers["Content-Type"] == whole.headers["Content-Type"], path


def test_gzip_is_for_those_who_take_it(shared):
    import gzip
    plain = shared.open.get("/openapi.json")
    packed = shared.open.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert plain.headers["Content-Encoding"] is None and packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body and len(packed.body) < len(plain.body) / 2
    refused = shared.open.get("/openapi.json", headers={"Accept-Encoding": "gzip;q=0, identity"})
    assert refused.headers["Content-Encoding"] is None and refused.body == plain.body
