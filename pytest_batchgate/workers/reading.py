"""From a worker's messages to inputs of the dispatcher and material for the bridge."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import starmap
from typing import Any

from pytest_batchgate.core.protocol import (
    CollectedFile,
    FileCollected,
    Input,
    ShownFile,
    TestResult,
    TestsFinished,
    TestsMissing,
    Traits,
    UnitFinished,
    UnitId,
    UnitReleased,
    WorkerEnded,
    WorkerHungry,
    WorkerId,
    WorkerListed,
)
from pytest_batchgate.workers import messages as side
from pytest_batchgate.workers import wire


def read(
    batch: list[wire.Message], worker: WorkerId, name: str, units: dict[int, str]
) -> Iterator[Input | side.SideMessage]:
    """``units``: which file each unit of this worker is about.  Raises ValueError for nonsense."""
    for kind, *rest in batch:
        if kind == wire.RESULTS:
            unit, results, *used = rest
            yield TestsFinished(worker, unit, tuple(starmap(TestResult, results)), *used)
        elif kind == wire.UNIT_DONE:
            yield UnitFinished(worker, rest[0])
        elif kind == wire.HUNGRY:
            yield WorkerHungry(worker)
        elif kind == wire.COLLECTED:
            yield _collected(worker, units, *rest)
        elif kind == wire.RELEASED:
            yield UnitReleased(worker, *rest)
        elif kind == wire.MISSING:
            yield TestsMissing(worker, *rest)
        elif kind == wire.LISTED:
            yield WorkerListed(worker, *rest)
        else:
            yield _aside(kind, rest, name)
            if kind == wire.ENDED:
                yield WorkerEnded(worker)


def _collected(
    worker: WorkerId, units: dict[int, str], unit: int, data: dict[str, Any], taken: tuple[int, ...] | None
) -> FileCollected:
    fields: dict[str, Any] = {
        "file": units[unit],
        "keys": data["keys"],
        "gates": data["gates"],
        "traits": {index: _traits(traits) for index, traits in data["traits"].items()},
        "timeouts": data["timeouts"],
        "deselected": data["deselected"],
        "errors": data["errors"],
        "duration_s": data["duration_s"],
        "payload": {name: data[name] for name in ("reports", "lines", "odd")},
    }
    shown = data.get("shown")  # by `hiding`
    collected = ShownFile(**fields, shown=shown) if shown else CollectedFile(**fields)
    return FileCollected(worker, UnitId(unit), collected, taken)


def _traits(data: dict[str, Any]) -> Traits:
    return Traits(
        depends_on=tuple(data.get("depends_on", ())),
        serial=tuple(data.get("serial", ())),
        group=data.get("group"),
        problem=data.get("problem"),
    )


def _aside(kind: str, rest: list[Any], name: str) -> side.SideMessage:
    if kind == wire.INFO:
        return side.WorkerIntroduced(name, rest[0])
    if kind == wire.KEYWORDS:
        return side.KeywordsNamed(name, rest[0], rest[1])
    if kind == wire.WARNING:
        return side.WarningRaised(name, rest[0])
    if kind == wire.JUNIT:
        return side.JunitNoted(name, *rest)
    if kind == wire.REPORTS:
        return side.LooseReports(name, tuple(rest[0]))
    if kind == wire.USAGE:
        return side.WorkerUsageError(name, rest[0])
    if kind == wire.INTERNAL:
        return side.WorkerInternalError(name, rest[0])
    if kind == wire.EXIT:
        return side.ExitRaised(name, rest[0], rest[1])
    if kind == wire.SHOULDSTOP:
        return side.SessionStopped(name, rest[0], rest[1])
    if kind == wire.ENDED:
        return side.WorkerOutput(name, rest[0])
    raise ValueError(f"a message of unknown kind {kind!r}")
