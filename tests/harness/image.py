"""The images of the end-to-end tests: busybox and a page that tells who serves it."""
import io
import tarfile
from pathlib import Path

BUSYBOX = Path("/bin/busybox")
APPLETS = ("sh", "httpd", "hostname", "sleep", "echo", "cat", "test", "[", "touch", "tail", "id",
           "true", "false", "env", "kill", "nc", "pwd")
SERVE = """#!/bin/sh
echo "starting version {version}"
mkdir -p /www/cgi-bin
echo "$(hostname) v{version}" > /www/index.html
echo fine > /www/healthz
httpd -f -p 8080 -h /www &
server=$!
trap 'echo ending; kill $server; exit 0' TERM
wait $server
"""
SLOW = """#!/bin/sh
sleep 1
printf 'Content-Type: text/plain\\r\\n\\r\\n'
hostname
"""


def _add(archive, name, data=b"", mode=0o755, kind=tarfile.REGTYPE, link=""):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.type, entry.linkname = len(data), mode, kind, link
    archive.addfile(entry, io.BytesIO(data))


def layer(version):
    """A root file system as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in ("bin", "etc", "tmp", "www", "www/cgi-bin"):
            _add(archive, folder, mode=0o777, kind=tarfile.DIRTYPE)
        _add(archive, "bin/busybox", BUSYBOX.read_bytes())
        for applet in (*APPLETS, "mkdir"):
            _add(archive, f"bin/{applet}", kind=tarfile.SYMTYPE, link="busybox")
        _add(archive, "serve", SERVE.format(version=version).encode())
        _add(archive, "www/cgi-bin/slow", SLOW.encode())
        _add(archive, "etc/passwd", b"root:x:0:0::/:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n", 0o644)
        _add(archive, "etc/group", b"root:x:0:\nweb:x:1000:\n", 0o644)
    return buffer.getvalue()
