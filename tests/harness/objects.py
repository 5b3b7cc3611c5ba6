"""Objects that tests declare, and waits on what becomes of them."""
from .wait import eventually


def deployment(name, **changes):
    return {"name": name, "image": "app/web:1", "replicas": 1, **changes}


def http_deployment(name, **changes):
    """Containers that answer HTTP at a port named http (the simulated runtime's setting http)."""
    return deployment(name, **{"ports": [{"name": "http", "containerPort": 8080}], **changes})


def service(name, listen, **changes):
    return {"name": name, "deployment": name, "listen": listen, **changes}


def status_of(api, name):
    return api.get(f"/deployments/{name}").ok()["status"]


def wait_phase(api, name, *phases, within=15.0):
    """The deployment, once it is in one of `phases`."""
    def look():
        found = api.get(f"/deployments/{name}").ok()
        assert found["status"]["phase"] in phases, found["status"]
        return found
    return eventually(look, within, f"phase {phases} of {name}")


def wait_complete(api, name, within=15.0):
    return wait_phase(api, name, "complete", within=within)


def deploy(api, name, within=15.0, **changes):
    """Declares a deployment and waits until it is complete."""
    api.post("/deployments", deployment(name, **changes)).check(201)
    return wait_complete(api, name, within)


def containers(api, name):
    return api.items(f"/containers?deployment={name}")


def first_container(api, name):
    found = containers(api, name)
    assert found, f"no container of {name}"
    return found[0]


def wait_gone(api, path, within=15.0):
    eventually(lambda: api.get(path).status == 404, within, f"404 of {path}")


def remove(api, name, within=15.0):
    api.delete(f"/deployments/{name}").check(202)
    wait_gone(api, f"/deployments/{name}", within)


def wait_endpoints(api, name, active, within=15.0):
    """The endpoints, once exactly `active` are active and nothing else is listed."""
    def look():
        found = api.get(f"/services/{name}/endpoints").ok()["items"]
        assert [item["state"] for item in found] == ["active"] * active, found
        return found or True
    return eventually(look, within, f"{active} active endpoints of {name}")
