"""Free ports on loopback, below the range that outgoing connections take theirs from."""
import random
import socket

_given = set()
_random = random.SystemRandom()


def free_port(address="127.0.0.1"):
    for _ in range(1000):
        port = _random.randrange(18000, 32000)
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
