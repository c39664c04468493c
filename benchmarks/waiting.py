"""Section "waiting": gates that only sleep, so that nothing but the scheduler can lose time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contest import Contender, Result, contest
from benchmarks.prepare import Prepared
from benchmarks.rows import Goal, Row, Table

WORKERS = (2, 4, 8)
# Number of gates, and how long each sleeps, in seconds: about the same work for each size.
SIZES = ((5, 0.6), (20, 0.2), (50, 0.1), (200, 0.04))
SHARE, EXTRA_S = 1.05, 0.3  # what a run may take: SHARE x lower bound + EXTRA_S

HEADER = ("gates", "workers", "bound s", "make s", "ours s", "ours - bound", "limit s", "ours CPU s", "noise")


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Gates by name: what each needs, all of which stand before it, and how long it sleeps, in seconds.

    The shapes are such that the lower bound can be reached with 2, 4 and 8
    workers: where the gates do not divide evenly, some sleep twice as long.
    """

    shape: str
    needs: Mapping[str, tuple[str, ...]]
    sleeps_s: Mapping[str, float]

    def lower_bound_s(self, workers: int) -> float:
        """No schedule is faster than max(critical path, work / workers)."""
        return max(self.critical_path_s, sum(self.sleeps_s.values()) / workers)

    @property
    def critical_path_s(self) -> float:
        ends: dict[str, float] = {}
        for name, needed in self.needs.items():
            ends[name] = self.sleeps_s[name] + max((ends[need] for need in needed), default=0.0)
        return max(ends.values())


def _names(count: int) -> list[str]:
    return [f"g{number}" for number in range(count)]


def chain(count: int, sleep_s: float) -> Graph:
    """One after another."""
    names = _names(count)
    needs = {name: tuple(names[max(0, n - 1) : n]) for n, name in enumerate(names)}
    return Graph(shape="chain", needs=needs, sleeps_s=dict.fromkeys(names, sleep_s))


def diamonds(count: int, sleep_s: float) -> Graph:
    """One, two that need it, one that needs those two, and so on."""
    names = _names(count)
    needs: dict[str, tuple[str, ...]] = {}
    for n, name in enumerate(names):
        first = {0: n - 2, 1: n - 1, 2: n - 2}[n % 3]
        needs[name] = tuple(names[max(0, first) : n if n % 3 != 2 else n - 1])
    return Graph(shape="diamonds", needs=needs, sleeps_s=dict.fromkeys(names, sleep_s))


def wide(count: int, sleep_s: float) -> Graph:
    """All at once, the long ones listed first."""
    names = _names(count)
    doubled = -count % _lanes(count)
    sleeps = {name: sleep_s * (2 if n < doubled else 1) for n, name in enumerate(names)}
    return Graph(shape="wide", needs=dict.fromkeys(names, ()), sleeps_s=sleeps)


def lanes(count: int, sleep_s: float) -> Graph:
    """Chains of the same length, side by side."""
    names = _names(count)
    beside = _lanes(count)
    needs = {name: (names[n - beside],) if n >= beside else () for n, name in enumerate(names)}
    short = range(beside - (-count % beside), beside)
    sleeps = {name: sleep_s * (2 if n in short else 1) for n, name in enumerate(names)}
    return Graph(shape="lanes", needs=needs, sleeps_s=sleeps)


def _lanes(count: int) -> int:
    return 8 if count >= 16 else 2


def cases(sizes: Sequence[tuple[int, float]] = SIZES) -> list[tuple[Graph, int]]:
    """Each graph with the numbers of workers that make a difference to it."""
    found: list[tuple[Graph, int]] = []
    for count, sleep_s in sizes:
        found += [(make(count, sleep_s), workers) for make in (wide, lanes) for workers in WORKERS]
        found += [(make(count, sleep_s), WORKERS[0]) for make in (diamonds, chain)]
    return found


def _config(graph: Graph, path: Path) -> Path:
    gates = {
        name: {"run": ["sleep", f"{graph.sleeps_s[name]:g}"], "needs": list(needed)}
        for name, needed in graph.needs.items()
    }
    path.write_text(json.dumps({"version": 1, "gates": gates}), encoding="utf-8")
    return path


def _makefile(graph: Graph, path: Path) -> Path:
    rules = [
        f"{name}: {' '.join(needed)}\n\t@sleep {graph.sleeps_s[name]:g}\n"
        for name, needed in graph.needs.items()
    ]
    names = " ".join(graph.needs)
    path.write_text(f"all: {names}\n.PHONY: all {names}\n" + "".join(rules), encoding="utf-8")
    return path


def _contenders(prepared: Prepared, graph: Graph, workers: int, folder: Path) -> list[Contender]:
    label = f"{graph.shape}-{len(graph.needs)}-{workers}"
    make = ["make", f"-j{workers}", "-f", str(_makefile(graph, folder / f"{label}.mk"))]
    found = [Contender(name="make", argv=make, cwd=folder)]
    if prepared.has_ours:
        config = _config(graph, folder / f"{label}.yaml")
        options = ("--batch-gates", f"--batch-workers={workers}", f"--batch-config={config}")
        argv = prepared.module("pytest", "-p", "no:xdist", f"--rootdir={folder}", *options)
        found.append(Contender(name="ours", argv=argv, cwd=folder))
    return found


def measure_waiting(prepared: Prepared, *, rounds: int, sizes: Sequence[tuple[int, float]] = SIZES) -> Table:
    folder = prepared.work / "waiting"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    rows: list[Row] = []
    goals: list[Goal] = []
    for graph, workers in cases(sizes):
        contenders = _contenders(prepared, graph, workers, folder)
        results = contest(contenders, rounds=rounds, work=folder, warm_up=False)
        rows.append(_row(graph, workers, {result.name: result for result in results}))
        if rows[-1].data["ours_s"] is not None:
            goals.append(_goal(rows[-1]))
    return Table(
        title="gates that only sleep",
        header=HEADER,
        rows=tuple(rows),
        goals=(_worst(goals),) if goals else (),
        note=_cost_per_gate(rows),
    )


def _row(graph: Graph, workers: int, by_name: Mapping[str, Result]) -> Row:
    bound_s = graph.lower_bound_s(workers)
    limit_s = SHARE * bound_s + EXTRA_S
    make, ours = by_name["make"], by_name.get("ours")
    label = f"{len(graph.needs)} {graph.shape}"
    data = {
        "gates": len(graph.needs),
        "shape": graph.shape,
        "workers": workers,
        "lower_bound_s": bound_s,
        "limit_s": limit_s,
        "make_s": make.summary.wall_s,
        "ours_s": ours.summary.wall_s if ours else None,
        "ours_cpu_s": ours.summary.cpu_s if ours else None,
        "ours_walls_s": list(ours.summary.walls_s) if ours else None,
        "noise": ours.summary.noise if ours else None,
    }
    over = f"{ours.summary.wall_s - bound_s:.2f}" if ours else "-"
    notes = [f"{label}, {workers} workers: {line}" for line in (ours.unlike if ours else ())]
    return Row(
        cells=(
            label,
            str(workers),
            f"{bound_s:.2f}",
            f"{make.summary.wall_s:.2f}",
            f"{ours.summary.wall_s:.2f}" if ours else "-",
            over,
            f"{limit_s:.2f}",
            f"{ours.summary.cpu_s:.2f}" if ours else "-",
            (ours.summary.noise or "") if ours else "",
        ),
        data=data,
        notes=tuple(notes),
    )


def _goal(row: Row) -> Goal:
    data = row.data
    return Goal(
        what=f"waiting, worst of all: {row.cells[0]}, {row.cells[1]} workers",
        target=f"<= {SHARE} x {data['lower_bound_s']:.2f} + {EXTRA_S} = {data['limit_s']:.2f} s",
        value=f"{data['ours_s']:.2f} s",
        met=data["ours_s"] <= data["limit_s"],
        noise=data["noise"],
    )


def _worst(goals: Sequence[Goal]) -> Goal:
    def over(goal: Goal) -> float:
        limit_s = float(goal.target.rpartition("= ")[2].removesuffix(" s"))
        return float(goal.value.removesuffix(" s")) - limit_s

    return max(goals, key=over)


def _cost_per_gate(rows: Sequence[Row]) -> str | None:
    """CPU of one more gate, its `sleep` process included, from the widest graphs of least and most gates."""
    wide_rows = [
        row.data for row in rows if row.data["shape"] == "wide" and row.data["ours_cpu_s"] is not None
    ]
    if len({data["gates"] for data in wide_rows}) < 2:
        return None
    few = min(wide_rows, key=lambda data: (data["gates"], data["workers"]))
    many = max(wide_rows, key=lambda data: (data["gates"], -data["workers"]))
    cost_s = (many["ours_cpu_s"] - few["ours_cpu_s"]) / (many["gates"] - few["gates"])
    return f"One more gate costs {1000 * cost_s:.1f} ms of CPU, starting and watching its process included."
