"""Running one command and seeing what it cost: wall time, CPU, memory, and what else ran meanwhile."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SAMPLE_EVERY_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One finished command.

    ``cpu_s`` covers its waited-for descendants.  ``tree_rss_bytes`` is the highest
    sampled sum over the process tree, None where it was not sampled.
    ``foreign_cpu_s`` is what the rest of the machine used meanwhile, None off Linux.
    ``exit_code`` is minus the signal's number for a death by signal.
    """

    exit_code: int
    wall_s: float
    cpu_s: float
    peak_rss_bytes: int  # of the largest single process
    tree_rss_bytes: int | None
    foreign_cpu_s: float | None
    output: str
    pid: int
    timed_out: bool = False


def run(
    argv: list[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    timeout_s: float = 900.0,
    sample: bool = False,
) -> Run:
    """Run ``argv`` without stdin, its output in the file ``log``.

    ``sample`` watches the memory of its process tree, which costs a little time.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        busy_before = _busy_cpu_s()
        started = time.perf_counter()
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        expired = threading.Event()
        guard = threading.Timer(timeout_s, _expire, (process.pid, expired))
        guard.daemon = True
        guard.start()
        sampler = _TreeSampler(process.pid) if sample else None
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        guard.cancel()
        tree_rss_bytes = sampler.stop() if sampler else None
        busy_after = _busy_cpu_s()
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu_s = usage.ru_utime + usage.ru_stime
    foreign = (
        None if busy_before is None or busy_after is None else max(0.0, busy_after - busy_before - cpu_s)
    )
    unit = 1 if os.uname().sysname == "Darwin" else 1024
    return Run(
        exit_code=process.returncode,
        wall_s=wall_s,
        cpu_s=cpu_s,
        peak_rss_bytes=usage.ru_maxrss * unit,
        tree_rss_bytes=tree_rss_bytes,
        foreign_cpu_s=foreign,
        output=log.read_text(encoding="utf-8", errors="replace"),
        pid=process.pid,
        timed_out=expired.is_set(),
    )


def _expire(pid: int, expired: threading.Event) -> None:
    expired.set()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _busy_cpu_s() -> float | None:
    """CPU seconds that the whole machine has spent working, steal time included."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in fields[:8])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class _TreeSampler:
    """Sums the resident memory of a process and its descendants, ten times a second."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> int | None:
        self._done.set()
        self._thread.join()
        return self._peak or None

    def _sample(self) -> None:
        while not self._done.wait(SAMPLE_EVERY_S):
            self._peak = max(self._peak, _tree_rss_bytes(self._pid))


def _tree_rss_bytes(root: int) -> int:
    page = os.sysconf("SC_PAGE_SIZE")
    parents: dict[int, int] = {}
    resident: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(entry.name)] = int(fields[1])
        resident[int(entry.name)] = int(fields[21]) * page
    total = 0
    for pid, rss in resident.items():
        ancestor = pid
        while ancestor not in (root, 0, 1):
            ancestor = parents.get(ancestor, 0)
        total += rss if ancestor == root else 0
    return total
