"""What the sections hand to the tables: rows of figures, and goals met or missed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.contest import Result, ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A figure that was aimed at.  ``met`` is None when it could not be measured."""

    what: str
    target: str
    value: str
    met: bool | None
    noise: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contender's figures; ``cells`` are printed, ``data`` goes into the JSON file."""

    cells: tuple[str, ...]
    data: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    title: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    goals: tuple[Goal, ...] = ()
    note: str | None = None


HEADER = ("", "wall s", "spread", "CPU s", "peak MB", "tree MB", "times the first", "same outcome")


def rows_of(results: list[Result]) -> tuple[Row, ...]:
    """One row per contender, ratios against the first."""
    return tuple(_row(result, results[0]) for result in results)


def _row(result: Result, first: Result) -> Row:
    summary = result.summary
    middle, least, most = ratio(first, result)
    tree = f"{summary.tree_rss_bytes / 1e6:.0f}" if summary.tree_rss_bytes else "-"
    same = {True: "yes", False: "no", None: "-"}[result.equal]
    notes = [f"{result.name}: outcome: {line}" for line in result.unlike[:5]]
    if summary.noise:
        notes.append(f"{result.name}: too noisy to trust ({summary.noise})")
    return Row(
        cells=(
            result.name,
            f"{summary.wall_s:.2f}",
            f"{summary.spread:.0%}",
            f"{summary.cpu_s:.2f}",
            f"{summary.peak_rss_bytes / 1e6:.0f}",
            tree,
            f"{middle:.2f} ({least:.2f}-{most:.2f})",
            same,
        ),
        data={
            "contender": result.name,
            "ratio": middle,
            "ratio_least": least,
            "ratio_most": most,
            "equal": result.equal,
            "unlike": list(result.unlike),
            "exit_codes": [run.exit_code for run in result.runs],
            **asdict(summary),
        },
        notes=tuple(notes),
    )


def at_least(what: str, slow: Result, fast: Result, target: float) -> Goal:
    """The goal that ``fast`` is ``target`` times as fast as ``slow``."""
    middle, least, most = ratio(slow, fast)
    return Goal(
        what=what,
        target=f">= {target}",
        value=f"{middle:.2f} ({least:.2f}-{most:.2f})",
        met=middle >= target,
        noise=slow.summary.noise or fast.summary.noise,
    )
