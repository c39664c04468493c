"""Which gates may take the tests of a file, judged by its path alone."""

from __future__ import annotations

import pytest

from pytest_batchgate.core.agreed import path_matches
from pytest_batchgate.core.claims import claimants
from pytest_batchgate.core.model import Gate, GateName, Tests


@pytest.mark.parametrize(
    ("path", "prefix", "expected"),
    [
        ("tests/a.py", "tests", True),
        ("tests/a.py", "tests/", True),
        ("tests/a.py", "./tests", True),
        ("tests/a.py", "tests/a.py", True),
        ("tests/a.py", ".", True),
        ("tests/a.py", "", True),
        ("tests2/a.py", "tests", False),
        ("tests/a.py", "tests/a", False),
        ("a/tests/a.py", "tests", False),
    ],
)
def test_a_path_lies_at_or_under_a_prefix(path: str, prefix: str, expected: bool) -> None:
    assert path_matches(path, [prefix]) is expected


def test_asking_ends_at_the_first_gate_that_takes_whatever_is_left() -> None:
    """slow (by marker), it (all of i/), unit (the rest)"""
    slow = Gate(name=GateName("slow"), work=Tests(expression="slow"))
    it = Gate(name=GateName("it"), work=Tests(paths=("i",)))
    both = Gate(name=GateName("both"), work=Tests(paths=("i",), expression="x"))
    unit = Gate(name=GateName("unit"), work=Tests(rest=True))
    claims = [slow, both, it, unit]
    assert claimants("i/a.py", claims) == (0, 1, 2)
    assert claimants("u/a.py", claims) == (0, 3)
    assert claimants("u/a.py", [both, it]) == ()
