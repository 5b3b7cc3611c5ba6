"""A container that a proxy leaves out: who says so, and that no client notices."""
import http.server
import threading

from harness.load import ask
from harness.objects import containers, deploy, service, wait_endpoints
from harness.ports import free_port
from harness.wait import eventually


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_):
        pass


def test_one_that_refuses_is_left_out_and_told_everywhere(api, name):
    port = free_port()
    deploy(api, name, replicas=2, ports=[{"containerPort": 8099}])
    # The simulated containers listen nowhere; one of them does here.
    one, other = containers(api, name)
    server = http.server.ThreadingHTTPServer((one["address"], 8099), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        api.post("/services", service(name, f"127.0.0.1:{port}", ejection={
            "failures": 3, "time": "1h", "maxTime": "1h"})).check(201)
        wait_endpoints(api, name, 2)
        told = False
        while not told:     # until every worker has met it
            assert ask(port) == (200, "ok")
            told = api.get(f"/services/{name}").ok()["status"]["ejections"]
        assert told[0]["container"] == other["id"] and told[0]["node"] == "node-1"
        assert "connects failed in a row" in told[0]["message"]
        rows = {row["container"]: row for row in api.items(f"/services/{name}/endpoints")}
        assert rows[one["id"]]["ejected"] is None
        assert told[0]["message"] in rows[other["id"]]["ejected"]
        why = api.get(f"/deployments/{name}/why").ok()["containers"]
        assert [(row["container"], row["reason"]) for row in why] == [(other["id"], "Ejected")]
        problems = api.items("/problems")
        assert "EndpointEjected" in {row["reason"] for row in problems
                                     if row["object"] == f"services/{name}"}
        events = api.items(f"/events?object=services/{name}&reason=EndpointEjected")
        assert other["id"] in events[0]["message"]
        api.patch(f"/services/{name}", {"ejection": {"failures": 0}}).check(200)
        eventually(lambda: not api.get(f"/services/{name}").ok()["status"]["ejections"],
                   what="its return")
        assert api.items(f"/events?object=services/{name}&reason=EndpointReturned")
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
