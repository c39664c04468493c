"""Runs pytest until it ends, its time is up or the job is cancelled; then it may still write its reports.

The runner cancels a step by SIGINT to its process, SIGTERM 7.5 seconds later and SIGKILL after another 2.5.
pytest is in a session of its own, so that each signal reaches it once and through us.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

from batchgate_action.runner import say

GRACE_S = 15.0  # after the time is up; the plugin itself gives gates three seconds
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h
LAST_S = 5.0  # after the second signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """``code``: as a shell would have it.  ``cause``: timeout or cancelled, if it was made to end."""

    code: int
    cause: str | None
    took_s: float


def run(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    timeout_s: float | None,
    grace_s: float = GRACE_S,
    last_s: float = LAST_S,
) -> Ended:
    began = time.monotonic()
    asked: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        if process is not None:
            _signal(process, signal.SIGINT if len(asked) == 1 else signal.SIGTERM)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        process = subprocess.Popen(
            argv,
            env=dict(environ),
            start_new_session=True,
            preexec_fn=_interrupt_with_us,  # noqa: PLW1509 -- no thread of ours could hold a lock
        )
        if asked:  # while it started
            _signal(process, signal.SIGINT)
        out_of_time = not _waited(process, timeout_s)
        if out_of_time and not asked:
            say(f"The input timeout ({timeout_s:g} s) is over: the run is interrupted")
        if out_of_time:
            _end(process, grace_s, last_s)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    cause = "cancelled" if asked else "timeout" if out_of_time else None
    code = process.returncode
    return Ended(code=128 - code if code < 0 else code, cause=cause, took_s=time.monotonic() - began)


def _interrupt_with_us() -> None:
    """In the child: should we be killed, it is interrupted.  Linux alone can do that."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGINT)


def _end(process: subprocess.Popen[bytes], grace_s: float, last_s: float) -> None:
    for number, patience_s in ((signal.SIGINT, grace_s), (signal.SIGTERM, last_s)):
        _signal(process, number)
        if _waited(process, patience_s):
            return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _waited(process: subprocess.Popen[bytes], timeout_s: float | None) -> bool:
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)
