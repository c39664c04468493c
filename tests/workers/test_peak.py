"""Whose memory a peak is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_batchgate.workers.peak import own_peak_bytes

CHILD = (
    "import resource; from pytest_batchgate.workers.peak import own_peak_bytes, peak_bytes; "
    "print(own_peak_bytes(), peak_bytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))"
)
PARENT = f"""
import subprocess, sys
held = b"x" * (300 << 20)  # pages that are only zeros would not be resident
subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
"""


def test_it_grows_with_what_is_held() -> None:
    before = own_peak_bytes()
    held = b"x" * (before + (20 << 20))
    assert own_peak_bytes() >= len(held)


@pytest.mark.integration
@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_what_the_process_above_had_used_is_not_ours() -> None:
    """getrusage says otherwise: of a command of 260 MiB it could then not be told that it used them."""
    told = subprocess.run([sys.executable, "-c", PARENT], capture_output=True, text=True, check=True)
    own, by_getrusage = map(int, told.stdout.split())
    assert own < 200 << 20
    assert by_getrusage >= 300 << 20
