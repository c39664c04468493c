"""What a run left running although all that started it has ended."""

from __future__ import annotations

import time

from pytest_batchgate.workers.process import NOBODY, Tree, describe, end_all, wait_gone


def end_marked(marker: bytes, *, leeway_s: float = 0.2, grace_s: float = 0.5) -> tuple[str, ...]:
    """End every process that this one, or one of its descendants, has started with the marker.

    Those that go within ``leeway_s`` by themselves are not meant.  Returns descriptions of the others.
    """
    tree = Tree(NOBODY, marker)
    left = tree.members()
    if left:
        wait_gone(left, time.monotonic() + leeway_s)
        left = tree.members()
    names = tuple(describe(proc) for proc in left)
    if left:
        end_all(tree, grace_s=grace_s)
    return names
