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
from pathlib import Path
from types import FrameType
from typing import IO

from batchgate_action.runner import say

GRACE_S = 15.0  # after the time is up; the plugin itself gives gates three seconds
LAST_S = 5.0  # after the second signal
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h
_SET_CHILD_SUBREAPER = 36  # likewise
_SET_DUMPABLE = 4  # likewise
_REAP_EVERY_S = 1.0
_STRAYS_S = 5.0  # for processes that stayed behind, to be gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """``code``: as a shell would have it.  ``cause``: timeout or cancelled, if it was made to end."""

    code: int
    cause: str | None
    took_s: float


def hide() -> None:
    """Our environment and open files from others of the same user: there stands what gates do not get.

    Root sees them still.
    """
    _prctl(_SET_DUMPABLE, 0)


def run(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    timeout_s: float | None,
    grace_s: float = GRACE_S,
    last_s: float = LAST_S,
    adopt: bool = False,
    stdout: IO[bytes] | None = None,
    stderr: IO[bytes] | None = None,
) -> Ended:
    """``adopt``: what it leaves behind becomes ours and is ended; this process has no other children."""
    began = time.monotonic()
    asked: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        if process is not None:
            _signal(process, signal.SIGINT if len(asked) == 1 else signal.SIGTERM)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    if adopt:
        _prctl(_SET_CHILD_SUBREAPER, 1)
    try:
        process = subprocess.Popen(
            argv,
            env=dict(environ),
            start_new_session=True,
            stdout=stdout,
            stderr=stderr,
            preexec_fn=_interrupt_with_us,  # noqa: PLW1509 -- no thread of ours could hold a lock
        )
        if asked:  # while it started
            _signal(process, signal.SIGINT)
        out_of_time = not _waited(process, timeout_s, adopt=adopt)
        if out_of_time and not asked:
            say(f"The input timeout ({timeout_s:g} s) is over: the run is interrupted")
        if out_of_time:
            _end(process, grace_s, last_s)
    finally:
        if adopt:
            _end_strays()
        for number, handler in before.items():
            signal.signal(number, handler)
    cause = "cancelled" if asked else "timeout" if out_of_time else None
    code = process.returncode
    return Ended(code=128 - code if code < 0 else code, cause=cause, took_s=time.monotonic() - began)


def _interrupt_with_us() -> None:
    """In the child: should we be killed, it is interrupted."""
    _prctl(_SET_DEATH_SIGNAL, signal.SIGINT)


def _prctl(what: int, value: int) -> None:
    """Linux alone has it; elsewhere nothing happens."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(what, value, 0, 0, 0)


def _end_strays() -> None:
    """Kill what a test left behind, whatever it did to hide: its parent has ended, and so it is ours.

    It could write to the runner's files when nobody looks any more, and print what the runner obeys.
    """
    give_up_at = time.monotonic() + _STRAYS_S
    while strays := _descendants(os.getpid()):
        for pid in strays:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        _reap()
        if time.monotonic() > give_up_at:  # one that waits for a device cannot be killed
            return
        time.sleep(0.01)


def _descendants(pid: int) -> list[int]:
    """Of Linux's /proc; elsewhere none are found."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            parent = int(entry.read_bytes().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.parent.name))
    found = list(children.get(pid, ()))
    for each in found:  # grows while it is looked through
        found += children.get(each, ())
    return found


def _end(process: subprocess.Popen[bytes], grace_s: float, last_s: float) -> None:
    for number, patience_s in ((signal.SIGINT, grace_s), (signal.SIGTERM, last_s)):
        _signal(process, number)
        if _waited(process, patience_s):
            return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _waited(process: subprocess.Popen[bytes], timeout_s: float | None, *, adopt: bool = False) -> bool:
    give_up_at = float("inf") if timeout_s is None else time.monotonic() + timeout_s
    while True:
        try:
            process.wait(max(0.0, min(_REAP_EVERY_S, give_up_at - time.monotonic())))
        except subprocess.TimeoutExpired:  # noqa: PERF203 -- once a second
            if adopt:
                _reap(but=process.pid)
            if time.monotonic() >= give_up_at:
                return False
        else:
            return True


def _reap(*, but: int = 0) -> None:
    """Wait for those that ended: orphans of the run have become our children.  ``but``: not for this one."""
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid == but:
                return
            os.waitpid(ended.si_pid, 0)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)
