"""One command, from its start to the end of its last process.

An attempt owns a thread that does one thing after the other: start, wait, end,
judge.  Other threads only leave it a note (`stop`, a probe's answer) and wake it.
Whatever happens, `run` returns one CommandEnded.

    starting -> running [-> ready] -> (asked to stop: SIGTERM ... SIGKILL) -> clearing up -> ended
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGTERM

from pytest_batchgate.core.masking import Masks
from pytest_batchgate.core.model import Command, Gate, GateState
from pytest_batchgate.core.protocol import CommandEnded, Input, ServiceReady, StopCommand
from pytest_batchgate.workers import outcome, services
from pytest_batchgate.workers.environ import OutputError
from pytest_batchgate.workers.guard import Guard
from pytest_batchgate.workers.logfile import CommandFiles
from pytest_batchgate.workers.process import (
    Child,
    Exit,
    Proc,
    Tree,
    Usage,
    Waker,
    describe,
    end_all,
    send_group,
    wait_gone,
)

_LEEWAY_S = 0.2  # for helpers that end with their command, such as multiprocessing's tracker
_LEFTOVER_GRACE_S = 0.5  # between SIGTERM and SIGKILL to processes that were left behind
_UNKILLABLE_S = 10.0  # after SIGKILL, before a process is given up
_FIRST_SAMPLE_S, _LAST_SAMPLE_S, _LIMIT_SAMPLE_S = 0.05, 2.0, 0.2  # the last with a limit of its memory
_LEAKED_SHOWN = 20


class CannotStartError(Exception):
    """The command cannot be started: the user's mistake or the machine's; the message is the reason."""


class Attempt:
    """One start of a command gate.  `run` in a thread of its own; the rest from any thread."""

    def __init__(
        self,
        *,
        gate: Gate,
        rootdir: Path,
        log_dir: Path,
        stem: str,
        environment: Callable[[str], Mapping[str, str]],
        marker: bytes,
        guard: Guard,
        announce: Callable[[Input], None],
        masks: Masks,
    ) -> None:
        """``stem`` names its files in ``log_dir``; ``environment`` is given the path for its outputs."""
        assert isinstance(gate.work, Command)
        self._gate = gate
        self._work = gate.work
        self._rootdir = rootdir
        self._files = CommandFiles(log_dir, stem, masks)
        self._environment = environment
        self._marker = marker
        self._guard = guard
        self._announce = announce

        self._lock = threading.Lock()  # over what other threads leave: _stopping, _answer
        self._stopping: outcome.Stopping | None = None
        self._answer: tuple[str | None] | None = None  # the probe's
        self._waker: Waker | None = None
        self._probe: services.Probe | None = None
        self._probe_over = threading.Event()

        self._tree: Tree | None = None
        self._is_ready = False
        self._peak = Usage(0.0, 0, 0)
        self._last = (self._peak, 0.0)

    def stop(self, order: StopCommand) -> None:
        """End it.  The first order's state and reason hold; a later one can only shorten the grace."""
        self._stop(order.state, order.reason, order.grace_s)

    def usage(self) -> Usage | None:
        """What its processes use now; None before the start and after the end."""
        tree = self._tree
        return tree.usage() if tree is not None else None

    @property
    def last_usage(self) -> tuple[Usage, float]:
        """What they used when they were last looked at, and when that was, as `time.monotonic` has it."""
        return self._last

    def run(self) -> CommandEnded:
        """Start, wait, clear up.  Never raises."""
        try:
            ended = self._run()
        except CannotStartError as problem:
            ended = CommandEnded(gate=self._gate.name, state=GateState.FAILED, reason=str(problem))
        except Exception as problem:  # noqa: BLE001 - one CommandEnded, whatever happens
            reason = f"could not be looked after: {problem!r}"
            ended = CommandEnded(gate=self._gate.name, state=GateState.FAILED, reason=reason)
            if self._tree is not None:
                with contextlib.suppress(Exception):
                    end_all(self._tree, grace_s=0)
        finally:
            self._tree = None
            self._probe_over.set()
            with self._lock:
                waker, self._waker = self._waker, None
            if waker is not None:
                waker.close()
            self._files.finish()
        with self._lock:
            if self._stopping is not None:  # an order beats what the command made of it
                ended = replace(ended, state=self._stopping.state, reason=self._stopping.reason)
        return replace(ended, log_path=str(self._files.log) if self._files.log is not None else None)

    # --- from start to exit -------------------------------------------------

    def _run(self) -> CommandEnded:
        watch = (
            outcome.ReportWatch.begin(self._rootdir, self._work.report)
            if self._work.report is not None
            else None
        )
        cwd = self._cwd()
        output = self._open_files()
        try:
            with self._lock:
                self._waker = Waker()
                asked_already = self._stopping is not None
            if asked_already:
                return CommandEnded(gate=self._gate.name, state=GateState.CANCELLED)
            child = self._start(cwd, output)
        finally:
            os.close(output)
        self._guard.add(child.pid)
        self._tree = tree = Tree(child.pid, self._marker)
        self._ask_whether_ready(tree)
        gone = self._wait(child, tree)
        self._probe_over.set()
        leaked, immortal = self._clear_up(child, tree)
        self._guard.drop(child.pid)
        if not gone:
            child.abandon()
            return self._ended(Exit(None, 0.0, 0), watch, leaked, immortal)
        return self._ended(child.reap(), watch, leaked, immortal)

    def _cwd(self) -> Path:
        if self._work.cwd is None:
            return self._rootdir
        cwd = outcome.inside(self._rootdir, self._work.cwd)
        if cwd is None:
            raise CannotStartError(f"working directory is outside the repository: {self._work.cwd}")
        if not cwd.is_dir():
            problem = "is not a directory" if cwd.exists() else "not found"
            raise CannotStartError(f"working directory {problem}: {self._work.cwd}")
        return cwd

    def _open_files(self) -> int:
        try:
            return self._files.open()
        except (OSError, RuntimeError) as problem:
            why = (problem.strerror if isinstance(problem, OSError) else None) or problem
            raise CannotStartError(f"no place for its log: {why}") from None

    def _start(self, cwd: Path, output: int) -> Child:
        work = self._work
        argv = ("/bin/sh", "-c", work.shell) if work.shell is not None else work.argv
        env = dict(self._environment(str(self._files.outputs)))
        if work.ready is not None and work.ready.line is not None:
            env.setdefault("PYTHONUNBUFFERED", "1")  # a line that waits in a buffer is never seen
        self._guard.start()
        try:
            return Child(argv, cwd=cwd, env=env, output=output)
        except (OSError, ValueError, IndexError) as problem:
            raise CannotStartError(outcome.explain_start(problem, argv, cwd, env)) from None

    def _ask_whether_ready(self, tree: Tree) -> None:
        ready = self._work.ready
        if ready is None:
            return
        assert self._files.log is not None
        try:
            probe = services.make_probe(ready, tree=tree, log=self._files.log)
        except services.NeverReady as never:
            self._tell(str(never))
            return
        self._probe = probe
        threading.Thread(
            target=services.watch,
            args=(probe, self._probe_over, self._tell),
            name=f"batchgate-ready-{self._gate.name}",
            daemon=True,
        ).start()

    def _wait(self, child: Child, tree: Tree) -> bool:
        """Until the first process has ended, or would not even after SIGKILL (False)."""
        assert self._waker is not None
        ready = self._work.ready
        ready_until = time.monotonic() + ready.timeout_s if ready is not None else None
        limit = self._gate.memory_limit_bytes
        sample_s = _FIRST_SAMPLE_S
        sample_at = time.monotonic() + sample_s
        while True:
            now = time.monotonic()
            self._heed_probe()
            if ready_until is not None and ready is not None and not self._is_ready and now >= ready_until:
                self._stop(GateState.FAILED, f"not ready after {ready.timeout_s:g} s", self._gate.grace_s)
            act_at = self._end(child, tree, now)
            if act_at is not None and act_at <= now:
                return False
            if now >= sample_at:
                self._sample(tree)
                sample_s = min(2 * sample_s, _LAST_SAMPLE_S if limit is None else _LIMIT_SAMPLE_S)
                sample_at = time.monotonic() + sample_s
            marks = [sample_at]
            if ready_until is not None and not self._is_ready and act_at is None:
                marks.append(ready_until)
            if act_at is not None:
                marks.append(act_at)
            if child.wait(max(0.0, min(marks) - time.monotonic()), self._waker):
                self._heed_probe()
                return True

    def _heed_probe(self) -> None:
        with self._lock:
            answer, self._answer = self._answer, None
            asked = self._stopping is not None
        if answer is None or asked:
            return
        (problem,) = answer
        if problem is not None:
            self._stop(GateState.FAILED, problem, self._gate.grace_s)
            return
        try:
            outputs = self._files.read_outputs()
        except OutputError as malformed:
            self._stop(GateState.FAILED, str(malformed), self._gate.grace_s)
            return
        self._is_ready = True
        self._announce(ServiceReady(self._gate.name, outputs))

    def _end(self, child: Child, tree: Tree, now: float) -> float | None:
        """Do what is due for a stop; when the next of it is due, None without one."""
        with self._lock:
            stopping = self._stopping
        if stopping is None:
            return None
        if not stopping.terminated:
            stopping.terminated = True
            tree.members()  # remembered: some may be out of sight once their parents are gone
            if stopping.kill_at > now:
                send_group(child.pid, SIGTERM)
                send_group(child.pid, SIGCONT)  # the stopped cannot heed SIGTERM
        if stopping.killed_at is None and stopping.kill_at <= now:
            stopping.killed_at = now
            send_group(child.pid, SIGKILL)
        return stopping.kill_at if stopping.killed_at is None else stopping.killed_at + _UNKILLABLE_S

    def _sample(self, tree: Tree) -> None:
        now = tree.usage()
        self._last = (now, time.monotonic())
        self._peak = Usage(
            max(now.cpu_s, self._peak.cpu_s),
            max(now.rss_bytes, self._peak.rss_bytes),
            max(now.processes, self._peak.processes),
        )
        if (too_much := self._breach(now.rss_bytes)) is not None:
            self._stop(GateState.FAILED, too_much, 0.0)

    def _breach(self, used_bytes: int) -> str | None:
        if self._gate.memory_limit_bytes is None:
            return None
        from pytest_batchgate.core.memory import breach  # few gates have such a limit

        return breach(used_bytes, self._gate.memory_limit_bytes)

    # --- after the exit -----------------------------------------------------

    def _clear_up(self, child: Child, tree: Tree) -> tuple[tuple[str, ...], list[Proc]]:
        """End what is left.  Returns what was left behind, and what could not be ended."""
        left = tree.members()
        if not left:
            return (), []
        grace_s = _LEFTOVER_GRACE_S
        if self._kill_at() is None:
            wait_gone(left, time.monotonic() + _LEEWAY_S)
            left = tree.members()
        else:  # the group was asked to end, and may take its grace as the first process could
            while left and (wait_s := (self._kill_at() or 0.0) - time.monotonic()) > 0:
                group = [proc for proc in left if proc.group == child.pid]
                if not group:
                    break
                wait_gone(group, time.monotonic() + min(wait_s, 0.25))
                left = tree.members()
            left = [proc for proc in left if proc.group != child.pid]
            grace_s = max(0.0, min(grace_s, (self._kill_at() or 0.0) - time.monotonic()))
        names = [describe(proc) for proc in left[:_LEAKED_SHOWN]]
        if len(left) > _LEAKED_SHOWN:
            names.append(f"and {len(left) - _LEAKED_SHOWN} more")
        return tuple(names), end_all(tree, grace_s=grace_s)

    def _ended(
        self, exit_: Exit, watch: outcome.ReportWatch | None, leaked: tuple[str, ...], immortal: list[Proc]
    ) -> CommandEnded:
        """What it all means, as far as nobody ordered otherwise."""
        code = exit_.returncode
        state, reason = outcome.judge(code)
        outputs: dict[str, str] = {}
        report: Path | None = None
        if self._work.ready is not None:
            state = GateState.CRASHED if code is not None and code < 0 else GateState.FAILED
            when = "ended while needed" if self._is_ready else "ended before it was ready"
            reason = f"{when} ({outcome.describe_exit(code)}){self._why_not_ready()}"
        else:
            problems: list[str] = []
            if watch is not None:
                report, problem = watch.settle()
                problems += [problem] if problem else []
            try:
                outputs = self._files.read_outputs()
            except OutputError as malformed:
                problems.append(str(malformed))
            too_much = self._breach(exit_.peak_rss_bytes)  # it may have come and gone between two looks
            problems += [too_much] if too_much else []
            if leaked and self._gate.leaks == "fail":
                problems.append(f"left processes behind: {', '.join(leaked)}")
            if problems:
                state = GateState.FAILED if state is GateState.PASSED else state
                reason = "; ".join([reason, *problems] if reason else problems)
        if immortal:
            leaked += tuple(f"{describe(proc)}, which cannot be ended" for proc in immortal[:_LEAKED_SHOWN])
        return CommandEnded(
            gate=self._gate.name,
            state=state,
            reason=reason,
            returncode=code,
            cpu_s=max(exit_.cpu_s, self._peak.cpu_s),
            peak_rss_bytes=max(exit_.peak_rss_bytes, self._peak.rss_bytes),
            outputs=outputs,
            leaked=() if self._gate.leaks == "ignore" else leaked,
            report_path=str(report) if report is not None else None,
        )

    def _why_not_ready(self) -> str:
        """What a service that has ended may have died of: its port."""
        if not self._is_ready and isinstance(self._probe, services.PortProbe):
            try:
                self._probe.check()
            except services.NeverReady as never:
                return f": {never}"
        return ""

    # --- notes from other threads -------------------------------------------

    def _stop(self, state: GateState, reason: str | None, grace_s: float) -> None:
        kill_at = time.monotonic() + max(0.0, grace_s)
        with self._lock:
            if self._stopping is None:
                self._stopping = outcome.Stopping(state, reason, kill_at)
            else:
                self._stopping.kill_at = min(self._stopping.kill_at, kill_at)
            if self._waker is not None:
                self._waker.wake()

    def _kill_at(self) -> float | None:
        with self._lock:
            return self._stopping.kill_at if self._stopping is not None else None

    def _tell(self, problem: str | None) -> None:
        with self._lock:
            self._answer = (problem,)
            if self._waker is not None:
                self._waker.wake()
