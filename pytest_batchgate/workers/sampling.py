"""What workers and commands use, looked at twice a second while somebody wants to know.

A thread of its own, asleep but for these looks; it decides nothing.  A look reads a few files of
/proc per worker.  Commands are looked at by their own threads anyway, less and less often: what they
saw last is passed on.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable

from pytest_batchgate.workers.messages import CommandMeasured, Measured, WorkerMeasured
from pytest_batchgate.workers.younger import read_proc

SAMPLE_S = 0.5
_MOST_PROCESSES = 100  # of one worker; a test that starts more is not followed into all of them

Running = tuple[str, int, float]
Workers = Callable[[], Iterable[tuple[str, int, Running | None]]]
Commands = Callable[[], Iterable[CommandMeasured]]


class Sampler:
    """``workers``: name, process and running test of each; ``commands``: what was last seen of them.

    These, ``wanted`` and ``put`` are called from a thread.
    """

    def __init__(
        self,
        workers: Workers,
        commands: Commands,
        put: Callable[[Measured], None],
        *,
        wanted: Callable[[], bool],
    ) -> None:
        self._workers = workers
        self._commands = commands
        self._put = put
        self._wanted = wanted
        self._over = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._watch, name="batchgate-samples", daemon=True).start()

    def close(self) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_S):
            if self._wanted():
                self._put(self.look())

    def look(self) -> Measured:
        workers = []
        for name, pid, running in self._workers():
            used = usage_of(pid)
            if used is not None:
                workers.append(WorkerMeasured(name, *used, running))
        return Measured(tuple(workers), tuple(self._commands()))


def usage_of(pid: int) -> tuple[float, int] | None:
    """CPU in seconds and resident bytes of a process and what descends from it; None if it is gone.

    Processes that have ended count their CPU as far as they were waited for.
    """
    return _usage_linux(pid) if sys.platform == "linux" else _usage_elsewhere(pid)


def _usage_linux(pid: int) -> tuple[float, int] | None:
    ticks, pages = 0, 0
    waiting = [pid]
    for number in range(_MOST_PROCESSES):
        if not waiting:
            break
        one = waiting.pop()
        try:
            stat = read_proc(f"/proc/{one}/stat")
        except OSError:
            if number == 0:
                return None
            continue
        fields = stat[stat.rfind(b")") + 2 :].split()  # the name before it may hold anything
        ticks += sum(map(int, fields[11:15]))  # utime, stime, and those of children that were waited for
        pages += int(fields[21])
        waiting += _children(one)
    return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE")


def _children(pid: int) -> list[int]:
    """Of all its threads; none where the kernel keeps no such list."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 (a fraction of what pathlib takes)
        return [
            int(child)
            for thread in threads
            for child in read_proc(f"/proc/{pid}/task/{thread}/children").split()
        ]
    except OSError:
        return []


def _usage_elsewhere(pid: int) -> tuple[float, int] | None:
    from pytest_batchgate.workers.process import Tree

    usage = Tree(pid, None).usage()
    return (usage.cpu_s, usage.rss_bytes) if usage.processes else None
