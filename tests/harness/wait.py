"""Waiting for a state: polls until a deadline, never a bare sleep."""
import time

PAUSE = 0.02


def eventually(probe, within=10.0, what="the expected state"):
    """Calls `probe` until it answers something true; an AssertionError in it counts as not yet."""
    deadline = time.monotonic() + within
    last = None
    while True:
        try:
            last = probe()
            if last:
                return last
        except AssertionError as fault:
            last = fault
        if time.monotonic() >= deadline:
            raise AssertionError(f"no {what} within {within} s; the last look gave: {last!r}")
        time.sleep(PAUSE)


def throughout(probe, seconds, what="the state"):
    """Asserts that `probe` stays true for `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        seen = probe()
        assert seen, f"{what} did not last: {seen!r}"
        time.sleep(PAUSE)
