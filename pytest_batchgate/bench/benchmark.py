"""Runs in, one document out: `benchmark.json`, from which table, page and comparison are made.

Its shape is fixed by `benchmark.schema.json` beside this module, which a test holds to it.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field
from pathlib import Path
from typing import Any

from pytest_batchgate.bench.improve import bounds, improvements
from pytest_batchgate.bench.measured import Run
from pytest_batchgate.bench.noise import compared, rounds
from pytest_batchgate.bench.project import project
from pytest_batchgate.core.valuetypes import dataclass

SCHEMA = 1
SCHEMA_PATH = Path(__file__).with_name("benchmark.schema.json")
IN_TURN = 1
"""The level with which all others are compared."""

ABSENT = "absent"
_MOST_DIFFERING = 1000  # named in the document; all are counted

Runs = Mapping[int, Sequence[Run]]  # by number of workers, one for each round


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one configuration took.  ``runs``: in turn among them, at least one round of each.

    The first run in turn was the first of all: tools filled their caches in it, and nobody knew yet
    how long anything takes.  Where there are other rounds its times do not count, but its outcomes do.
    """

    name: str
    config: str | None
    runs: Runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A test or gate that did not always end alike: its outcomes by number of workers, none twice."""

    kind: str  # test or gate
    id: str
    outcomes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


def differences(runs: Runs) -> tuple[Difference, ...]:
    """Every node id and gate, held to the first run in turn; gates first, in the order of that run."""
    first = runs[IN_TURN][0]
    found = []
    for kind in ("gate", "test"):
        known = [run.states if kind == "gate" else run.outcomes for each in runs.values() for run in each]
        expected = first.states if kind == "gate" else first.outcomes
        if all(one == expected for one in known):
            continue
        for name in dict.fromkeys(name for one in known for name in one):
            outcomes = {
                workers: tuple(
                    dict.fromkeys(
                        (run.states if kind == "gate" else run.outcomes).get(name, ABSENT) for run in each
                    )
                )
                for workers, each in runs.items()
            }
            if len({outcome for several in outcomes.values() for outcome in several}) > 1:
                found.append(Difference(kind=kind, id=name, outcomes=outcomes))
    return tuple(found)


def document(
    measurements: Sequence[Measurement], *, cpus: int, run_id: str, machine: Mapping[str, Any]
) -> dict[str, Any]:
    """The first measurement is the one that the others are variants of.  ``cpus``: that can be used."""
    first, *variants = measurements
    told = _told(first, cpus)
    return {
        "schema": SCHEMA,
        "run_id": run_id,
        "rounds": len(first.runs[IN_TURN]),
        "cpus": cpus,
        "machine": dict(machine),
        **told,
        "variants": [
            _told(variant, cpus)
            | {
                "beside_first": {
                    str(workers): _beside(each, _warm(first.runs)[workers])
                    for workers, each in _warm(variant.runs).items()
                }
            }
            for variant in variants
        ],
    }


def _told(measurement: Measurement, cpus: int) -> dict[str, Any]:
    found = differences(measurement.runs)
    runs = _warm(measurement.runs)
    walls_s = {workers: statistics.median(run.wall_s for run in each) for workers, each in runs.items()}
    alone = _middle(runs[IN_TURN])
    parallel = [workers for workers in walls_s if workers != IN_TURN] or [IN_TURN]
    best = min(parallel, key=lambda workers: (walls_s[workers], workers))
    projection = project(alone.shape, walls_s)
    # The least of all levels: one that took less has shown that more is not needed.
    cpu_s = min(statistics.median(run.cpu_s for run in each) for each in runs.values())
    return {
        "name": measurement.name,
        "config": measurement.config,
        "levels": [_level(workers, runs) for workers in sorted(runs)],
        "cold_s": measurement.runs[IN_TURN][0].wall_s if len(measurement.runs[IN_TURN]) > 1 else None,
        "outcomes_equal": not found,
        "differing": [
            {"kind": one.kind, "id": one.id, "outcomes": {str(n): list(o) for n, o in one.outcomes.items()}}
            for one in found[:_MOST_DIFFERING]
        ],
        "differing_count": len(found),
        "failed_gates": list(
            dict.fromkeys(name for each in measurement.runs.values() for run in each for name in run.bad)
        ),
        "bounds": asdict(bounds(alone.shape, best, walls_s[best])),
        "advice": [asdict(one) for one in improvements(alone.shape, best, cpu_s=cpu_s, cpus=cpus)],
        "projection": {**asdict(projection), "cpu_floor_s": cpu_s / cpus},
    }


def _warm(runs: Runs) -> Runs:
    alone = runs[IN_TURN]
    return {**runs, IN_TURN: alone[1:] if len(alone) > 1 else alone}


def _level(workers: int, runs: Runs) -> dict[str, Any]:
    each = runs[workers]
    wall, alone = rounds([run.wall_s for run in each]), rounds([run.wall_s for run in runs[IN_TURN]])
    speedup = alone.median / wall.median if wall.median else 0.0
    low, high = wall.middle
    return {
        "workers": workers,
        "wall_s": wall.median,
        "speedup": speedup,
        "efficiency": speedup / workers,
        "tests_per_s": statistics.median(run.tests / run.wall_s if run.wall_s else 0.0 for run in each),
        "cpu_s": statistics.median(run.cpu_s for run in each),
        "peak_rss_bytes": int(statistics.median(run.peak_rss_bytes for run in each)),
        "lower_bound_s": statistics.median(run.lower_bound_s for run in each),
        "rounds_s": list(wall.values),
        "middle_s": [low, high],
        "spread": wall.spread,
        "beside_in_turn": "same" if workers == IN_TURN else compared(wall, alone),
    }


def _beside(each: Sequence[Run], others: Sequence[Run]) -> dict[str, Any]:
    wall, other = rounds([run.wall_s for run in each]), rounds([run.wall_s for run in others])
    return {
        "wall_ratio": wall.median / other.median if other.median else 1.0,
        "answer": compared(wall, other),
    }


def _middle(each: Sequence[Run]) -> Run:
    """The run whose wall time is the median, or the one below it."""
    return sorted(each, key=lambda run: run.wall_s)[(len(each) - 1) // 2]
