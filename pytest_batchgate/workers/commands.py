"""Command gates as the loop orders them: StartCommand and StopCommand in, facts out.

One thread per running command (they are few: each takes at least a worker slot,
or is a service), asleep until its process ends.  Every start leads to exactly
one CommandEnded, after which nothing of the command is left.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from pytest_batchgate.core.lognames import file_stems, stem_of_attempt
from pytest_batchgate.core.masking import Masks
from pytest_batchgate.core.model import Command, Gate, GateName, GateState
from pytest_batchgate.core.protocol import CommandEnded, Input, StartCommand, StopCommand
from pytest_batchgate.workers.attempt import Attempt
from pytest_batchgate.workers.environ import gate_environment, gate_marker, run_marker
from pytest_batchgate.workers.guard import Guard
from pytest_batchgate.workers.messages import CommandMeasured
from pytest_batchgate.workers.outcome import read_end
from pytest_batchgate.workers.process import Usage

_JOIN_SLACK_S = 20.0  # beyond the grace: leftovers, and processes that no signal ends


class CommandRunner:
    """Runs command gates as subprocesses of this process.  Safe to call from any thread."""

    def __init__(
        self,
        *,
        put: Callable[[Input], None],
        rootdir: Path,
        log_dir: Path,
        gates: Mapping[GateName, Gate],
        run_env: Mapping[str, str],
        run_id: str,
        guard: Guard | None = None,
        read_output: Callable[[Gate, CommandEnded], CommandEnded] | None = None,
        masks: Masks | None = None,
        thread_variables: Callable[[Mapping[str, str], int], Mapping[str, str]] | None = None,
    ) -> None:
        """``put`` is called from other threads, and must not block.

        ``masks``: what nobody hears of; it learns what commands hand on.

        ``thread_variables``: what to add to an environment, for a command of that weight.

        ``read_output`` makes findings of what a command left, in the command's thread.

        ``run_env`` is what `environ.base_environment` returns.  Each attempt's
        output goes to a file of its own in ``log_dir``, made when first needed.
        """
        self._put = put
        self._rootdir = rootdir
        self._log_dir = log_dir
        self._gates = gates
        self._run_env = run_env
        self._run_id = run_id
        self._guard = guard if guard is not None else Guard(run_marker(run_id))
        self._owns_guard = guard is None
        self._read_output = read_output
        self._thread_variables = thread_variables
        self._masks = masks if masks is not None else Masks()
        self._stems = file_stems(gates)
        self._lock = threading.Lock()  # over what follows
        self._closed = False
        self._attempts: dict[GateName, int] = {}
        self._running: dict[GateName, Attempt] = {}
        self._threads: set[threading.Thread] = set()

    def start(self, order: StartCommand) -> None:
        """Start the gate's command; a start after `close` ends as cancelled at once."""
        gate = self._gates[order.gate]
        with self._lock:
            assert gate.name not in self._running, f"{gate.name} is running"
            number = self._attempts[gate.name] = self._attempts.get(gate.name, 0) + 1
            attempt = Attempt(
                gate=gate,
                rootdir=self._rootdir,
                log_dir=self._log_dir,
                stem=stem_of_attempt(self._stems[gate.name], number),
                environment=lambda output: gate_environment(
                    self._base(gate, order),
                    run_id=self._run_id,
                    gate=gate.name,
                    slots=order.slots,
                    attempt=number,
                    output=output,
                    extra=order.env,
                ),
                marker=gate_marker(self._run_id, gate.name),
                guard=self._guard,
                announce=self._put,
                masks=self._masks,
            )
            closed = self._closed
            if not closed:
                self._running[gate.name] = attempt
        if closed:
            self._put(CommandEnded(gate=gate.name, state=GateState.CANCELLED, reason="the run is over"))
            return
        self._in_thread(gate.name, attempt)

    def _base(self, gate: Gate, order: StartCommand) -> Mapping[str, str]:
        if self._thread_variables is None or not isinstance(gate.work, Command):
            return self._run_env
        added = self._thread_variables({**self._run_env, **order.env}, gate.work.weight)
        return {**self._run_env, **added}

    def _in_thread(self, gate: GateName, attempt: Attempt) -> None:
        def work() -> None:
            ended = attempt.run()
            ended = self._with_findings(self._with_text(ended))
            if self._masks:
                from pytest_batchgate.workers.hiding import hide_in_end

                ended = hide_in_end(ended, self._masks)
            self._forget(gate)
            self._put(ended)
            with self._lock:
                self._threads.discard(thread)

        thread = threading.Thread(target=work, name=f"batchgate-{gate}", daemon=True)
        with self._lock:
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError as problem:  # no more threads on this machine
            self._forget(gate)
            with self._lock:
                self._threads.discard(thread)
            self._put(CommandEnded(gate=gate, state=GateState.FAILED, reason=f"cannot be started: {problem}"))

    def _with_text(self, ended: CommandEnded) -> CommandEnded:
        """With the end of its output, if a retry depends on what stands there."""
        if self._gates[ended.gate].retries.match is None or ended.log_path is None:
            return ended
        return replace(ended, text=read_end(Path(ended.log_path)))

    def _with_findings(self, ended: CommandEnded) -> CommandEnded:
        if self._read_output is None:
            return ended
        try:
            return self._read_output(self._gates[ended.gate], ended)
        except BaseException as problem:  # noqa: BLE001 (without a CommandEnded the run would wait for ever)
            note = f"{ended.gate}: its output cannot be read: {problem!r}"
            return replace(ended, notes=(*ended.notes, note))

    def _forget(self, gate: GateName) -> None:
        with self._lock:
            del self._running[gate]

    def stop(self, order: StopCommand) -> None:
        """End the gate's command.  One that has ended already is left as it ended.

        A second order can shorten the grace, and changes neither state nor reason.
        """
        with self._lock:
            attempt = self._running.get(order.gate)
        if attempt is not None:
            attempt.stop(order)

    def running(self) -> tuple[GateName, ...]:
        """Gates whose CommandEnded is still to come, in the order of their starts."""
        with self._lock:
            return tuple(self._running)

    def usage(self, gate: GateName) -> Usage | None:
        """CPU and memory of the gate's processes now (a few milliseconds); None if there are none."""
        with self._lock:
            attempt = self._running.get(gate)
        return attempt.usage() if attempt is not None else None

    def last_usages(self) -> list[CommandMeasured]:
        """What each running command used when it was last looked at; to ask costs nothing."""
        with self._lock:
            running = dict(self._running)
        lasts = [(gate, *attempt.last_usage) for gate, attempt in running.items()]
        return [
            CommandMeasured(gate, last.cpu_s, last.rss_bytes, looked)
            for gate, last, looked in lasts
            if last.processes
        ]

    def close(self, grace_s: float) -> None:
        """End every command and wait for the ends, which are put as ever.  A second call does nothing more.

        Returns after ``grace_s`` and some seconds at the latest.
        """
        with self._lock:
            self._closed = True
            running = dict(self._running)
            threads = tuple(self._threads)
        for gate, attempt in running.items():
            attempt.stop(StopCommand(gate, GateState.CANCELLED, "the run is over", grace_s))
        until = time.monotonic() + grace_s + _JOIN_SLACK_S
        for thread in threads:
            if thread.ident is not None:  # else its start is failing right now
                thread.join(max(0.0, until - time.monotonic()))
        if self._owns_guard:
            self._guard.close()
