"""Lists: pages, selectors, fields and filters."""
import pytest

from harness.objects import containers, deploy, deployment

PREFIX = "listed"
LABELS = ({"tier": "web", "team": "a"}, {"tier": "web", "team": "b"}, {"tier": "db"}, {},
          {"team": "a"})


@pytest.fixture(scope="module", autouse=True)
def listed(shared):
    for number, labels in enumerate(LABELS):
        shared.api.post("/deployments", deployment(f"{PREFIX}-{number}", replicas=0,
                                                   labels=labels)).check(201)


def names(api, query):
    return [item["name"] for item in api.items(f"/deployments?{query}")
            if item["name"].startswith(PREFIX)]


def test_a_list_has_items_next_total_and_seq(api):
    page = api.get("/deployments").ok()
    assert set(page) == {"items", "next", "total", "seq"}
    assert page["next"] is None and page["total"] == len(page["items"]) >= 5
    assert page["seq"] >= max(item["seq"] for item in page["items"])


@pytest.mark.parametrize("path", ("/containers", "/nodes", "/services", "/plugins", "/events",
                                  "/problems", f"/deployments/{PREFIX}-0/revisions",
                                  f"/deployments/{PREFIX}-0/containers"))
def test_all_lists_have_that_shape(api, path):
    page = api.get(path).ok()
    assert {"items", "next", "total", "seq"} <= set(page) and isinstance(page["items"], list)


def test_lists_come_by_name(api):
    seen = [item["name"] for item in api.items("/deployments")]
    assert seen == sorted(seen)


def test_pages_join_to_the_whole_without_gaps_or_repeats(api):
    whole = [item["name"] for item in api.items("/deployments")]
    seen, cursor = [], ""
    while cursor is not None:
        page = api.get("/deployments?limit=2" + (f"&after={cursor}" if cursor else "")).ok()
        assert 1 <= len(page["items"]) <= 2 and page["total"] == len(whole)
        seen += [item["name"] for item in page["items"]]
        cursor = page["next"]
    assert seen == whole


@pytest.mark.parametrize("selector, numbers", (
    ("tier=web", [0, 1]), ("tier!=web", [2, 3, 4]), ("tier", [0, 1, 2]), ("!tier", [3, 4]),
    ("tier=web,team=a", [0]), ("tier=web,team!=a", [1]), ("!tier,!team", [3]), ("tier=none", [])))
def test_selectors_choose_by_label(api, selector, numbers):
    assert names(api, f"selector={selector}") == [f"{PREFIX}-{number}" for number in numbers]


def test_fields_choose_what_is_told(api):
    for item in api.items("/deployments?fields=name,replicas"):
        assert set(item) == {"name", "replicas"}


def test_containers_are_filtered_by_deployment_state_and_node(api, name):
    deploy(api, name, replicas=2)
    deploy(api, f"{name}-b", replicas=1)
    assert len(containers(api, name)) == 2
    assert len(api.items(f"/containers?deployment={name},{name}-b")) == 3
    assert len(api.items(f"/containers?deployment={name}&state=running,exited")) == 2
    assert api.items(f"/containers?deployment={name}&state=failed") == []
    assert len(api.items(f"/containers?deployment={name}&node=node-1")) == 2
    assert api.items(f"/containers?deployment={name}&node=none") == []
    assert len(api.items(f"/deployments/{name}/containers")) == 2


def test_containers_come_by_id(api, name):
    deploy(api, name, replicas=4)
    seen = [item["id"] for item in containers(api, name)]
    assert seen == sorted(seen) and len(set(seen)) == 4


def test_services_are_filtered_by_deployment(api, name):
    api.post("/services", {"name": name, "deployment": f"{name}-x",
                           "listen": "127.0.0.1:17997"}).check(201)
    assert [item["name"] for item in api.items(f"/services?deployment={name}-x")] == [name]
    assert api.items("/services?deployment=none") == []
    api.delete(f"/services/{name}").check(204)


def test_a_cursor_that_is_none_is_refused_or_empty_but_never_an_error_of_ours(api):
    for cursor in ("zzz", "%00", "..%2f", "%ff%fe", "a" * 2000):
        assert api.get(f"/deployments?after={cursor}").status in (200, 400)
