"""The codes of the contract, each provoked."""
import pytest

from harness.objects import deployment


def test_an_unknown_route_is_404(api):
    for path in ("/nothing", "/deployments/web/nothing", "/"):
        api.get(path).error(404, "NOT_FOUND")


def test_an_unknown_object_is_404(api):
    for path in ("/deployments/none", "/containers/none", "/nodes/none", "/services/none",
                 "/services/none/endpoints", "/deployments/none/containers",
                 "/deployments/none/revisions", "/containers/none/logs"):
        api.get(path).error(404, "NOT_FOUND")


def test_an_action_on_an_unknown_object_is_404(api):
    api.post("/deployments/none/scale", {"replicas": 1}).error(404, "NOT_FOUND")
    for path in ("/deployments/none/restart", "/deployments/none/pause", "/containers/none/restart",
                 "/nodes/none/cordon", "/nodes/none/drain"):
        api.post(path).error(404, "NOT_FOUND")
    for path in ("/deployments/none", "/containers/none", "/services/none"):
        api.delete(path).error(404, "NOT_FOUND")


@pytest.mark.parametrize("method, path, allowed", (
    ("DELETE", "/deployments", {"GET", "POST"}),
    ("POST", "/deployments/web", {"GET", "PUT", "PATCH", "DELETE"}),
    ("GET", "/deployments/web/scale", {"POST"}),
    ("PUT", "/containers/none", {"GET", "DELETE"}),
    ("POST", "/nodes", {"GET"}),
    ("PUT", "/services", {"GET", "POST"}),
    ("POST", "/events", {"GET"}),
    ("DELETE", "/whoami", {"GET"}),
))
def test_a_method_that_a_route_lacks_is_405_and_names_those_it_has(api, method, path, allowed):
    reply = api.request(method, path)
    reply.error(405, "METHOD_NOT_ALLOWED")
    assert allowed <= {word.strip() for word in reply.headers["Allow"].split(",")}


def test_a_name_that_is_taken_is_409(api, name):
    api.post("/deployments", deployment(name, replicas=0)).check(201)
    api.post("/deployments", deployment(name, replicas=0)).error(409, "ALREADY_EXISTS")


def test_a_body_over_one_mebibyte_is_413(api):
    body = b'{"name": "' + b"a" * (1024 * 1024) + b'"}'
    api.post("/deployments", body[:1024 * 1024 + 1]).error(413, "PAYLOAD_TOO_LARGE")


def test_a_body_of_one_mebibyte_is_read(api):
    start, end = b'{"name": "', b'"}'
    body = start + b"a" * (1024 * 1024 - len(start) - len(end)) + end
    api.post("/deployments", body).error(400, "VALIDATION_FAILED")


def test_an_address_over_eight_kibibytes_is_414(api):
    api.get("/deployments?selector=" + "a" * 8192).error(414, "URI_TOO_LONG")


@pytest.mark.parametrize("kind", ("text/plain", "application/x-www-form-urlencoded",
                                  "application/yaml", "text/json"))
def test_a_body_that_is_not_json_by_its_type_is_415(api, kind):
    api.post("/deployments", b"{}", headers={"Content-Type": kind}).error(
        415, "UNSUPPORTED_MEDIA_TYPE")


def test_json_with_a_charset_is_taken(api, name):
    kind = {"Content-Type": "application/json; charset=utf-8"}
    api.post("/deployments", deployment(name, replicas=0), headers=kind).check(201)


def test_headers_over_sixteen_kibibytes_are_431(api):
    api.get("/whoami", headers={"X-Long": "a" * 17000}).error(431, "HEADERS_TOO_LARGE")


def test_scale_of_another_shape_names_the_field(api, name):
    api.post("/deployments", deployment(name, replicas=0)).check(201)
    assert "replicas" in api.post(f"/deployments/{name}/scale", {"replicas": -1}).faults()
    assert "replicas" in api.post(f"/deployments/{name}/scale", {"replicas": 1000001}).faults()
    assert "replica" in api.post(f"/deployments/{name}/scale", {"replica": 1}).faults()


def test_parameters_that_make_no_sense_are_refused(api):
    for query in ("limit=0", "limit=5001", "limit=x", "limit=-1", "selector==", "selector=a=b=c,,"):
        api.get(f"/deployments?{query}").error(400, "VALIDATION_FAILED")
