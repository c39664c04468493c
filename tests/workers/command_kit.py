"""Real commands for the tests of the doing side, and patient ways to wait for what they do."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import psutil

from pytest_batchgate.core.masking import Masks
from pytest_batchgate.core.model import Command, Gate, GateName, GateState, Ready
from pytest_batchgate.core.protocol import CommandEnded, Input, ServiceReady, StartCommand, StopCommand
from pytest_batchgate.workers.commands import CommandRunner
from pytest_batchgate.workers.environ import base_environment
from pytest_batchgate.workers.guard import Guard

PATIENCE_S = 60.0  # only ever waited out by a failure


def gate(
    name: str,
    run: str | list[str],
    *,
    leaks: Literal["fail", "warn", "ignore"] = "warn",
    grace_s: float = 10.0,
    **command: Any,
) -> Gate:
    """A command gate: a shell line, or an argv."""
    what: dict[str, Any] = {"shell": run} if isinstance(run, str) else {"argv": tuple(run)}
    return Gate(name=GateName(name), work=Command(**what, **command), leaks=leaks, grace_s=grace_s)


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-E", "-c", code]


def service(name: str, run: str | list[str], *, grace_s: float = 10.0, **ready: Any) -> Gate:
    return gate(name, run, grace_s=grace_s, ready=Ready(**ready))


def until(condition: Callable[[], Any]) -> Any:
    """The first true value of the condition."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < give_up_at, "waited in vain"
        time.sleep(0.01)
    return value


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody collects does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Bench:
    """A CommandRunner for some gates, and what it has put."""

    def __init__(
        self,
        rootdir: Path,
        *gates: Gate,
        environ: Mapping[str, str] | None = None,
        guard: Guard | None = None,
        masks: Masks | None = None,
    ) -> None:
        self.inputs: queue.Queue[Input] = queue.Queue()
        self.rootdir = rootdir
        self.log_dir = rootdir / ".logs"
        self.runner = CommandRunner(
            put=self.inputs.put,
            rootdir=rootdir,
            log_dir=self.log_dir,
            gates={gate.name: gate for gate in gates},
            run_env=base_environment(
                os.environ if environ is None else environ, executable=sys.executable, in_virtualenv=False
            ),
            run_id=f"test-{os.getpid()}-{rootdir.name}",
            guard=guard,
            masks=masks,
        )

    def start(self, name: str, slots: tuple[int, ...] = (0,), env: Mapping[str, str] | None = None) -> None:
        self.runner.start(StartCommand(GateName(name), slots, env or {}))

    def stop(
        self,
        name: str,
        state: GateState = GateState.TIMED_OUT,
        reason: str | None = "told to",
        grace_s: float = PATIENCE_S,
    ) -> None:
        self.runner.stop(StopCommand(GateName(name), state, reason, grace_s))

    def next(self) -> Input:
        return self.inputs.get(timeout=PATIENCE_S)

    def ended(self) -> CommandEnded:
        ended = self.next()
        assert isinstance(ended, CommandEnded), ended
        return ended

    def ready(self) -> ServiceReady:
        ready = self.next()
        assert isinstance(ready, ServiceReady), ready
        return ready

    def run(self, name: str, env: Mapping[str, str] | None = None) -> CommandEnded:
        self.start(name, env=env)
        return self.ended()

    def log(self, name: str) -> str:
        path = self.log_dir / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_log(self, name: str, text: str) -> str:
        until(lambda: text in self.log(name))
        return self.log(name)

    def wait_pid(self, path: Path) -> int:
        """A process id that a command writes, with a line end, into a file."""
        return int(until(lambda: path.exists() and path.read_text().endswith("\n") and path.read_text()))


MakeBench = Callable[..., Bench]


@contextlib.contextmanager
def benches(tmp_path: Path) -> Iterator[MakeBench]:
    """Makes benches in the test's folder, and ends what still runs on them."""
    made: list[Bench] = []

    def make(*gates: Gate, environ: Mapping[str, str] | None = None, masks: Masks | None = None) -> Bench:
        made.append(Bench(tmp_path, *gates, environ=environ, masks=masks))
        return made[-1]

    try:
        yield make
    finally:
        for each in made:
            each.runner.close(0)
            assert each.runner.running() == ()
