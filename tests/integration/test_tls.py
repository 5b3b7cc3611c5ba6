"""Services with `tls`: which certificate is shown to whom, what renewing one touches, and what
hostile clients can't do."""
import signal
import socket
import ssl
import struct
import subprocess

import pytest

from harness.certificates import Pair, SecureLoad, connect, context, https, shown
from harness.daemon import Daemon, program
from harness.objects import http_deployment, service, wait_complete, wait_endpoints
from harness.ports import free_port
from harness.rawhttp import exchange, receive
from harness.wait import eventually


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def pairs(folder):
    return {"shop": Pair(folder, "shop", ["shop.test"]),
            "wild": Pair(folder, "wild", ["*.test"], key="rsa:2048"),
            "late": Pair(folder, "late").renew(end="20210101000000Z")}


@pytest.fixture(scope="module")
def server(tmp_path_factory, pairs):
    daemon = Daemon(tmp_path_factory.mktemp("tls"), {
        "runtime": {"config": {"http": True}},
        "proxy": {"certificates": [pair.setting for pair in pairs.values()]}}).start()
    yield daemon
    daemon.stop()


@pytest.fixture
def api(server):
    return server.api


def serve(api, name, port, certificate="shop", **changes):
    body = service(name, f"127.0.0.1:{port}", **{"protocol": "http",
                                                 "tls": {"certificate": certificate}, **changes})
    api.post("/services", body).check(201)
    return port


def deploy(api, name, replicas=1):
    api.post("/deployments", http_deployment(name, replicas=replicas)).check(201)
    wait_complete(api, name)
    wait_endpoints(api, name, replicas)


@pytest.fixture
def port(api, name):
    port = serve(api, name, free_port())
    deploy(api, name)
    return port


def get(port, host, path="/", headers=None):
    connection = https(port, host)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


# -- what clients see

def test_curl_trusts_it_and_is_answered(port, pairs):
    done = subprocess.run(["curl", "-sS", "--http1.1", "--max-time", "10", "--cacert",
                           pairs["shop"].cert_file, "--connect-to", f"shop.test:443:127.0.0.1:{port}",
                           "-w", "%{http_code} %{ssl_verify_result}", "-o", "/dev/null",
                           "https://shop.test/"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "200 0"), done.stderr


def test_versions_below_1_2_and_weak_ciphers_are_refused(port):
    for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
        client = context()
        client.minimum_version = client.maximum_version = version
        with socket.create_connection(("127.0.0.1", port), 10) as plain, \
                client.wrap_socket(plain, server_hostname="shop.test") as secure:
            assert secure.version() == version.name.replace("_", ".")
    for ciphers in "AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256":
        client = context()
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        client.set_ciphers(ciphers)
        with socket.create_connection(("127.0.0.1", port), 10) as plain, \
                pytest.raises(ssl.SSLError):
            client.wrap_socket(plain, server_hostname="shop.test")


def test_the_protocol_is_agreed_on(port):
    with connect(port, "shop.test", alpn=["h3", "http/1.1"]) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
    with connect(port, "shop.test") as connection:
        assert connection.selected_alpn_protocol() is None
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        connect(port, "shop.test", alpn=["spdy/3"])


def test_a_session_is_resumed(port):
    for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
        client = context()
        client.minimum_version = client.maximum_version = version
        session = None
        for again in False, True:
            with socket.create_connection(("127.0.0.1", port), 10) as plain, client.wrap_socket(
                    plain, server_hostname="shop.test", session=session) as secure:
                secure.sendall(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
                assert b" 200 " in receive(secure).data
                assert secure.session_reused is again, version
                session = secure.session


def test_the_end_is_said(port):
    """A client can tell a whole reply from one that was cut."""
    with connect(port, "shop.test", suppress_ragged_eofs=False) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
        while connection.recv(65536):
            pass


def test_bodies_of_any_size_go_both_ways(port):
    connection = https(port, "shop.test")
    for size in 0, 1, 16384, 16385, 300_000, 3_000_000:
        connection.request("POST", "/", body=b"x" * size)
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
    connection.close()


def test_requests_in_one_record_are_answered_in_order(port):
    with connect(port, "shop.test") as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n" * 20 +
                           b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
        assert receive(connection).statuses == [200] * 21


# -- which certificate

def test_services_of_one_port_show_their_own(api, pairs, name):
    port = free_port()
    serve(api, f"{name}-a", port, "shop", hosts=["shop.test"])
    serve(api, f"{name}-b", port, "wild", hosts=["*.test"])
    eventually(lambda: shown(port, "shop.test") == pairs["shop"].pem and
               shown(port, "other.test") == pairs["wild"].pem, what="certificates by name")
    assert shown(port, "SHOP.test") == pairs["shop"].pem
    assert shown(port, "a.b.test") == pairs["wild"].pem
    assert shown(port, None) == pairs["shop"].pem  # the least name's
    assert shown(port, "elsewhere.example") == pairs["shop"].pem


def test_a_service_changes_its_certificate_without_a_cut(api, port, name, pairs):
    connection = https(port, "shop.test")
    connection.request("GET", "/")
    connection.getresponse().read()
    before = connection.sock
    api.patch(f"/services/{name}", {"tls": {"certificate": "wild"}}).check(200)
    eventually(lambda: shown(port, "shop.test") == pairs["wild"].pem, what="the other one")
    connection.request("GET", "/")
    assert connection.getresponse().status == 200 and connection.sock is before
    connection.close()


def test_a_tcp_service_is_relayed(api, name):
    port = serve(api, name, free_port(), protocol="tcp")
    deploy(api, name)
    with connect(port, "any.test", suppress_ragged_eofs=False) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = receive(connection)
        assert answer.status == 200 and answer.closed


# -- renewing

def test_renewed_files_are_taken_under_load_without_a_cut(server, api, port, pairs):
    with SecureLoad(port, "shop.test") as load:
        for by_signal in False, True:
            before = pairs["shop"].pem
            pairs["shop"].renew()
            if by_signal:
                server.process.send_signal(signal.SIGHUP)
            eventually(lambda: shown(port, "shop.test") == pairs["shop"].pem != before,
                       within=20, what="the renewed certificate")
    load.check(at_least=50)


def test_bad_files_leave_the_old_one_in_force(server, port, pairs):
    pair = pairs["shop"]
    good, key = pair.cert_file.read_text(), pair.key_file.read_text()
    old = shown(port, "shop.test")
    for certificate, words in (("garbage", "no certificate in PEM form"),
                               (pairs["wild"].pem, "does not belong to"),
                               (None, "expired on")):
        if certificate is None:
            pair.renew(end="20210101000000Z")
        else:
            pair.cert_file.write_text(certificate)
        before = len(server.log())
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: words in server.log()[before:], what=f"the log's word: {words}")
        assert shown(port, "shop.test") == old
    pair.cert_file.write_text(good)
    pair.key_file.write_text(key)
    pair.pem = good
    assert "PRIVATE KEY" not in server.log()


def test_the_proxy_killed_has_them_again(server, port, pairs):
    import os
    [proxy] = server.proxies()
    os.kill(proxy, signal.SIGKILL)
    eventually(lambda: server.proxies() not in ([], [proxy]), what="another proxy")
    assert get(port, "shop.test")[0] == 200
    assert shown(port, "shop.test") == pairs["shop"].pem


# -- what the API says

def test_an_unknown_certificate_is_refused_by_name(api, name):
    answer = api.post("/services", service(name, f"127.0.0.1:{free_port()}", protocol="http",
                                           tls={"certificate": "nobody"}))
    assert answer.status == 400
    [fault] = answer.json["details"]
    assert fault["field"] == "tls.certificate" and "proxy.certificates" in fault["message"]


def test_a_path_is_no_certificate(api, name):
    for tls in {"certificate": "/etc/shadow"}, {"certificate": "../x"}, {"certFile": "/x"}, {}:
        assert api.post("/services", service(name, f"127.0.0.1:{free_port()}", protocol="http",
                                             tls=tls)).status == 400


def test_plain_and_tls_do_not_share_a_port(api, name):
    port = serve(api, f"{name}-a", free_port(), hosts=["a.test"])
    for tls, hosts, status in ((None, ["b.test"], 409), ({"certificate": "wild"}, ["a.test"], 409),
                               ({"certificate": "wild"}, ["b.test"], 201)):
        answer = api.post("/services", service(f"{name}-b", f"127.0.0.1:{port}", protocol="http",
                                               tls=tls, hosts=hosts, pathPrefix="/x"))
        assert answer.status == status, answer.json


def test_keys_are_nowhere_to_be_read(server, api, pairs):
    secret = "".join(pairs["shop"].key_file.read_text().splitlines()[1:-1])[8:40]
    for path in "/config", "/services", "/events":
        assert secret not in api.get(path).text
    assert secret not in server.log()


def test_what_is_wrong_is_said_before_the_start(tmp_path, pairs):
    weak = Pair(tmp_path, "weak", key="rsa:1024")
    open_key = Pair(tmp_path, "open")
    open_key.key_file.chmod(0o644)
    config = tmp_path / "f.yaml"
    for setting, path, words in (
            ({**pairs["shop"].setting, "keyFile": "/nowhere"}, "keyFile", "can't be read"),
            ({**pairs["shop"].setting, "keyFile": str(pairs["wild"].key_file)}, "keyFile",
             "does not belong to"),
            (weak.setting, "certFile", "too weak"), (open_key.setting, "keyFile", "chmod 600"),
            (pairs["late"].setting, "certFile", "expired on 2021-01-01")):
        config.write_text("proxy: {certificates: [%s]}" % str(setting).replace("'", '"'))
        done = subprocess.run([program(), "--config", config, "--check-config"],
                              capture_output=True, text=True)
        assert done.returncode == 2
        assert f"proxy.certificates[0].{path}: " in done.stderr and words in done.stderr, done.stderr


# -- hostile clients

def test_plain_http_is_told_so(port):
    answer = exchange(port, b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n", enough=None)
    assert answer.statuses == [400] and answer.closed and b"https://" in answer.data


def test_garbage_ends_its_own_connection_alone(port):
    hello = b"\x16\x03\x01"
    for bytes_sent in (b"\x00" * 100, b"\x80\x2e\x01\x03\x01", hello + struct.pack(">H", 5) + b"\x02\0\0\x01\0",
                       hello + struct.pack(">H", 0xffff) + b"\x01" * 70000,
                       hello + b"\x40\0\x01\xff\xff\xf0" + b"a" * 16380 +  # a hello of 16 MiB
                       (hello + b"\x40\0" + b"a" * 16384) * 5,
                       b"\x15\x03\x01\x00\x02\x02\x28", b"\x17\x03\x03\x00\x05hello"):
        answer = exchange(port, bytes_sent, within=5, enough=None)
        assert answer.closed, bytes_sent[:8]
    assert get(port, "shop.test")[0] == 200


def test_a_cut_or_altered_record_is_no_request(api, port, name):
    for spoil in "cut", "alter":
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context().wrap_bio(incoming, outgoing, server_hostname="shop.test")
        with socket.create_connection(("127.0.0.1", port), 10) as plain:
            shake(client, incoming, outgoing, plain)
            client.write(b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\n\r\nhello")
            record = bytearray(outgoing.read())
            if spoil == "cut":
                plain.sendall(record[:-4])
                plain.shutdown(socket.SHUT_WR)
            else:
                record[-5] ^= 1
                plain.sendall(record)
            assert receive(plain, 5).closed
    assert sum(item["served"] for item in api.items(f"/services/{name}/endpoints")) == 0


def shake(client, incoming, outgoing, plain):
    while True:
        try:
            client.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            done = False
        plain.sendall(outgoing.read())
        if done:
            return
        incoming.write(plain.recv(65536))


def test_handshakes_that_stand_still_do_not_keep_others_out(port):
    """More of them than a worker keeps; each has said a part of its hello."""
    idle = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(1200)]
    try:
        for connection in idle:
            try:
                connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
            except ConnectionError:
                pass  # a later one has taken its place
        for _ in range(5):
            assert get(port, "shop.test")[0] == 200
    finally:
        for connection in idle:
            connection.close()


def test_renegotiation_is_refused(port):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2", "-servername",
               "shop.test"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as client:
        client.stdin.write("R\n")
        client.stdin.flush()
        out = client.communicate(timeout=20)[0]
    assert "RENEGOTIATING" in out and client.returncode != 0, out[-500:]


# -- rollouts

def test_a_rollout_over_tls_fails_no_request(api, name):
    port = serve(api, name, free_port())
    deploy(api, name, replicas=2)
    with SecureLoad(port, "shop.test") as load:
        for image in "app/web:2", "app/web:3":
            api.patch(f"/deployments/{name}", {"image": image}).check(200)
            wait_complete(api, name)
    load.check(at_least=20)
