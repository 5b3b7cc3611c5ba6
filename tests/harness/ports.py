"""Free ports on loopback, below the range that outgoing connections take theirs from."""
import os
import random
import socket

# Test runners that work side by side take ports of their own: the n-th of m every m-th.
_first = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_step = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_given = set()
_random = random.SystemRandom()


def free_port(address="127.0.0.1"):
    for _ in range(1000):
        port = _random.randrange(18000 + _first, 32000, _step)
        if port not in _given and _is_free(address, port):
            _given.add(port)
            return port
    raise RuntimeError("no free port found")


def _is_free(address, port):
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def free_listen():
    return f"127.0.0.1:{free_port()}"
