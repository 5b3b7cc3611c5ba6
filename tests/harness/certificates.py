"""Certificates made for a test, and clients that trust them."""
import http.client
import os
import shutil
import socket
import ssl
import subprocess

from .load import KeepAliveLoad


class Pair:
    """A certificate that signs itself, with its key, in two files of a folder."""

    def __init__(self, folder, name, hosts=(), key="ec"):
        self.name = name
        self.cert_file, self.key_file = folder / f"{name}.pem", folder / f"{name}.key"
        self.key, self.hosts = key, list(hosts) or [f"{name}.test"]
        self.renew()

    def renew(self, start=None, end=None):
        """Makes both anew and puts them in their places, each by a rename."""
        made = self.cert_file.with_suffix(".new"), self.key_file.with_suffix(".newkey")
        self._make(*made, start, end)
        for new, place in zip(made, (self.cert_file, self.key_file)):
            os.replace(new, place)
        self.pem = self.cert_file.read_text()
        return self

    def _make(self, certificate, key, start, end):
        kind = (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if self.key == "ec"
                else ["-newkey", self.key])
        names = ",".join(f"DNS:{host}" for host in self.hosts)
        self._run("req", "-new", *kind, "-nodes", "-keyout", str(key), "-subj",
                  f"/CN={self.name}", "-addext", f"subjectAltName={names}", "-x509", "-days", "30",
                  "-out", str(certificate))
        if start or end:
            self._date(certificate, key, start, end)
        key.chmod(0o600)

    def _date(self, certificate, key, start, end):
        """`openssl req` knows no dates; its `ca` does."""
        folder = certificate.parent / "ca"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "index").touch()
        (folder / "serial").write_text("01\n")
        settings = folder / "settings"
        settings.write_text(f"[ca]\ndefault_ca=a\n[a]\ndatabase={folder}/index\nserial={folder}"
                            f"/serial\nnew_certs_dir={folder}\ndefault_md=sha256\npolicy=p\n"
                            "[p]\ncommonName=supplied\n")
        request = folder / "request"
        self._run("req", "-new", "-key", str(key), "-subj", f"/CN={self.name}", "-out",
                  str(request))
        self._run("ca", "-batch", "-selfsign", "-config", str(settings), "-keyfile", str(key),
                  "-in", str(request), "-notext", "-startdate", start or "20200101000000Z",
                  "-enddate", end or "20990101000000Z", "-out", str(certificate))

    @staticmethod
    def _run(*arguments):
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    @property
    def setting(self):
        return {"name": self.name, "certFile": str(self.cert_file), "keyFile": str(self.key_file)}


def shown(port, host, **options):
    """The certificate that a client who asks for `host` is shown, in PEM."""
    with connect(port, host, **options) as connection:
        return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True))


def context(trusted=None, alpn=None):
    """Trusts that certificate alone; None: any."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trusted:
        made.load_verify_locations(cadata=trusted)
    else:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


def connect(port, host, trusted=None, timeout=10.0, alpn=None, **options):
    plain = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    try:
        return context(trusted, alpn).wrap_socket(plain, server_hostname=host, **options)
    except BaseException:
        plain.close()
        raise


class _Secure(http.client.HTTPConnection):
    def __init__(self, port, host):
        super().__init__("127.0.0.1", port, timeout=10)
        self.name = host

    def connect(self):
        self.sock = connect(self.port, self.name)


def https(port, host):
    return _Secure(port, host)


class SecureLoad(KeepAliveLoad):
    """The load over TLS, a new connection every so many requests."""

    def __init__(self, port, host, requests=20, **options):
        super().__init__(port, **options)
        self.host, self.requests = host, requests

    def _ask(self):
        own = self._own
        if not getattr(own, "connection", None):
            own.connection, own.left = https(self.port, self.host), self.requests
            with self._lock:
                self.connects += 1
        own.connection.request("GET", self.path)
        answer = own.connection.getresponse()
        status, body = answer.status, answer.read().decode(errors="replace").strip()
        own.left -= 1
        if not own.left:
            own.connection.close()
            own.connection = None
        return status, body
