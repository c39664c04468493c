"""Runs of a benchmark made of numbers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_batchgate.bench.benchmark import Measurement, document
from pytest_batchgate.bench.measured import GateShape, Run, Shape
from pytest_batchgate.core.model import GateName


def gate(name: str, span_s: float, *needs: str, **more: Any) -> GateShape:
    """A command whose work is its span, unless told otherwise."""
    values = {"kind": "command", "work_s": span_s, **more}
    return GateShape(name=GateName(name), span_s=span_s, needs=tuple(map(GateName, needs)), **values)


# lint (1 s) beside build (2 s) -> unit (8 s of tests, the longest 3 s)
SHAPE = Shape(
    gates=(
        gate("lint", 1.0),
        gate("build", 2.0),
        gate("unit", 3.0, "build", kind="tests", work_s=8.0, longest=("t.py::slow", 3.0), second_s=1.0),
    )
)
PASSED = {"t.py::slow": "passed", "t.py::fast": "passed"}
GOOD = {"lint": "passed", "build": "passed", "unit": "passed"}


def run(wall_s: float, workers: int = 1, **more: Any) -> Run:
    shape = more.pop("shape", SHAPE)
    values = {"outcomes": PASSED, "states": GOOD, **more}
    return Run(
        wall_s=wall_s,
        cpu_s=1.5,
        peak_rss_bytes=100 * 1024 * 1024,
        lower_bound_s=shape.bound_s(workers),
        shape=shape,
        **values,
    )


def runs(**walls_s: Sequence[float]) -> dict[int, list[Run]]:
    """``n2=(5.5, 5.6)``: the rounds with two workers."""
    return {int(name[1:]): [run(wall_s, int(name[1:])) for wall_s in each] for name, each in walls_s.items()}


def told(*measured: Mapping[int, Sequence[Run]], **more: Any) -> dict[str, Any]:
    """The document of a benchmark: its configuration, then variants v1, v2..."""
    measurements = [
        Measurement(name=f"v{place}" if place else "", config=f"{place}.yaml", runs=each)
        for place, each in enumerate(measured)
    ]
    found = document(measurements, cpus=2, run_id="r", machine={"python": "3.11.7", "system": "Linux x"})
    return {**found, "exit_code": 0, **more}


USUAL = {1: (19.0, 11.5, 11.7), 2: (6.4, 6.2, 6.3), 4: (5.3, 5.4, 5.2)}


def usual() -> dict[int, list[Run]]:
    return {workers: [run(wall_s, workers) for wall_s in each] for workers, each in USUAL.items()}
