"""What a run left running although all that started it has ended."""

from __future__ import annotations

import time

from pytest_batchgate.core.protocol import Leftover
from pytest_batchgate.workers.process import (
    NOBODY,
    Proc,
    Tree,
    describe,
    end_all,
    environment_of,
    wait_gone,
)


def end_marked(marker: bytes, *, leeway_s: float = 0.2, grace_s: float = 0.5) -> tuple[Leftover, ...]:
    """End every process that this one, or one of its descendants, has started with the marker.

    Those that go within ``leeway_s`` by themselves are not meant.  Returns the others.
    """
    tree = Tree(NOBODY, marker)
    left = tree.members()
    if left:
        wait_gone(left, time.monotonic() + leeway_s)
        left = tree.members()
    found = tuple(map(_leftover, left))
    if left:
        end_all(tree, grace_s=grace_s)
    return found


def _leftover(proc: Proc) -> Leftover:
    """A program that a test started has the test's environment; a fork of the worker the worker's own."""
    variables = dict(
        entry.partition(b"=")[::2] for entry in environment_of(proc.pid).split(b"\0") if b"=" in entry
    )
    gate = variables.get(b"BATCHGATE_GATE", b"").decode("utf-8", "replace")
    test, _, phase = variables.get(b"PYTEST_CURRENT_TEST", b"").decode("utf-8", "replace").rpartition(" (")
    test = "".join(c if c.isprintable() else "?" for c in test) if phase else ""
    return Leftover(what=describe(proc), gate=gate or None, test=(gate and test) or None)
