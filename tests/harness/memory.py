"""What a process holds in memory, for tests that bound its growth."""
from .processes import status_field

MIB = 1024 * 1024


def resident_bytes(pid):
    return int(status_field(pid, "VmRSS")[0]) * 1024
