"""What the end of a command means: its exit code, its promised report, its outputs; or why it never began.

Everything here looks at what there is; nothing starts or ends a process, and
nothing reads the reports themselves.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_batchgate.core.model import GateState
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.workers.environ import OUTPUT_LIMIT_BYTES, parse_outputs

_END_BYTES = 256 * 1024

# A shell's way to say that a signal ended its program.  Others above 128 are
# some programs' own exit codes (git: 129) and are left unexplained.
_SHELL_SIGNALS = {
    128 + number: name
    for number, name in [
        (signal.SIGINT, "SIGINT"),
        (signal.SIGILL, "SIGILL"),
        (signal.SIGABRT, "SIGABRT"),
        (signal.SIGBUS, "SIGBUS"),
        (signal.SIGFPE, "SIGFPE"),
        (signal.SIGKILL, "SIGKILL, out of memory?"),
        (signal.SIGSEGV, "SIGSEGV"),
        (signal.SIGTERM, "SIGTERM"),
    ]
}


def judge(returncode: int | None) -> tuple[GateState, str | None]:
    """State and reason of a command that ended unasked, from its exit code alone."""
    if returncode == 0:
        return GateState.PASSED, None
    if returncode is None:  # never taken for a pass
        return GateState.FAILED, "its exit code is lost (is SIGCHLD ignored?)"
    return (GateState.CRASHED if returncode < 0 else GateState.FAILED), describe_exit(returncode)


def describe_exit(returncode: int | None) -> str:
    """``exit code 1``, ``killed by SIGSEGV`` and the like."""
    if returncode is None:
        return "exit code unknown"
    if returncode < 0:
        try:
            name = signal.Signals(-returncode).name
        except ValueError:
            name = f"signal {-returncode}"
        return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    if returncode == 127:
        return "command not found (exit code 127)"
    if returncode == 126:
        return "command not executable (exit code 126)"
    if returncode in _SHELL_SIGNALS:
        return f"exit code {returncode} (probably {_SHELL_SIGNALS[returncode]})"
    return f"exit code {returncode}"


def explain_start(problem: Exception, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> str:
    """Why ``argv`` could not be started, for the person who wrote it."""
    if not isinstance(problem, OSError):  # a NUL byte, no words at all, a "=" in a variable's name
        return f"cannot be started: {problem}"
    name = argv[0] if len(argv[0]) <= 200 else argv[0][:200] + "..."
    if problem.errno == errno.E2BIG:
        return f"cannot start {name}: its arguments and environment are longer than the system allows"
    if problem.errno == errno.ENOEXEC:
        return f"cannot start {name}: not a program (a script's first line is missing: #!/bin/sh)"
    places = [Path(folder or ".", argv[0]) for folder in os.get_exec_path(env)]
    file = next(
        (cwd / place for place in ([Path(argv[0])] if "/" in argv[0] else places) if _is_file(cwd / place)),
        None,
    )
    if problem.errno in {errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ENAMETOOLONG}:
        if file is None:
            hint = "" if "/" in argv[0] else f" (is it installed in {sys.prefix}?)"
            return f"command not found: {name}{hint}"
        if os.access(file, os.X_OK):
            return f"cannot start {name}: the interpreter in its first line was not found"
        return f"cannot start {name}: {file} is not executable"
    return f"cannot start {name}: {problem.strerror}"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def inside(rootdir: Path, relative: str) -> Path | None:
    """The place that ``relative`` leads to, links followed, or None if that is outside the rootdir."""
    root = Path(os.path.realpath(rootdir))
    target = Path(os.path.realpath(root / relative))
    return target if target == root or root in target.parents else None


@dataclass(slots=True)
class Stopping:
    """An order to end a command, and how far it has been carried out."""

    state: GateState
    reason: str | None
    kill_at: float  # on the monotonic clock
    terminated: bool = False
    killed_at: float | None = None


@dataclass(frozen=True, slots=True)
class ReportWatch:
    """A file that a command promises, as it was before the command started."""

    rootdir: Path
    relative: str
    before: tuple[int, ...] | None
    started_ns: int  # wall clock, as file times are

    @classmethod
    def begin(cls, rootdir: Path, relative: str) -> ReportWatch:
        target = inside(rootdir, relative)
        status = _stat(target) if target is not None else None
        return cls(rootdir, relative, _signature(status) if status else None, time.time_ns())

    def settle(self) -> tuple[Path | None, str | None]:
        """The report if it is there and of this run, else the problem with it, after the command's end."""
        name = f"report {self.relative}"
        target = inside(self.rootdir, self.relative)
        if target is None:
            return None, f"{name} is outside the repository"
        status = _stat(target)
        if status is None:
            return None, f"{name} is missing"
        if not stat.S_ISREG(status.st_mode):
            return None, f"{name} is not a regular file"
        # Coarse file clocks may lag behind ours, so a changed file counts whatever its time says.
        if _signature(status) == self.before and status.st_mtime_ns < self.started_ns:
            return None, f"{name} is older than the gate's start"
        return target, None


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def _signature(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def read_outputs(path: Path) -> dict[str, str]:
    """What the command wrote to BATCHGATE_OUTPUT; nothing if it removed the file.

    Raises OutputError for what cannot be understood, and for anything but a file.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return {}
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return {}
        return parse_outputs(file.read(OUTPUT_LIMIT_BYTES + 1))


def read_end(path: Path) -> str:
    """The last 256 KiB of a log as text; nothing of one that cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _END_BYTES))
            return file.read(_END_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def remove(path: Path) -> None:
    """Remove a file if it is there and that is possible."""
    with contextlib.suppress(OSError):
        path.unlink()
