"""Tables as text for the terminal, as markdown for the docs, and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.prepare import ROOT
from benchmarks.projects import TOOLS
from benchmarks.rows import Goal, Table

BEGIN, END = "<!-- benchmark:begin -->", "<!-- benchmark:end -->"
_VERDICT = {True: "met", False: "MISSED", None: "not measured"}
GOALS_HEADER = ("goal", "target", "measured", "")


def machine(rounds: int) -> dict[str, Any]:
    """What the figures were measured on, and how."""
    return {
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu": _cpu_model(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "tools": list(TOOLS),
        "rounds": rounds,
        "load_1min": os.getloadavg()[0],
        "commit": _commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _commit() -> str | None:
    argv = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def table_text(table: Table) -> str:
    return "\n".join([table.title, _columns(table.header, [row.cells for row in table.rows]), *_notes(table)])


def goals_text(tables: Sequence[Table]) -> str:
    """Every goal with what was measured; an empty string where there is none."""
    cells = [_goal_cells(goal) for table in tables for goal in table.goals]
    return f"\ngoals\n{_columns(GOALS_HEADER, cells)}" if cells else ""


def markdown(tables: Sequence[Table], facts: dict[str, Any]) -> str:
    parts = [facts_text(facts)]
    for table in tables:
        parts.append(f"### {table.title}\n\n{_grid(table.header, [row.cells for row in table.rows])}")
        parts.extend(_notes(table))
    goals = [goal for table in tables for goal in table.goals]
    if goals:
        parts.append(f"### Goals\n\n{_grid(GOALS_HEADER, [_goal_cells(goal) for goal in goals])}")
    return "\n\n".join(parts)


def write_markdown(path: Path, content: str) -> None:
    """Put ``content`` between the markers of ``path``, or make it the whole file where there are none."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    head, begin, rest = old.partition(BEGIN)
    _, end, tail = rest.partition(END)
    new = f"{head}{BEGIN}\n\n{content}\n\n{END}{tail}" if begin and end else f"{content}\n"
    path.write_text(new, encoding="utf-8")


def write_json(path: Path, tables: Sequence[Table], facts: dict[str, Any]) -> None:
    content = {
        "schema": 1,
        "machine": facts,
        "tables": [
            {
                "title": table.title,
                "note": table.note,
                "rows": [row.data for row in table.rows],
                "goals": [asdict(goal) for goal in table.goals],
            }
            for table in tables
        ],
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def facts_text(facts: dict[str, Any]) -> str:
    where = f"{facts['cpus']} CPUs ({facts['cpu']}), {facts['system']}, Python {facts['python']}"
    return (
        f"{where}; commit {facts['commit']}, {facts['date']}; median of {facts['rounds']} interleaved rounds "
        f"after a warm-up; load at the start {facts['load_1min']:.1f}."
    )


def _notes(table: Table) -> Iterable[str]:
    if table.note:
        yield table.note
    for row in table.rows:
        yield from row.notes


def _goal_cells(goal: Goal) -> tuple[str, ...]:
    verdict = _VERDICT[goal.met] + (f", too noisy to trust ({goal.noise})" if goal.noise else "")
    return (goal.what, goal.target, goal.value, verdict)


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[column]) for line in (header, *rows)) for column in range(len(header))]
    lines = []
    for line in (header, *rows):
        cells = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = "|" + "|".join(" --- " if column == 0 else " ---: " for column in range(len(header))) + "|"
    return "\n".join([line(header), rule, *(line(row) for row in rows)])


def complain(message: str) -> None:
    print(f"benchmarks: {message}", file=sys.stderr)
