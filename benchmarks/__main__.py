"""Command line of the benchmarks.

``python -m benchmarks``             measure everything
``python -m benchmarks prepare``     fetch and install only
``python -m benchmarks outcomes``    no timing: are our outcomes plain pytest's?
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.gates import measure_gates
from benchmarks.live import measure_live
from benchmarks.micro import measure_one_test, measure_per_test
from benchmarks.outcomes import check_gates, check_outcomes
from benchmarks.output import (
    complain,
    facts_text,
    goals_text,
    machine,
    markdown,
    table_text,
    write_json,
    write_markdown,
)
from benchmarks.prepare import DEFAULT_WORK, Prepared, PrepareError, prepare
from benchmarks.projects import MICRO, REAL, Project
from benchmarks.reporting import measure_reports
from benchmarks.rows import Table
from benchmarks.sharded import check_shards
from benchmarks.suites import measure_tests
from benchmarks.waiting import measure_waiting

SECTIONS = ("tests", "gates", "waiting", "micro", "live", "reports")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 when outcomes differ, or with ``--strict`` a goal is missed; 2 when nothing could run."""
    options = _parse(arguments)
    try:
        return {"run": _measure, "prepare": _prepare, "outcomes": _outcomes}[options.what](options)
    except PrepareError as error:
        complain(str(error))
        return 2
    except KeyboardInterrupt:
        complain("interrupted")
        return 130


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [project.name for project in REAL]
    parser = argparse.ArgumentParser(prog="benchmarks", description="pytest-batchgate beside its peers.")
    parser.add_argument("what", nargs="?", default="run", choices=("run", "prepare", "outcomes"))
    parser.add_argument(
        "--only", action="append", metavar="PROJECT", help=f"of {', '.join(names)}; repeatable"
    )
    parser.add_argument(
        "--section", action="append", choices=(*SECTIONS, "shards"), help="repeatable; all by default"
    )
    parser.add_argument(
        "--beside",
        action="append",
        metavar="WORD",
        help="only contenders with this word in their name, and the first; repeatable",
    )
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds after the warm-up (5)")
    parser.add_argument("--junit", action="store_true", help="write JUnit in the timed runs too")
    parser.add_argument("--quick", action="store_true", help="outcomes: without a project's longest files")
    parser.add_argument("--strict", action="store_true", help="exit 1 if a goal is missed")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="where sources and environments go")
    parser.add_argument("--wheel", type=Path, help="install this wheel instead of the checkout")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the environments")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables between its markers")
    options = parser.parse_args(arguments)
    for name in {*(options.only or ())} - {*names}:
        parser.error(f"--only {name}: not one of {', '.join(names)}")
    if options.rounds < 1:
        parser.error("--rounds must be 1 or more")
    options.work = options.work.resolve()
    options.wheel = options.wheel.resolve() if options.wheel else None
    return options


def _ready(project: Project, options: argparse.Namespace) -> Prepared:
    return prepare(project, work=options.work, python=options.python, wheel=options.wheel)


def _chosen(options: argparse.Namespace) -> list[Project]:
    return [project for project in REAL if not options.only or project.name in options.only]


def _prepare(options: argparse.Namespace) -> int:
    for project in _chosen(options):
        print(f"{project.requirement}: {_ready(project, options).source}")
    return 0


def _outcomes(options: argparse.Namespace) -> int:
    verdicts = []
    for project in _chosen(options):
        prepared = _ready(project, options)
        if not prepared.has_ours:
            raise PrepareError(f"pytest_batchgate cannot be imported in {prepared.python}")
        checks = {"tests": check_outcomes, "gates": check_gates, "shards": check_shards}
        chosen = [check for name, check in checks.items() if name in (options.section or checks)]
        verdicts += [check(prepared, quick=options.quick) for check in chosen]
    return 0 if all(verdicts) else 1


def _measure(options: argparse.Namespace) -> int:
    facts = machine(options.rounds)
    tables: list[Table] = []
    print(facts_text(facts))
    for measure in _measurements(options):
        tables.append(measure())
        print(f"\n{table_text(tables[-1])}", flush=True)
        # Written after each table: a long run that is stopped leaves what it had.
        if options.json:
            write_json(options.json, tables, facts)
        if options.markdown:
            write_markdown(options.markdown, markdown(tables, facts))
    print(goals_text(tables))
    unlike = any(row.data.get("equal") is False and _ours(row.data) for table in tables for row in table.rows)
    missed = any(goal.met is False for table in tables for goal in table.goals)
    return 1 if unlike or (options.strict and missed) else 0


def _ours(data: dict[str, object]) -> bool:
    return str(data.get("contender", "")).startswith("batchgate")


def _measurements(options: argparse.Namespace) -> Iterator[Callable[[], Table]]:
    """One call per table.  Environments are made when their table's turn comes."""
    sections = options.section or SECTIONS
    rounds = options.rounds
    for project in _chosen(options):
        for section, measure in (("tests", measure_tests), ("gates", measure_gates)):
            if section in sections:
                yield lambda p=project, m=measure: m(  # type: ignore[misc]
                    _noticed(p, options),
                    rounds=rounds,
                    junit_always=options.junit,
                    keep=tuple(options.beside or ()),
                )
    if options.only and not options.section:
        return
    if "waiting" in sections:
        yield lambda: measure_waiting(_noticed(MICRO, options), rounds=min(rounds, 3))
    if "micro" in sections:
        yield lambda: measure_one_test(_noticed(MICRO, options), rounds=rounds * 3)
        yield lambda: measure_per_test(_noticed(MICRO, options), rounds=min(rounds, 3))
    if "live" in sections:
        yield lambda: measure_live(_noticed(MICRO, options), rounds=rounds)
    if "reports" in sections:
        yield lambda: measure_reports(_noticed(MICRO, options), rounds=rounds)


def _noticed(project: Project, options: argparse.Namespace) -> Prepared:
    prepared = _ready(project, options)
    if not prepared.has_ours:
        complain("pytest_batchgate cannot be imported there: only the others are measured")
    return prepared


if __name__ == "__main__":
    sys.exit(main())
