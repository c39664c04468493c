"""One run of a benchmark in numbers: what it took, how all ended, and the graph it had to go through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_batchgate.bench.observed import Observed
from pytest_batchgate.core.graph import longest_paths, topological_order
from pytest_batchgate.core.model import GateName
from pytest_batchgate.core.valuetypes import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GateShape:
    """What one gate asks of a schedule, in seconds.

    ``work_s`` is worker time, ``span_s`` the least wall time with any number of workers (see
    `Tally.spans`).  ``longest``: its longest test with its seconds, ``second_s`` the next one's.
    """

    name: GateName
    kind: str  # tests or command
    needs: tuple[GateName, ...] = ()
    is_service: bool = False
    work_s: float = 0.0
    span_s: float = 0.0
    longest: tuple[str, float] | None = None
    second_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The graph of a run.  Gates are in the order of the configuration."""

    gates: tuple[GateShape, ...]

    @property
    def work_s(self) -> float:
        return sum(gate.work_s for gate in self.gates if not gate.is_service)

    def path(self) -> tuple[float, tuple[GateName, ...]]:
        """The longest chain of gates that must follow one another; (0.0, ()) without gates."""
        names = tuple(gate.name for gate in self.gates)
        needs = {gate.name: tuple(need for need in gate.needs if need in names) for gate in self.gates}
        order = topological_order(names, needs)
        assert order is not None, "a graph that ran has no cycle"
        longest = longest_paths(order, needs, {gate.name: gate.span_s for gate in self.gates})
        if not longest:
            return 0.0, ()
        name: GateName | None = max(longest, key=lambda each: longest[each][0])
        length_s = longest[name][0] if name is not None else 0.0
        path: list[GateName] = []
        while name is not None:
            path.append(name)
            name = longest[name][1]
        return length_s, tuple(reversed(path))

    def bound_s(self, workers: int) -> float:
        """``max(critical path, work / workers)``: no schedule is shorter.  ``workers`` from 1."""
        return max(self.path()[0], self.work_s / workers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """``wall_s``: from the start of the process to its end.  ``cpu_s``: of it and all that it waited for.

    ``peak_rss_bytes``: the greatest sum over its process tree that was seen.  ``outcomes`` by
    node id, ``states`` by gate.
    """

    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    lower_bound_s: float
    outcomes: Mapping[str, str]
    states: Mapping[str, str]
    shape: Shape
    bad: tuple[str, ...] = ()  # required gates that were not good

    @property
    def tests(self) -> int:
        """That a worker ran, or tried to."""
        return sum(outcome not in _NOT_TRIED for outcome in self.outcomes.values())


_NOT_TRIED = frozenset({"withheld", "not_run"})
_GOOD = frozenset({"passed", "flaky", "cached", "carried", "unaffected", "deselected"})


def measured(run: Observed, *, wall_s: float, cpu_s: float, peak_rss_bytes: int) -> Run:
    """Of a run that came to its end (``run.exit_code`` is known)."""
    reports = run.result["gates"]
    schedule = run.result["schedule"]
    return Run(
        wall_s=wall_s,
        cpu_s=cpu_s,
        peak_rss_bytes=peak_rss_bytes,
        lower_bound_s=schedule["lower_bound_s"],
        outcomes={name: test.outcome for name, test in run.tests.items()},
        states={report["name"]: report["state"] for report in reports},
        shape=_shape(run, reports, schedule["spans"]),
        bad=tuple(
            report["name"] for report in reports if report["required"] and report["state"] not in _GOOD
        ),
    )


def _shape(run: Observed, reports: list[Mapping[str, Any]], spans: Mapping[str, float]) -> Shape:
    longest: dict[str | None, tuple[str, float]] = {}
    second_s: dict[str | None, float] = {}
    for name, test in run.tests.items():
        took_s = test.end_s - test.begin_s
        before = longest.get(test.gate)
        if before is None or took_s > before[1]:
            longest[test.gate] = (name, took_s)
            second_s[test.gate] = before[1] if before is not None else 0.0
        else:
            second_s[test.gate] = max(second_s[test.gate], took_s)
    return Shape(
        gates=tuple(
            GateShape(
                name=report["name"],
                kind=report["kind"],
                needs=tuple(report["needs"]),
                is_service=report["is_service"],
                work_s=report["work_s"],
                span_s=spans.get(report["name"], 0.0),
                longest=longest.get(report["name"]),
                second_s=second_s.get(report["name"], 0.0),
            )
            for report in reports
        )
    )
