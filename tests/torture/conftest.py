"""Daemons over sqlite with the library that makes system calls fail."""
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.daemon import build_folder  # noqa: E402

FAULTY = "tests/torture/faulty.so"


@pytest.fixture
def faulty():
    """The environment that loads it."""
    library = build_folder() / FAULTY
    assert library.exists(), f"{library} is not built: scripts/test-torture builds it"
    return {"LD_PRELOAD": str(library)}


@pytest.fixture
def root():
    if os.geteuid() != 0:
        pytest.skip("needs root")
