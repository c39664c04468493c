"""The options of `--batch-benchmark`, read and checked."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path

from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import NotYetError, OptionError

MAX_ROUNDS = 1000
MAX_WORKERS = 1024
AUTO = 0  # among levels: as many workers as a run has by itself

_OWN = {
    "batch_rounds": "--batch-rounds",
    "batch_baseline": "--batch-baseline",
    "batch_tolerance": "--batch-tolerance",
    "batch_variant": "--batch-variant",
}
_NOT_WITH = {
    "batch_verify": "--batch-verify",
    "batch_plan": "--batch-plan",
    "batch_init": "--batch-init",
    "batch_resume": "--batch-resume",
    "batch_watch": "--batch-watch",
    "batch_since": "--batch-since",
    "batch_shard": "--batch-shard",
    "batch_fail_fast": "--batch-fail-fast",
    "collectonly": "--collect-only",
}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """``levels``: numbers of workers, AUTO among them.  ``tolerance``: 0.1 is 10 %."""

    levels: tuple[int, ...]
    rounds: int = 3
    baseline: Path | None = None  # as typed
    tolerance: float = 0.1
    variants: tuple[tuple[str, Path], ...] = ()

    def workers(self, pool: int) -> tuple[int, ...]:
        """The numbers of workers to measure, ascending, in turn (1) always among them.

        ``pool``: what AUTO stands for; at least 2 here, for less is no level beside 1.
        """
        return tuple(sorted({1, *self.asked(pool)}))

    def asked(self, pool: int) -> tuple[int, ...]:
        return tuple(sorted({level if level != AUTO else max(2, pool) for level in self.levels}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A run that `--batch-benchmark` started.  ``workers``: 0 is in turn.  ``reports``: all of them."""

    workers: int
    reports: bool


def read_benchmark(namespace: argparse.Namespace) -> BenchOptions | None:
    """None where no benchmark is asked for.  Raises OptionError."""
    if namespace.batch_benchmark is None:
        for dest, flag in _OWN.items():
            if getattr(namespace, dest) is not None:
                raise OptionError(
                    "it means nothing without --batch-benchmark", where=flag, todo="Add --batch-benchmark"
                )
        return None
    for dest, flag in _NOT_WITH.items():
        if getattr(namespace, dest, None) not in {None, False}:
            raise OptionError(
                "it runs all selected gates several times over, and compares",
                where=f"--batch-benchmark with {flag}",
                todo="Use one of them",
            )
    if namespace.batch_cache not in {None, "off", "auto"}:  # auto: a benchmark switches it off
        raise NotYetError(f"--batch-cache={namespace.batch_cache}")
    baseline = namespace.batch_baseline
    return BenchOptions(
        levels=_levels(namespace.batch_benchmark),
        rounds=_rounds(namespace.batch_rounds),
        baseline=Path(baseline) if baseline is not None else None,
        tolerance=_tolerance(namespace.batch_tolerance),
        variants=_variants(namespace.batch_variant or ()),
    )


def refuse_stops(typed: argparse.Namespace) -> None:
    """``typed``: without the ini file's addopts, whose -x is undone.  Raises OptionError."""
    if getattr(typed, "maxfail", 0):
        raise OptionError(
            "a run that stops early has measured nothing",
            where="--batch-benchmark with -x or --maxfail",
            todo="Use one of them",
        )


def read_measured(text: str) -> Measured:
    """What `--batch-benchmark` wrote: ``2`` or ``2,reports``.  Raises OptionError."""
    workers, comma, reports = text.partition(",")
    if not workers.isdecimal() or int(workers) > MAX_WORKERS or (comma and reports != "reports"):
        raise OptionError(
            f"{text!r} tells no run of a benchmark",
            where="--batch-benchmark-run",
            todo="Only --batch-benchmark passes it on",
        )
    return Measured(workers=int(workers), reports=bool(comma))


def _levels(text: str) -> tuple[int, ...]:
    levels = []
    for word in text.split(","):
        one = word.strip()
        if one == "auto":
            levels.append(AUTO)
        elif one.isascii() and one.isdecimal() and 1 <= int(one) <= MAX_WORKERS:
            levels.append(int(one))
        else:
            raise OptionError(
                f"{one!r} is no number of workers",
                where="--batch-benchmark",
                todo=f"Write numbers from 1 (in turn) to {MAX_WORKERS}, or auto, with commas: 1,2,4",
            )
    return tuple(levels)


def _rounds(text: str | None) -> int:
    if text is None:
        return 3
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_ROUNDS):
        raise OptionError(
            f"{text!r} is no number of rounds", where="--batch-rounds", todo=f"Use 1 to {MAX_ROUNDS}"
        )
    return int(text)


def _tolerance(text: str | None) -> float:
    if text is None:
        return 0.1
    try:
        percent = float(text.strip().removesuffix("%"))
    except ValueError:
        percent = math.nan
    if not 0 <= percent <= 1000:
        raise OptionError(f"{text!r} is no percentage", where="--batch-tolerance", todo="Use 0 to 1000")
    return percent / 100


def _variants(texts: list[str] | tuple[str, ...]) -> tuple[tuple[str, Path], ...]:
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not equals or not file or "\0" in file or not _NAME.fullmatch(name):
            raise OptionError(
                f"{text!r} is not NAME=FILE", where="--batch-variant", todo="Write it as lean=lean.yaml"
            )
        if name in found:
            raise OptionError(f"two variants are called {name!r}", where="--batch-variant", todo="Rename one")
        found[name] = Path(file)
    return tuple(found.items())
