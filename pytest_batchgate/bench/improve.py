"""What bounds a run, and what would make it shorter, in seconds.

Every saving is the difference of two lower bounds, ``max(critical path, work / workers)`` before
and after: an upper estimate of what the change alone would bring, never a promise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from pytest_batchgate.bench.measured import GateShape, Shape
from pytest_batchgate.core.model import GateName
from pytest_batchgate.core.valuetypes import dataclass

_LEAST_S = 0.05
_LEAST_SHARE = 0.02  # of the bound
_MOST_OF_A_KIND = 2  # where twelve gates are alike, one line of advice says it
_NEARLY = 0.8  # of a span that one test makes up: it is what is to be split


@dataclass(frozen=True, slots=True, kw_only=True)
class Improvement:
    """``target``: a gate or a node id, empty for workers.  ``text`` is for people."""

    kind: Literal["split", "apart", "workers", "cache"]
    target: str
    saves_s: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a run with ``workers`` is bound by: its critical path, or the work that they share."""

    workers: int
    by: Literal["path", "work"]
    bound_s: float
    path_s: float
    path: tuple[GateName, ...]
    beyond_s: float  # of the wall time: start-up, collection, waiting


def bounds(shape: Shape, workers: int, wall_s: float) -> Bounds:
    path_s, path = shape.path()
    bound_s = shape.bound_s(workers)
    return Bounds(
        workers=workers,
        by="path" if path_s >= shape.work_s / workers else "work",
        bound_s=bound_s,
        path_s=path_s,
        path=path,
        beyond_s=max(0.0, wall_s - bound_s),
    )


def improvements(
    shape: Shape, workers: int, *, cpu_s: float, cpus: int, cacheable: frozenset[str] | None = None
) -> tuple[Improvement, ...]:
    """The best first.  ``cpu_s``: that the run needs, of which ``cpus`` do no more at a time.

    ``cacheable``: the gates a cache could spare; None: every command.
    """
    found = [*_more_workers(shape, workers, cpu_s / cpus if cpus else 0.0)]
    for gate in shape.gates:
        found += _smaller(shape, gate, workers)
        found += _cached(shape, gate, workers, cacheable)
    least_s = max(_LEAST_S, _LEAST_SHARE * shape.bound_s(workers))
    worth = sorted((one for one in found if one.saves_s >= least_s), key=lambda one: -one.saves_s)
    kinds: Counter[str] = Counter()
    kept = []
    for one in worth:
        kinds[one.kind] += 1
        if kinds[one.kind] <= _MOST_OF_A_KIND:
            kept.append(one)
    return tuple(kept)


def _more_workers(shape: Shape, workers: int, cpu_floor_s: float) -> Iterator[Improvement]:
    twice = 2 * workers
    saves_s = shape.bound_s(workers) - max(shape.bound_s(twice), cpu_floor_s)
    yield Improvement(
        kind="workers", target="", saves_s=saves_s, text=f"{twice} workers instead of {workers}"
    )


def _smaller(shape: Shape, gate: GateShape, workers: int) -> Iterator[Improvement]:
    if gate.kind == "command":
        if not gate.is_service:
            half = replace(gate, span_s=gate.span_s / 2)
            saves_s = _saves_s(shape, half, workers)
            yield Improvement(
                kind="split", target=gate.name, saves_s=saves_s, text=f"{gate.name} split into two gates"
            )
        return
    if gate.longest is None or gate.longest[1] <= 0:
        return
    name, longest_s = gate.longest
    if longest_s >= _NEARLY * gate.span_s:
        beside_s = max(0.0, gate.span_s - longest_s)
        smaller = replace(gate, span_s=beside_s + max(longest_s / 2, gate.second_s))
        text = f"the longest test of {gate.name} split into two: {name}"
        yield Improvement(kind="split", target=name, saves_s=_saves_s(shape, smaller, workers), text=text)
    else:
        free = replace(gate, span_s=longest_s)
        text = f"tests of {gate.name} that must follow one another (serial, group, max-workers) set free"
        yield Improvement(kind="apart", target=gate.name, saves_s=_saves_s(shape, free, workers), text=text)


def _cached(
    shape: Shape, gate: GateShape, workers: int, cacheable: frozenset[str] | None
) -> Iterator[Improvement]:
    if gate.kind != "command" or gate.is_service or (cacheable is not None and gate.name not in cacheable):
        return
    spared = replace(gate, span_s=0.0, work_s=0.0)
    text = f"{gate.name} from a cache, where nothing that it reads has changed"
    yield Improvement(kind="cache", target=gate.name, saves_s=_saves_s(shape, spared, workers), text=text)


def _saves_s(shape: Shape, changed: GateShape, workers: int) -> float:
    after = Shape(gates=tuple(changed if gate.name == changed.name else gate for gate in shape.gates))
    return shape.bound_s(workers) - after.bound_s(workers)
