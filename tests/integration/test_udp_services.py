"""Services of protocol udp: what is declared, and datagrams that go there and back."""
import select
import socket
import threading

from harness.objects import containers, deploy, service, wait_endpoints
from harness.ports import free_listen, free_port
from harness.wait import eventually

PORTS = [{"name": "dns", "containerPort": 5300, "protocol": "udp"},
         {"name": "dns-tcp", "containerPort": 8080}]


class Echo:
    """What would run in the container: tells its name to whoever asks."""

    def __init__(self, address, name):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 5300))
        self._name = name.encode()
        self._ends, self._end = socket.socketpair()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while True:
            ready, _, _ = select.select([self._socket, self._ends], [], [])
            if self._ends in ready:
                return
            self._socket.sendto(self._name, self._socket.recvfrom(2048)[1])

    def close(self):
        self._end.close()
        self._thread.join(10)
        self._socket.close()
        self._ends.close()


def ask(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.sendto(b"?", ("127.0.0.1", port))
        return client.recv(2048).decode()


def test_datagrams_go_to_every_container_and_back(shared_http, name):
    api, port = shared_http.api, free_port()
    deploy(api, name, replicas=2, ports=PORTS)
    api.post("/services", service(name, f"127.0.0.1:{port}", protocol="udp",
                                  targetPort="dns")).check(201)
    wait_endpoints(api, name, 2)
    running = containers(api, name)
    echoes = [Echo(item["address"], item["id"]) for item in running]
    try:
        assert {ask(port) for _ in range(40)} == {item["id"] for item in running}
    finally:
        for echo in echoes:
            echo.close()


def test_tcp_and_udp_share_a_listen(api, name):
    listen = free_listen()
    api.post("/services", service(name, listen)).check(201)
    api.post("/services", service(f"{name}-u", listen, protocol="udp")).check(201)
    api.post("/services", service(f"{name}-v", listen, protocol="udp")).error(409)
    for one in (name, f"{name}-u"):
        eventually(lambda: [listener["state"] for listener in
                            api.get(f"/services/{one}").ok()["status"]["listeners"]]
                   == ["listening"], what=f"{one} listens")


def test_a_listen_that_a_stranger_has_is_told(api, name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{stranger.getsockname()[1]}"
        api.post("/services", service(name, listen, protocol="udp")).check(201)

        def told():
            listeners = api.get(f"/services/{name}").ok()["status"]["listeners"]
            return listeners and listeners[0]["message"]
        assert eventually(told).startswith(f"{listen} is in use by another program")


def test_settings_of_http_are_refused_by_name(api, name):
    wrong = service(name, free_listen(), protocol="udp", hosts=["a.test"], pathPrefix="/x",
                    sticky={"cookie": "c"})
    reply = api.post("/services", wrong).error(400, "VALIDATION_FAILED")
    assert {fault["field"] for fault in reply["details"]} == {"hosts", "pathPrefix", "sticky"}


def test_a_port_of_the_other_kind_is_refused(api, name):
    deploy(api, name, ports=PORTS)
    for protocol, port in (("tcp", "dns"), ("udp", "dns-tcp")):
        reply = api.post("/services", service(name, free_listen(), protocol=protocol,
                                              targetPort=port)).error(400, "VALIDATION_FAILED")
        assert [fault["field"] for fault in reply["details"]] == ["protocol"]
