"""What the machine grants: processors, memory, open files, processes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from pytest_batchgate.core.model import Config
from pytest_batchgate.doctor.check import Check, Section
from pytest_batchgate.plugin.cpus import cgroup_quota, usable_cpus

SECTION = Section("limits")

_CGROUP = Path("/sys/fs/cgroup")
_MIB = 1024 * 1024
# A worker has some 30 MiB before any test (`doctor.trial` measures it); tests bring their own.
_WORKER_BYTES = 100 * _MIB
# Beside the files that tests open: some for the run, and those of a worker and a command per slot.
_FILES_OF_A_RUN, _FILES_OF_A_SLOT = 64, 16
# Beside those that tests and tools start: threads and processes of a slot, counted generously.
_TASKS_OF_A_SLOT = 16


def check_limits(config: Config | None) -> Iterator[Check]:
    """``config``: for the number of workers; None where there is no valid one."""
    workers = (config.workers if config is not None else None) or usable_cpus()
    yield from _cpus(config)
    yield _memory(workers)
    if sys.platform != "win32":
        yield _files(workers)
        yield from _processes(workers)
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            todo = "Start pytest from a shell or service manager that does not ignore SIGCHLD"
            yield SECTION.problem("SIGCHLD", "is ignored: exit codes of commands would be lost", todo)


def _cpus(config: Config | None) -> Iterator[Check]:
    usable, quota = usable_cpus(), cgroup_quota()
    text = f"{usable} usable of {os.cpu_count() or '?'}"
    text += f" (the cgroup grants {quota:g})" if quota is not None else ""
    if usable == 1:
        yield SECTION.note("cpus", text, "With one CPU nothing runs in parallel; results are the same")
    else:
        yield SECTION.ok("cpus", text)
    asked = config.workers if config is not None else None
    if asked is not None and asked > usable:
        text = f"`workers: {asked}` is more than the usable CPUs"
        yield SECTION.note("workers", text, "Good for tests that wait, slower for those that compute")
    else:
        yield SECTION.ok("workers", "auto" if asked is None else str(asked) if asked else "0: all in turn")


def _memory(workers: int) -> Check:
    memory = psutil.virtual_memory()
    total, free = memory.total, memory.available
    limit = _number("memory.max", "memory/memory.limit_in_bytes")
    granted = ""
    if limit is not None and limit < total:
        used = _number("memory.current", "memory/memory.usage_in_bytes") or 0
        total, free = limit, min(free, max(0, limit - used))
        granted = " (of the cgroup's limit)"
    text = f"{_size(free)} of {_size(total)} free{granted}"
    if free < workers * _WORKER_BYTES:
        todo = "Use fewer workers (--batch-workers), or end something: what runs out is killed by the system"
        return SECTION.problem("memory", f"{text}, for {workers} workers", todo)
    return SECTION.ok("memory", text)


def _files(workers: int) -> Check:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _FILES_OF_A_RUN + workers * _FILES_OF_A_SLOT
    if soft != resource.RLIM_INFINITY and soft < needed:
        raised = "" if hard != resource.RLIM_INFINITY and hard < needed else f": ulimit -n {needed * 4}"
        return SECTION.problem("open files", f"at most {soft}, for {workers} workers", f"Raise it{raised}")
    return SECTION.ok("open files", "no limit" if soft == resource.RLIM_INFINITY else f"at most {soft}")


def _processes(workers: int) -> Iterator[Check]:
    import resource

    needed = workers * _TASKS_OF_A_SLOT
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft == resource.RLIM_INFINITY or os.getuid() == 0:  # root has no such limit
        yield SECTION.ok("processes", "no limit for this user")
    else:
        free = soft - _own_tasks()
        text = f"{max(0, free)} more of at most {soft}"
        todo = "Raise it (ulimit -u), or end something"
        yield SECTION.ok("processes", text) if free >= needed else SECTION.problem("processes", text, todo)
    limit = _number("pids.max", "pids/pids.max")
    if limit is not None:
        free = limit - (_number("pids.current", "pids/pids.current") or 0)
        text = f"the cgroup allows {max(0, free)} more of at most {limit}"
        todo = "Raise the container's limit (--pids-limit), or use fewer workers"
        yield SECTION.ok("processes", text) if free >= needed else SECTION.problem("processes", text, todo)


def _own_tasks() -> int:
    """Threads of this user's processes: what RLIMIT_NPROC counts."""
    uid = os.getuid()
    found = 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        uids = process.info["uids"]
        if uids is not None and uids.real == uid:
            found += process.info["num_threads"] or 1
    return found


def _number(*names: str) -> int | None:
    """The first of these files of the cgroup (version 2, then 1) that is there, unless it says "max"."""
    for name in names:
        path = _CGROUP / name
        if path.is_file():
            with contextlib.suppress(OSError, ValueError):
                return int(path.read_text(encoding="ascii"))
    return None


def _size(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB" if size >= 1024**3 else f"{size // _MIB} MiB"
