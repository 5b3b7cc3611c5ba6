"""The processes that a test began, found by a mark in their environment, arguments or open log."""
import os
import signal

MARK = "ORCH_TEST_MARK"


def _read(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _standard_error(pid):
    """Where a process logs to: the proxy gets no environment, but inherits the daemon's log."""
    try:
        return os.readlink(f"/proc/{pid}/fd/2").encode()
    except OSError:
        return b""


def marked(mark):
    """Process ids that carry `mark`; a zombie has none of the three."""
    wanted = mark.encode()
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return sorted(pid for pid in pids if pid != os.getpid() and (
        wanted in _read(pid, "environ") or wanted in _read(pid, "cmdline")
        or wanted in _standard_error(pid)))


def name(pid):
    return _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()


def kill_marked(mark):
    for pid in marked(mark):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def status_field(pid, field):
    """A field of /proc/PID/status, as in status_field(pid, "Uid")."""
    for line in _read(pid, "status").decode().splitlines():
        if line.startswith(field + ":"):
            return line.split(":", 1)[1].split()
    return []
