"""pytest-batchgate: a repository's quality gates as one graph in parallel workers.

What extensions need is public here, and loaded when it is first asked for.
PYTEST_DONT_REWRITE: workers import this package before pytest starts, and say so here.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the import of `typing` would be the dearest line of this file
if TYPE_CHECKING:
    from pytest_batchgate.core.breaker import BreakerChange as BreakerChange
    from pytest_batchgate.core.breaker import BreakerState as BreakerState
    from pytest_batchgate.core.bus import Subscriber as Subscriber
    from pytest_batchgate.core.events import BreakerChanged as BreakerChanged
    from pytest_batchgate.core.events import Event as Event
    from pytest_batchgate.core.events import FilesListed as FilesListed
    from pytest_batchgate.core.events import FileWasCollected as FileWasCollected
    from pytest_batchgate.core.events import GateBecameReady as GateBecameReady
    from pytest_batchgate.core.events import GateFinished as GateFinished
    from pytest_batchgate.core.events import GateReport as GateReport
    from pytest_batchgate.core.events import GateStarted as GateStarted
    from pytest_batchgate.core.events import GateWillRetry as GateWillRetry
    from pytest_batchgate.core.events import Noticed as Noticed
    from pytest_batchgate.core.events import RunFinished as RunFinished
    from pytest_batchgate.core.events import RunResult as RunResult
    from pytest_batchgate.core.events import RunStarted as RunStarted
    from pytest_batchgate.core.events import Sampled as Sampled
    from pytest_batchgate.core.events import TestsWereRun as TestsWereRun
    from pytest_batchgate.core.events import TestWasLost as TestWasLost
    from pytest_batchgate.core.events import TestWillRetry as TestWillRetry
    from pytest_batchgate.core.events import WorkerStarted as WorkerStarted
    from pytest_batchgate.core.events import WorkerStopped as WorkerStopped
    from pytest_batchgate.core.model import Breaker as Breaker
    from pytest_batchgate.core.model import Command as Command
    from pytest_batchgate.core.model import Config as Config
    from pytest_batchgate.core.model import Finding as Finding
    from pytest_batchgate.core.model import Gate as Gate
    from pytest_batchgate.core.model import GateName as GateName
    from pytest_batchgate.core.model import GateState as GateState
    from pytest_batchgate.core.model import Ready as Ready
    from pytest_batchgate.core.model import Retries as Retries
    from pytest_batchgate.core.model import Tests as Tests
    from pytest_batchgate.core.plan import Plan as Plan
    from pytest_batchgate.parsers.base import Collector as Collector
    from pytest_batchgate.parsers.base import Parsed as Parsed
    from pytest_batchgate.parsers.base import Parser as Parser
    from pytest_batchgate.parsers.base import ParserInput as ParserInput
    from pytest_batchgate.parsers.base import ToolParser as ToolParser

__version__ = "0.1.0"

_PUBLIC = {
    "core.breaker": "BreakerChange BreakerState",
    "core.bus": "Subscriber",
    "core.events": (
        "BreakerChanged Event FileWasCollected FilesListed GateBecameReady GateFinished GateReport "
        "GateStarted GateWillRetry Noticed RunFinished RunResult RunStarted Sampled TestWasLost "
        "TestWillRetry TestsWereCarried TestsWereRun WorkerStarted WorkerStopped"
    ),
    "core.model": "Breaker Command Config Finding Gate GateName GateState Ready Retries Tests",
    "core.plan": "Plan",
    "parsers.base": "Collector Parsed Parser ParserInput ToolParser",
}
_MODULES = {name: module for module, names in _PUBLIC.items() for name in names.split()}

__all__ = ["__version__", *sorted(_MODULES)]  # noqa: PLE0604 (all are strings)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value: object = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
