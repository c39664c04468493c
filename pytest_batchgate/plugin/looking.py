"""What is done while workers are on their way up: imports, and looking at what processes use."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # few runs are looked at
    from pytest_batchgate.plugin.doing import Doer
    from pytest_batchgate.workers.messages import Measured
    from pytest_batchgate.workers.pool import WorkerPool
    from pytest_batchgate.workers.sampling import Sampler


class Looking:
    """``wanted``, set before the run: whether anybody wants to know what is used; None: nobody ever will."""

    def __init__(self) -> None:
        self.wanted: Callable[[], bool] | None = None
        self._sampler: Sampler | None = None

    def begin(self, pool: WorkerPool, doer: Doer, put: Callable[[Measured], None]) -> None:
        importlib.import_module("pytest_batchgate.workers.leftovers")
        if self.wanted is not None:
            from pytest_batchgate.plugin.measuring import start_sampler

            self._sampler = start_sampler(pool, doer, put, self.wanted)

    def close(self) -> None:
        """Idempotent."""
        if self._sampler is not None:
            self._sampler.close()
