"""`batchgate stats`: what earlier runs took, which tests are flaky, and what has changed."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from pytest_batchgate.commands.base import EXIT_GOOD, declare_rootdir, styled, wants_colour, writes_unicode
from pytest_batchgate.commands.statistics import SLOWER, statistics
from pytest_batchgate.doctor.place import rootdir_of, state_folder
from pytest_batchgate.errors import OptionError, did_you_mean
from pytest_batchgate.report.table import columns
from pytest_batchgate.report.words import duration, harmless, percent, plural, size
from pytest_batchgate.store.history import History
from pytest_batchgate.store.record import GateSample, PastRun

_BARS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
_PERCENT = 100
_NAMED = 20


def declare(parser: argparse.ArgumentParser) -> None:
    parser.description = "Shows what the runs that are recorded took, newest last, and what has changed."
    declare_rootdir(parser)
    parser.add_argument("--gate", metavar="NAME", help="of one gate only")
    parser.add_argument(
        "--limit", metavar="N", type=_count, default=10, help="rows in each list (default: 10)"
    )
    parser.add_argument(
        "--since", metavar="RUN", help="the run to compare with: N runs ago, or the begin of its id"
    )
    parser.add_argument(
        "--slower",
        metavar="PERCENT",
        type=_count,
        default=round((SLOWER - 1) * _PERCENT),
        help="how much longer counts as slower (default: 20)",
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 1")
    return int(text)


def run(options: argparse.Namespace) -> int:
    folder = state_folder(rootdir_of(options.rootdir))
    history = History.open(folder)
    runs, gates, noted = history.runs(), history.gate_samples(), history.noted_tests()
    if not runs:
        if history.warnings:
            raise OptionError(history.warnings[0])
        raise OptionError(f"no run is recorded in {folder}", todo="Start one: pytest --batch-gates")
    _check_gate(gates, options.gate)
    found = statistics(
        runs,
        gates,
        noted,
        since=_since(runs, options.since),
        gate=options.gate,
        limit=options.limit,
        slower=1 + options.slower / _PERCENT,
    )
    if options.json:
        print(json.dumps(found, indent=2))
        return EXIT_GOOD
    width = shutil.get_terminal_size((100, 24)).columns
    for style, line in lines(found, width=max(width, 40), unicode=writes_unicode()):
        print(styled(line, style, colour=wants_colour()))
    return EXIT_GOOD


def _check_gate(gates: Sequence[GateSample], typed: str | None) -> None:
    known = list(dict.fromkeys(sample.gate for sample in gates))
    if typed is not None and typed not in known:
        near = did_you_mean(typed, known) or f"Known are: {', '.join(known) or 'none'}"
        raise OptionError(f"no recorded run had a gate {typed!r}", where="--gate", todo=near)


def _since(runs: Sequence[PastRun], typed: str | None) -> PastRun | None:
    """The run before the last one, unless one is asked for."""
    if typed is None:
        return runs[-2] if len(runs) > 1 else None
    if typed.isdigit() and 0 < int(typed) < len(runs):
        return runs[-1 - int(typed)]
    matching = [run for run in runs if run.run_id.startswith(typed)] if typed else []
    if len(matching) == 1:
        return matching[0]
    what = f"{len(matching)} runs begin with {typed!r}" if matching else f"there is no run {typed!r}"
    known = ", ".join(run.run_id[:8] for run in runs[-_NAMED:])
    todo = f"Give a number up to {len(runs) - 1}, or one of: {known}"
    raise OptionError(what, where="--since", todo=todo)


# --- the table ------------------------------------------------------------------------


def lines(found: dict[str, Any], *, width: int, unicode: bool) -> Iterator[tuple[str, str]]:
    """Style and text of each line."""
    kept = found["runs"]
    last = kept[-1]
    told = f"last run {last['run_id'][:8]}: {last['verdict']} in {duration(last['wall_s'])}"
    yield "bold", f"{told} on {plural(last['workers'], 'worker')}"
    changes = found["changes"]
    if changes is not None:
        yield from _changes(changes, unicode=unicode)
    yield from _section(
        "slowest gates",
        [("gate", "median", "CPU", "peak", "runs")],
        [
            (
                row["gate"],
                duration(row["wall_s"]),
                duration(row["cpu_s"]),
                size(row["peak_rss_bytes"]) if row["peak_rss_bytes"] else "-",  # too small to be told
                str(row["runs"]),
            )
            for row in found["slowest_gates"]
        ],
        "<>>>>",
        width,
    )
    yield from _section(
        "slowest tests",
        [("test", "took", "outcome")],
        [
            (harmless(row["nodeid"], unicode=unicode), duration(row["duration_s"]), row["outcome"])
            for row in found["slowest_tests"]
        ],
        "<><",
        width,
    )
    yield from _section(
        "flakiest tests",
        [("test", "passed on a retry", "failed", "of runs")],
        [
            (
                harmless(row["nodeid"], unicode=unicode),
                str(row["passed_on_retry"]),
                str(row["failed"]),
                str(row["runs"]),
            )
            for row in found["flakiest_tests"]
        ],
        "<>>>",
        width,
    )
    yield from _section(
        "trends, newest last",
        [("gate", "good", "wall time")],
        [
            (row["gate"], percent(row["passed"]), sparkline(row["wall_s"], unicode=unicode))
            for row in found["trends"]
        ],
        "<><",
        width,
    )


def _section(
    title: str, head: list[tuple[str, ...]], rows: list[tuple[str, ...]], align: str, width: int
) -> Iterator[tuple[str, str]]:
    if not rows:
        return
    yield "", ""
    yield "bold", title
    first, *rest = columns([*head, *rows], align=align, width=width)
    yield "dim", first
    yield from (("", line) for line in rest)


def _changes(changes: dict[str, Any], *, unicode: bool) -> Iterator[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, word, style in (("new_failures", "fails now", "red"), ("fixed", "is mended", "green")):
        names = changes[key]
        rows += [(style, f"{word}: {harmless(name, unicode=unicode)}") for name in names[:_NAMED]]
        if len(names) > _NAMED:
            rows.append((style, f"{word}: {len(names) - _NAMED:,} more"))
    for row in changes["changed_gates"]:
        rows.append(("", f"gate {row['gate']}: {row['before']} before, {row['after']} now"))
    for key, word in (("slower_gates", "gate "), ("slower_tests", "")):
        rows += [
            (
                "yellow",
                f"slower: {word}{harmless(row['name'], unicode=unicode)}, {_took(row)}",
            )
            for row in changes[key][:_NAMED]
        ]
    rows += [("", f"new gate: {name}") for name in changes["new_gates"]]
    rows += [("", f"gate that is gone: {name}") for name in changes["removed_gates"]]
    if changes["tests_before"] != changes["tests_after"]:
        rows.append(("", f"{plural(changes['tests_after'], 'test')}, {changes['tests_before']:,} before"))
    yield "", ""
    yield "bold", f"since run {changes['since'][:8]}"
    yield from rows or [("", "nothing has changed")]


def _took(row: dict[str, Any]) -> str:
    return f"{duration(row['after_s'])}, {duration(row['before_s'])} before"


def sparkline(values: Sequence[float], *, unicode: bool) -> str:
    """Bars from nothing to the greatest, then the last value; numbers where the stream takes ASCII only."""
    if not unicode:
        return " ".join(duration(value) for value in values)
    greatest = max(values, default=0.0)
    bars = "".join(
        _BARS[round(value / greatest * (len(_BARS) - 1))] if greatest > 0 else _BARS[0] for value in values
    )
    return f"{bars}  {duration(values[-1])}" if values else ""
