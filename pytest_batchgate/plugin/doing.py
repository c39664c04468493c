"""Who does what the dispatcher says: workers for tests, subprocesses for commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_batchgate.core.protocol import Action, SpawnWorker, StartCommand, StopCommand
from pytest_batchgate.plugin.crewing import Crewing

if TYPE_CHECKING:
    from pytest_batchgate.workers.commands import CommandRunner


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

    def close(self, grace_s: float) -> None:
        """End the commands that still run."""
        if self._runner is not None:
            self._runner.close(grace_s)
