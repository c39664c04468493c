"""Whole runs of pytest as processes of our own, one at a time, none of which outlives this one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pytest_batchgate.workers.environ import TRACE, is_hidden, run_marker, worker_trace
from pytest_batchgate.workers.guard import Guard

# The controller of a run gives its workers and commands this long at most after a signal (docs: within 7 s).
_END_S = 10.0

# `pytest` and `python -m pytest` find different modules: a child finds those that this process finds.
_PROGRAM = """\
import json, sys
sys.path[:] = json.loads(sys.argv.pop(1))
import pytest
raise SystemExit(pytest.console_main())
"""


class Interrupted(Exception):  # noqa: N818 (as pytest's own)
    """A signal came; ``name`` is its name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Children:
    """Starts runs in ``folder``.  ``run_id`` marks every process that belongs to one of them.

    ``scratch`` (``batchgate-*``) is for files of theirs: should this process be killed, it is removed.
    """

    def __init__(self, folder: Path, *, run_id: str, scratch: Path) -> None:
        self._folder = folder
        self._sys_path = json.dumps([str(entry) for entry in sys.path])
        self._guard = Guard(run_marker(run_id), scratch)
        env = {name: value for name, value in os.environ.items() if not is_hidden(name)}
        self._env = {**env, TRACE: worker_trace(env, run_id=run_id, slot=0)}
        self._child: subprocess.Popen[bytes] | None = None
        self._signals: list[str] = []

    def run(self, args: Sequence[str], log: Path, *, begun: Callable[[int], object] | None = None) -> int:
        """Run pytest with these arguments, its output into ``log``.  Raises Interrupted.

        ``begun`` is called with the id of its process.
        """
        if self._signals:
            raise Interrupted(self._signals[0])
        self._guard.start()
        with log.open("wb") as output:
            self._child = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, self._sys_path, *args],
                cwd=self._folder,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches it through us alone
            )
        self._guard.add(self._child.pid)
        if begun is not None:
            begun(self._child.pid)
        if self._signals:  # it came while the process was on its way
            self._pass_on()
        try:
            code = self._child.wait()
        finally:
            self._guard.drop(self._child.pid)
            self._child = None
        if self._signals:
            raise Interrupted(self._signals[0])
        return code

    @contextlib.contextmanager
    def heeding_signals(self) -> Iterator[None]:
        """Meanwhile Ctrl-C, SIGTERM and SIGHUP end the run that goes on: in order, then at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: object) -> None:
        self._signals.append(signal.Signals(number).name)
        self._pass_on()

    def _pass_on(self) -> None:
        child = self._child
        if child is None:
            return
        if len(self._signals) > 1:
            child.kill()  # its workers end with it, its commands by its guard
            return
        child.send_signal(signal.SIGINT)
        late = threading.Timer(_END_S, child.kill)
        late.daemon = True
        late.start()

    def close(self) -> None:
        """Idempotent."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        self._guard.close()
