"""Ending one worker for good: its process, its group, and what descends from it in other sessions.

Loaded when it is needed: most runs end no worker.
"""

from __future__ import annotations

import signal
import time

from pytest_batchgate.workers.process import Tree, end_all, look, send, send_group, wait_gone


def end_worker(pid: int, first: signal.Signals, grace_s: float) -> None:
    """``first`` to the group, SIGKILL to all that is left after ``grace_s``.  Takes that long.

    A worker that goes in time after a SIGINT has torn its fixtures down: what its tests left
    is for the end of the run to find.
    """
    leader = look(pid)
    if leader is None:
        return
    tree = Tree(pid, None)
    tree.members()  # remembered: orphans are out of sight once their parents are gone
    if leader.group == pid:
        send_group(pid, first)
    else:  # it leads its own group once it has called setsid; until then it has no children
        send(leader, first)
    if first is signal.SIGTERM:
        send(leader, signal.SIGCONT)  # the stopped cannot heed it
    wait_gone([leader], time.monotonic() + grace_s)
    left = look(pid)
    if first is signal.SIGTERM or (left is not None and left.started == leader.started and not left.zombie):
        end_all(tree, grace_s=0)
