"""One command's processes: start the first, wait for it, find all of them, end them.

A command is a tree that may leave its own ground: children move to sessions of
their own, daemons are handed to init.  `Tree` therefore asks four questions of
every process: is it in the command's group, in its session, does it carry the
command's marker in its environment, does it descend from one that does?  What
states all this means is not decided here.

The first process stays unreaped until the rest is gone: while its zombie is
there, neither its id nor its group's can come to belong to somebody else.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.workers.peak import own_peak_bytes, peak_bytes
from pytest_batchgate.workers.younger import Younger, ancestors, read_proc

_SCANS = 4  # when processes came and went during the one before
_EXEC_LOOKS = 50  # a millisecond apart
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD among the flags of /proc/PID/stat
_POLL_S = 0.02  # where the system cannot wake us up: other systems than Linux >= 5.3


NOBODY = -1  # no process has this id


@dataclass(frozen=True, slots=True)
class Proc:
    """A process as seen at one moment.  ``started`` tells it from a later one with its id."""

    pid: int
    ppid: int
    group: int
    session: int
    started: float  # on a clock of the system's own; only compared
    zombie: bool  # or a thread of the kernel's: nothing that could be ended


@dataclass(frozen=True, slots=True)
class Usage:
    """What a tree of processes uses now.  ``cpu_s`` counts the living and the waited-for."""

    cpu_s: float
    rss_bytes: int
    processes: int


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended.  ``returncode`` is minus the signal's number, None if nobody can say."""

    returncode: int | None
    cpu_s: float  # with its waited-for children
    peak_rss_bytes: int  # of the largest process


# --- looking ------------------------------------------------------------------


def look(pid: int) -> Proc | None:
    """One process, or None if it is gone."""
    return _look_linux(pid) if sys.platform == "linux" else _look_psutil(pid)


def _look_linux(pid: int) -> Proc | None:
    # Read by hand: a tenth of psutil's time, and this is done for many processes at every command's end.
    try:
        stat = read_proc(f"/proc/{pid}/stat")
    except OSError:
        return None
    fields = stat[stat.rfind(b")") + 2 :].split()  # the name before it may hold anything
    nothing = fields[0] in b"ZX" or bool(int(fields[6]) & _KERNEL_THREAD)
    return Proc(pid, int(fields[1]), int(fields[2]), int(fields[3]), float(fields[19]), nothing)


def _look_psutil(pid: int) -> Proc | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            return Proc(
                pid,
                process.ppid(),
                os.getpgid(pid),
                os.getsid(pid),
                process.create_time(),
                process.status() == psutil.STATUS_ZOMBIE,
            )
    except (psutil.Error, OSError):
        return None


def environment_of(pid: int) -> bytes:
    """The environment the process was started with, as far as it can be read."""
    try:
        if sys.platform == "linux":
            return _environment_linux(f"/proc/{pid}")
        return "\0".join(f"{k}={v}" for k, v in psutil.Process(pid).environ().items()).encode()
    except (psutil.Error, OSError, ValueError):
        return b""


def _environment_linux(folder: str) -> bytes:
    # In the middle of an exec both files are empty for a moment, and a process
    # that was just let go by its parent is often in the middle of one.
    for _ in range(_EXEC_LOOKS):
        if environment := read_proc(f"{folder}/environ"):
            return environment
        if read_proc(f"{folder}/cmdline"):
            break
        time.sleep(0.001)
    return read_proc(f"{folder}/environ")


def describe(proc: Proc) -> str:
    """``sleep 100 (pid 7)``: for people, on one printable line of bounded length."""
    try:
        process = psutil.Process(proc.pid)
        words = " ".join(process.cmdline()) or process.name()
    except (psutil.Error, OSError):
        words = "?"
    text = "".join(c if c.isprintable() else "?" for c in words[:80])
    return f"{text} (pid {proc.pid})"


class Tree:
    """Every process of one command, whatever became of its parents.  Safe to call from any thread."""

    def __init__(self, leader: int, marker: bytes | None) -> None:
        """``leader``: the first process, NOBODY where only the marker tells; ``marker``: None without one."""
        self._leader = leader
        self._marker = marker
        oldest = leader if leader != NOBODY else os.getpid()
        first = look(oldest)
        self._since = first.started if first is not None else 0.0
        # Ids count from now: our own may be from long before the last time they began again.
        self._pids = Younger(leader, psutil.pids).pids if leader != NOBODY else psutil.pids
        self._known: dict[int, float] = {}  # pid -> started, of all ever found
        self._lock = threading.Lock()

    def members(self) -> list[Proc]:
        """The living, the first process included; zombies are gone as far as we are concerned."""
        with self._lock:
            for _ in range(_SCANS):
                pids = self._pids()
                table = {pid: proc for pid in pids if (proc := look(pid)) is not None}
                found = self._search(table)
                living = [proc for proc in found if not proc.zombie]
                # One that went after it was listed may have left a child that was born after that.
                still = len(table) == len(pids) and all(proc.pid == self._leader for proc in found)
                if living or still:
                    break
            return living

    def _search(self, table: Mapping[int, Proc]) -> list[Proc]:
        spared = _self_and_ancestors(os.getpid())
        # Nothing of the tree is older than its first process: few environments are read.
        young = [p for p in table.values() if p.started >= self._since and p.pid not in spared]
        found = {p.pid for p in young if self._is_ours(p)}
        children: dict[int, list[int]] = {}
        for proc in young:
            children.setdefault(proc.ppid, []).append(proc.pid)
        waiting = list(found)
        while waiting:
            fresh = [pid for pid in children.get(waiting.pop(), ()) if pid not in found]
            found.update(fresh)
            waiting.extend(fresh)
        self._known.update((pid, table[pid].started) for pid in found)
        return [table[pid] for pid in sorted(found)]

    def _is_ours(self, proc: Proc) -> bool:
        return (
            self._leader in {proc.pid, proc.group, proc.session}
            or self._known.get(proc.pid) == proc.started
            or (self._marker is not None and not proc.zombie and self._marker in environment_of(proc.pid))
        )

    def usage(self) -> Usage:
        """CPU and resident memory of the living members, shared pages counted in each."""
        cpu_s, rss, count = 0.0, 0, 0
        for member in self.members():
            with contextlib.suppress(psutil.Error, OSError):
                process = psutil.Process(member.pid)
                times = process.cpu_times()
                cpu_s += times.user + times.system + times.children_user + times.children_system
                rss += process.memory_info().rss
                count += 1
        return Usage(cpu_s, rss, count)


@functools.lru_cache(maxsize=1)
def _self_and_ancestors(pid: int) -> frozenset[int]:
    def parent_of(one: int) -> int | None:
        proc = look(one)
        return proc.ppid if proc is not None else None

    return ancestors(pid, parent_of)


# --- ending -------------------------------------------------------------------


def send(proc: Proc, number: signal.Signals) -> None:
    """Signal exactly this process: never one that got its id since."""
    with contextlib.suppress(OSError):
        if sys.platform == "linux" and hasattr(os, "pidfd_open"):
            with contextlib.suppress(PermissionError):  # forbidden in some sandboxes: by id, then
                pidfd = os.pidfd_open(proc.pid)
                try:
                    now = look(proc.pid)
                    if now is not None and now.started == proc.started:
                        signal.pidfd_send_signal(pidfd, number)
                finally:
                    os.close(pidfd)
                return
        now = look(proc.pid)
        if now is not None and now.started == proc.started:
            os.kill(proc.pid, number)


def send_group(group: int, number: signal.Signals) -> None:
    """Signal a process group whose leader has not been reaped."""
    with contextlib.suppress(OSError):  # nobody left in it, or all of another user
        os.killpg(group, number)


def wait_gone(procs: Iterable[Proc], until: float) -> None:
    """Wait till all are gone, or ``until`` on the monotonic clock.  Zombies are gone."""
    for proc in procs:
        # One at a time: a thousand leftovers must not need a thousand descriptors.
        while (left := until - time.monotonic()) > 0:
            now = look(proc.pid)
            if now is None or now.zombie or now.started != proc.started:
                break
            try:
                pidfd = os.pidfd_open(proc.pid)
            except (OSError, AttributeError):
                time.sleep(min(left, _POLL_S))
                continue
            try:
                # A reused id is waited for in vain until the deadline at worst.
                poller = select.poll()
                poller.register(pidfd, select.POLLIN)
                poller.poll(left * 1000 + 1)
            finally:
                os.close(pidfd)


def end_all(tree: Tree, *, grace_s: float, limit_s: float = 5.0) -> list[Proc]:
    """SIGTERM, ``grace_s``, SIGKILL to all members, and to those born meanwhile.

    Returns those that would not die within ``limit_s`` (seconds after the first
    SIGKILL): in an uninterruptible call, or of another user.
    """
    left = tree.members()
    if left and grace_s > 0:
        for proc in left:
            send(proc, signal.SIGTERM)
            send(proc, signal.SIGCONT)  # the stopped cannot heed SIGTERM
        wait_gone(left, time.monotonic() + grace_s)
        left = tree.members()
    until = time.monotonic() + limit_s
    while left and time.monotonic() < until:
        for proc in left:
            send(proc, signal.SIGKILL)
        wait_gone(left, min(until, time.monotonic() + 0.5))
        left = tree.members()
    return left


# --- the first process --------------------------------------------------------


class Waker:
    """Wakes one waiting thread from others."""

    def __init__(self) -> None:
        self.fd, self._write = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write, False)

    def wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it will wake anyway; closed: nobody waits
            os.write(self._write, b"!")

    def drain(self) -> None:
        with contextlib.suppress(OSError):
            os.read(self.fd, 4096)

    def close(self) -> None:
        os.close(self.fd)
        os.close(self._write)


class Child:
    """A started process in a session of its own.  Wait, then `reap` once."""

    def __init__(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], output: int) -> None:
        """Start ``argv``, both output streams going to the descriptor ``output``.

        Raises OSError or ValueError when it cannot be started.
        """
        self._popen = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )
        self.pid = self._popen.pid
        # A child begins its life with the peak of the process it was made from.
        self._peak_before = own_peak_bytes()
        self._exit: Exit | None = None
        self._pidfd: int | None = None
        with contextlib.suppress(OSError, AttributeError):
            self._pidfd = os.pidfd_open(self.pid)

    def wait(self, timeout_s: float | None, waker: Waker) -> bool:
        """Wait for the end of the process, a wake-up or the timeout; True if it has ended."""
        poller = select.poll()
        poller.register(waker.fd, select.POLLIN)
        until = None if timeout_s is None else time.monotonic() + timeout_s
        if self._pidfd is not None:
            poller.register(self._pidfd, select.POLLIN)
            ready = poller.poll(None if timeout_s is None else max(0.0, timeout_s) * 1000 + 1)
            waker.drain()
            return any(fd == self._pidfd for fd, _ in ready)
        while not self._ended():
            left = _POLL_S if until is None else min(_POLL_S, until - time.monotonic())
            if left <= 0 or poller.poll(left * 1000 + 1):
                waker.drain()
                return self._ended()
        return True

    def _ended(self) -> bool:
        if self._exit is not None:
            return True
        if hasattr(os, "waitid"):
            try:
                return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
            except ChildProcessError:
                return True
        return self._collect(os.WNOHANG)  # without waitid the zombie cannot be kept

    def reap(self) -> Exit:
        """How it ended, giving up its process id.  Call after `wait` returned True."""
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        self._collect(0)
        assert self._exit is not None
        return self._exit

    def abandon(self) -> None:
        """Let go of a process that cannot be killed."""
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def _collect(self, flags: int) -> bool:
        if self._exit is not None:
            return True
        try:
            pid, status, usage = os.wait4(self.pid, flags)
        except ChildProcessError:  # SIGCHLD is ignored, or another waited for all children
            self._popen.returncode = 0  # no more than a word to Popen that nothing is left to wait for
            self._exit = Exit(None, 0.0, 0)
            return True
        if pid == 0:
            return False
        code = os.waitstatus_to_exitcode(status)
        self._popen.returncode = code
        peak = peak_bytes(usage.ru_maxrss)
        self._exit = Exit(code, usage.ru_utime + usage.ru_stime, peak if peak > self._peak_before else 0)
        return True
