"""Who does what the dispatcher says: workers for tests, subprocesses for commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_batchgate.core.protocol import Action, Input, SpawnWorker, StartCommand, StopCommand
from pytest_batchgate.plugin.crewing import Crewing
from pytest_batchgate.plugin.launch import Launch
from pytest_batchgate.workers.guard import Guard

if TYPE_CHECKING:
    from pytest_batchgate.workers.commands import CommandRunner
    from pytest_batchgate.workers.messages import CommandMeasured


class Doer:
    """Carries out actions.  ``make_runner`` is called for the first command: many runs have none."""

    def __init__(self, crewing: Crewing, make_runner: Callable[[], CommandRunner]) -> None:
        self._crewing = crewing
        self._make_runner = make_runner
        self._runner: CommandRunner | None = None

    def do(self, action: Action) -> None:
        if isinstance(action, StartCommand):
            if self._runner is None:
                self._runner = self._make_runner()
            self._runner.start(action)
        elif isinstance(action, StopCommand):
            assert self._runner is not None  # what was never started is never stopped
            self._runner.stop(action)
        elif isinstance(action, SpawnWorker):
            self._crewing.spawn(action)
        else:
            self._crewing.order(action)

    def commands_use(self) -> list[CommandMeasured]:
        """What each running command used when it was last looked at.  From any thread."""
        return self._runner.last_usages() if self._runner is not None else []

    def close(self, grace_s: float) -> None:
        """End the commands that still run."""
        if self._runner is not None:
            self._runner.close(grace_s)


def make_runner(
    launch: Launch, put: Callable[[Input], None], *, log_dir: Path, guard: Guard
) -> CommandRunner:
    """For the commands of the run; imported here, where the first one starts."""
    from pytest_batchgate.plugin.findings import reader
    from pytest_batchgate.workers.commands import CommandRunner

    return CommandRunner(
        put=put,
        rootdir=launch.rootdir,
        log_dir=log_dir,
        gates={gate.name: gate for gate in launch.plan.gates},
        run_env=launch.run_env,
        run_id=launch.run_id,
        guard=guard,
        read_output=reader(launch.rootdir, lambda: launch.parsers),
        masks=launch.masks,
        thread_variables=launch.thread_variables,
    )
