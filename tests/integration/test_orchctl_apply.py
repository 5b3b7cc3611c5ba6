"""apply, diff, run, convert, plan: from manifests to what runs."""
import json

import pytest
import yaml

from harness.objects import deploy, status_of, wait_gone
from harness.orchctl import Orchctl, plain
from harness.ports import free_port


@pytest.fixture
def ctl(shared, tmp_path):
    return Orchctl(shared, tmp_path)


@pytest.fixture
def write(tmp_path):
    def write_file(text, file="web.yaml"):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path
    return write_file


def own(name, image="app/web:1", replicas=2, **more):
    return yaml.safe_dump({"kind": "Deployment", "name": name, "image": image,
                           "replicas": replicas, **more}, sort_keys=False)


def of_kubernetes(name, image="app/web:1"):
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
      - name: web
        image: {image}
        ports: [{{containerPort: 80}}]
        resources: {{requests: {{cpu: 100m, memory: 64Mi}}, limits: {{memory: 128Mi}}}}
"""


def test_apply_creates_waits_and_then_finds_nothing_to_do(api, ctl, write, name):
    file = write(own(name))
    done = ctl.run("apply", "-f", file)
    assert done.returncode == 0 and done.stdout == f"deployment/{name} created\n"
    assert "is complete: 2 ready" in done.stderr
    assert status_of(api, name)["phase"] == "complete"
    assert ctl.ok("apply", "-f", file) == f"deployment/{name} unchanged\n"
    assert ctl.ok("apply", "-f", write(own(name, "app/web:2"))) == f"deployment/{name} changed\n"
    assert api.get(f"/deployments/{name}").ok()["image"] == "app/web:2"


def test_apply_takes_several_documents_json_folders_and_standard_input(api, ctl, write, name, tmp_path):
    listen = f"127.0.0.1:{free_port()}"
    write(own(f"{name}-a") + f"---\n# nothing here\n---\nkind: Service\nname: {name}\n"
          f"deployment: {name}-a\nlisten: {listen}\ntargetPort: 80\n", "all/a.yaml")
    write(json.dumps({"kind": "Deployment", "name": f"{name}-b", "image": "app/web:1"}), "all/b.json")
    write("not a manifest", "all/readme.txt")
    assert ctl.ok("apply", "-f", tmp_path / "all").splitlines() == [
        f"deployment/{name}-a created", f"service/{name} created", f"deployment/{name}-b created"]
    assert ctl.ok("apply", "-f", "-", stdin=own(f"{name}-c")) == f"deployment/{name}-c created\n"


def test_every_fault_is_named_with_its_place_and_nothing_is_changed(api, ctl, write, name):
    file = write(f"kind: Deployment\nname: {name}\nimage: app/web:1\nreplcas: 3\n---\n"
                 f"kind: Deployment\nname: {name}-b\nimage: web\nports:\n- containerPort: 99999\n")
    said = ctl.fails(1, "apply", "-f", file)
    assert f'{file}:4:1: replcas: is not known; did you mean "replicas"?' in said
    assert f"{file}:8:8: image: needs a tag" in said
    assert f"{file}:10:18: ports[0].containerPort: " in said
    assert "3 faults in the manifests; nothing was changed" in said
    assert api.get(f"/deployments/{name}").status == 404


@pytest.mark.parametrize("text, said", [
    ("kind: Pod\nname: x\n", '1:7: kind: must be Deployment or Service, not "Pod"'),
    ("name: x\n", "kind: is missing"),
    ("a: [1\n", "is not YAML"),
    ("- 1\n", "must be an object"),
    ("a: &x 1\n", "1:4: anchors are not allowed"),
    ("", "there is nothing in the manifests"),
])
def test_what_is_no_manifest_is_refused(ctl, write, text, said):
    assert said in ctl.fails(1, "apply", "-f", write(text))


def test_a_name_twice_is_refused(ctl, write):
    said = ctl.fails(1, "apply", "--dry-run", "client", "-f", write(own("x") + "---\n" + own("x")))
    assert ':6:1: deployment "x" is declared twice' in said


def test_a_dry_run_needs_no_server(tmp_path, write):
    alone = Orchctl(None, tmp_path)
    assert alone.ok("apply", "--dry-run", "client", "-f", write(own("x"))) == "deployment/x is fine\n"
    assert alone.ok("convert", "-f", write(of_kubernetes("x"))).startswith("kind: Deployment\nname: x\n")


def test_what_get_prints_as_yaml_changes_nothing_when_applied(api, ctl, write, name):
    deploy(api, name, replicas=2, env={"A": "yes", "B": "0x10"}, resources={"cpu": "250m"})
    file = write(ctl.ok("get", "deployment", name, "-o", "yaml"))
    assert ctl.ok("apply", "-f", file) == f"deployment/{name} unchanged\n"


def test_diff_shows_fields_and_ends_with_2(api, ctl, write, name):
    deploy(api, name, replicas=2, resources={"cpu": "250m"})
    same = ctl.run("diff", "-f", write(own(name, resources={"cpu": 0.25})))
    assert same.returncode == 0 and "would not change" in same.stdout
    done = ctl.run("diff", "-f", write(own(name, "app/web:2", resources={"cpu": "1"})))
    assert done.returncode == 2
    assert '  - image: "app/web:1"\n  + image: "app/web:2"\n' in done.stdout
    assert '  - resources.cpu: "250m"\n  + resources.cpu: "1"\n' in done.stdout
    assert "replicas" not in done.stdout
    assert "would be created" in ctl.run("diff", "-f", write(own(f"{name}-new"))).stdout


def test_diff_of_a_manifest_without_replicas_keeps_them(api, ctl, write, name):
    deploy(api, name, replicas=2)
    assert "would not change" in ctl.ok(
        "diff", "-f", write(f"kind: Deployment\nname: {name}\nimage: app/web:1\n"))


def test_a_failing_apply_is_rolled_back_and_ends_with_3(make_daemon, tmp_path, write, name):
    daemon = make_daemon({"runtime": {"config": {"http": True}}})
    ctl = Orchctl(daemon, tmp_path)
    ctl.ok("apply", "-f", write(own(name, rollout={"progressDeadline": "2s"})))
    said = ctl.fails(3, "apply", "-f", write(own(
        name, rollout={"progressDeadline": "2s"},
        readinessProbe={"tcp": {"port": 1}, "interval": "100ms"})))
    assert f"deployment/{name} was rolled back: revision 2 failed" in said
    assert f"orchctl why {name}" in said


def test_apply_has_a_time_limit_and_may_be_left_alone(api, ctl, write, name):
    big = write(own(name, replicas=1, resources={"memory": "900Gi"}))
    assert "not complete within the time" in ctl.fails(4, "apply", "-f", big, "--timeout", "500ms")
    assert ctl.ok("apply", "-f", big, "--detach") == f"deployment/{name} unchanged\n"


def test_apply_draws_progress_in_a_terminal(ctl, write, name):
    terminal = ctl.terminal("apply", "-f", str(write(own(name, replicas=20))))
    seen = terminal.end()
    assert terminal.status == 0
    assert f"deployment/{name} created" in seen and "20 ready" in plain(seen)


def test_an_interrupt_ends_the_waiting_and_says_that_the_rollout_goes_on(ctl, write, name):
    file = write(own(name, replicas=1, resources={"memory": "900Gi"}))
    terminal = ctl.terminal("apply", "-f", str(file))
    terminal.expect("0/1 updated").type("\x03")
    seen = plain(terminal.end())
    assert f'deployment/{name} goes on; "orchctl rollout status {name}" follows it' in seen
    assert terminal.status == 130


def test_prune_deletes_what_the_app_no_longer_declares(api, ctl, write, name):
    app = f"app-{name[-12:].strip('-')}"
    listen = f"127.0.0.1:{free_port()}"
    service = f"---\nkind: Service\nname: {name}\ndeployment: {name}-b\nlisten: {listen}\ntargetPort: 1\n"
    deploy(api, f"{name}-other")
    ctl.ok("apply", "--prune", app, "-f", write(own(f"{name}-a") + "---\n" + own(f"{name}-b") + service))
    assert api.get(f"/deployments/{name}-b").ok()["labels"] == {"orchctl/app": app}
    done = ctl.ok("apply", "--prune", app, "-f", write(own(f"{name}-a")))
    assert f"service/{name} deleted\ndeployment/{name}-b deleted\n" in done
    wait_gone(api, f"/deployments/{name}-b")
    assert api.get(f"/services/{name}").status == 404
    assert api.get(f"/deployments/{name}-other").status == 200


def test_kubernetes_manifests_are_applied(api, ctl, write, name):
    assert ctl.ok("apply", "-f", write(of_kubernetes(name))) == f"deployment/{name} created\n"
    made = api.get(f"/deployments/{name}").ok()
    assert made["resources"]["cpu"] == "100m" and made["resources"]["memoryLimit"] == "128Mi"
    assert made["containerLabels"] == {"app": name}
    assert ctl.ok("apply", "-f", write(of_kubernetes(name))) == f"deployment/{name} unchanged\n"


def test_convert_gives_what_apply_takes(api, ctl, write, name):
    converted = ctl.ok("convert", "-f", write(of_kubernetes(name)))
    ctl.ok("apply", "-f", write(of_kubernetes(name)))
    assert ctl.ok("apply", "-f", write(converted, "converted.yaml")) == f"deployment/{name} unchanged\n"


def test_what_kubernetes_has_and_we_have_not_is_refused_or_left_out(ctl, write):
    text = of_kubernetes("x").replace("        image:", "        tty: true\n        image:")
    file = write(text)
    said = ctl.fails(1, "apply", "--dry-run", "client", "-f", file)
    line = text.splitlines().index("        tty: true") + 1
    assert f"{file}:{line}:9: spec.template.spec.containers[0].tty: " in said
    done = ctl.run("convert", "--lenient", "-f", file)
    assert done.returncode == 0 and "tty: left out: " in done.stderr


def test_a_list_of_kubernetes_is_each_of_its_items(ctl, write):
    item = yaml.safe_load(of_kubernetes("x"))
    other = yaml.safe_load(of_kubernetes("y", image="busybox"))
    other["spec"]["paused"] = True
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [item, other]})
    assert "items[1].spec.paused: " in ctl.fails(1, "convert", "-f", write(text))


def test_run_declares_a_deployment_and_a_service(api, ctl, name):
    listen = f"127.0.0.1:{free_port()}"
    done = ctl.ok("run", "host:5000/app/web:1", "--name", name, "-r", 2, "-p", "http=80", "-e", "A=b=c",
                  "-l", "team=shop", "-m", "64Mi", "--listen", listen, "--", "--flag", "x")
    assert done == f"service/{name} created\ndeployment/{name} created\n"
    made = api.get(f"/deployments/{name}").ok()
    assert made["status"]["ready"] == 2 and made["env"] == {"A": "b=c"}
    assert made["args"] == ["--flag", "x"] and made["labels"] == {"team": "shop"}
    assert api.get(f"/services/{name}").ok()["listen"] == listen
    assert "exists" in ctl.fails(5, "run", "app/web:1", "--name", name)


def test_run_takes_the_name_from_the_image(ctl):
    shown = yaml.safe_load(ctl.ok("run", "host:5000/shop/Web_App:1.2", "--dry-run"))
    assert shown == {"kind": "Deployment", "name": "web-app", "replicas": 1,
                     "image": "host:5000/shop/Web_App:1.2"}


def test_a_plan_is_shown_or_said_to_be_lacking(api, ctl, write, name):
    done = ctl.run("plan", "-f", write(own(name)))
    lacking = "has no /api/v1/plan" in done.stderr
    assert done.returncode == (1 if lacking else 2), done
    assert api.get(f"/deployments/{name}").status == 404
