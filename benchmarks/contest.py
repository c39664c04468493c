"""Contenders run side by side: a warm-up each, then rounds in which every one runs in turn."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.junitdiff import JunitError, compare_files, matches, nodeid_pattern
from benchmarks.measure import Run, run
from benchmarks.prepare import clean_environment
from benchmarks.stats import Summary, ratio_range, summarize

_COUNTS = re.compile(r"(\d+) (passed|failed|skipped|xfailed|xpassed|errors?)\b")
_SUMMARY = re.compile(r"^=*\s*(?:\d+ [a-z]+(?:, )?)+ in \d+\.\d+s.*$", re.MULTILINE)
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way of doing the same work.  ``before`` runs untimed ahead of each of its runs.

    ``junit_by`` says how a run is told to write JUnit: by words at the end of
    ``argv``, by ``PYTEST_ADDOPTS``, or not at all.
    """

    name: str
    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], None] | None = None
    junit_by: str | None = None  # "argv", "env" or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one contender's runs came to.  ``equal`` is None where there is nothing to compare."""

    name: str
    summary: Summary
    runs: tuple[Run, ...]
    equal: bool | None = None
    unlike: tuple[str, ...] = ()  # how the outcomes differ from the first contender's


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run's exit code and pytest's summary say of its outcome."""

    good: bool
    counts: Mapping[str, int]
    failed: frozenset[str]


@dataclass(slots=True)
class _Runs:
    contender: Contender
    warm_up: Run | None = None
    timed: list[Run] = field(default_factory=list)

    @property
    def all(self) -> list[Run]:
        return [*([self.warm_up] if self.warm_up else []), *self.timed]


def contest(
    contenders: Sequence[Contender],
    *,
    rounds: int,
    work: Path,
    racy: Sequence[str] = (),
    junit_always: bool = False,
    warm_up: bool = True,
) -> list[Result]:
    """Measure all, the first being the one whose outcomes are right.

    JUnit is written by the warm-up (its runs cost nothing that counts), or by
    every run with ``junit_always``; the outcomes of timed runs are compared by
    exit code, counts and the names of what failed.
    """
    everyone = [_Runs(contender) for contender in contenders]
    for number in range(0 if warm_up else 1, rounds + 1):
        for one in everyone:
            done = _run(one.contender, work, with_junit=number == 0 or junit_always, sample=number == 0)
            _show(one.contender, number, done)
            if number == 0:
                one.warm_up = done
            else:
                one.timed.append(done)
    results = []
    for one in everyone:
        unlike = tuple(_unlike(everyone[0], one, work, racy))
        results.append(
            Result(
                name=one.contender.name,
                summary=summarize(one.timed, one.warm_up),
                runs=tuple(one.timed),
                equal=not unlike,
                unlike=unlike,
            )
        )
    return results


def ratio(slow: Result, fast: Result) -> tuple[float, float, float]:
    """How many times faster ``fast`` is: of the medians, and the least and most of a round."""
    least, most = ratio_range(slow.summary.walls_s, fast.summary.walls_s)
    return slow.summary.wall_s / fast.summary.wall_s, least, most


def junit_path(contender: Contender, work: Path) -> Path:
    return work / "out" / f"{_slug(contender.name)}.xml"


def outcome_of(done: Run) -> Outcome:
    lines = _SUMMARY.findall(done.output)
    found = _COUNTS.findall(lines[-1]) if lines else []
    return Outcome(
        good=done.exit_code == 0,
        counts={kind.replace("errors", "error"): int(number) for number, kind in found},
        failed=frozenset(_FAILED.findall(done.output)),
    )


def _run(contender: Contender, work: Path, *, with_junit: bool, sample: bool) -> Run:
    if contender.before:
        contender.before()
    argv = list(contender.argv)
    env = {**clean_environment(), **contender.env}
    if with_junit and contender.junit_by:
        junit = junit_path(contender, work)
        junit.parent.mkdir(parents=True, exist_ok=True)
        junit.unlink(missing_ok=True)
        if contender.junit_by == "argv":
            argv.append(f"--junitxml={junit}")
        else:
            env["PYTEST_ADDOPTS"] = f"--junitxml={junit}"
    log = work / "out" / f"{_slug(contender.name)}.log"
    return run(argv, cwd=contender.cwd, env=env, log=log, sample=sample)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def _show(contender: Contender, number: int, done: Run) -> None:
    label = f"round {number}" if number else "warm-up"
    state = "timed out" if done.timed_out else f"exit {done.exit_code}"
    print(f"  {label}: {contender.name}: {done.wall_s:.2f} s, {state}", file=sys.stderr, flush=True)


def _unlike(reference: _Runs, runs: _Runs, work: Path, racy: Sequence[str]) -> list[str]:
    """How the outcomes of ``runs`` differ from those of ``reference``, each way once."""
    expected = outcome_of(reference.all[0])
    found: dict[str, None] = {}
    if runs is not reference and runs.contender.junit_by and runs.warm_up:
        left, right = junit_path(reference.contender, work), junit_path(runs.contender, work)
        try:
            lines = compare_files(left, right, racy=[nodeid_pattern(pattern) for pattern in racy])
        except JunitError as error:
            lines = [str(error)]
        found.update(dict.fromkeys(f"JUnit: {line}" for line in lines))
    for done in runs.all:
        found.update(dict.fromkeys(compare_outcomes(expected, outcome_of(done), racy)))
        if done.timed_out:
            found["timed out"] = None
    return list(found)


def compare_outcomes(expected: Outcome, outcome: Outcome, racy: Sequence[str] = ()) -> list[str]:
    """How ``outcome`` differs.  Whatever only the failure of ``racy`` tests explains, does not count."""

    def steady(failed: frozenset[str]) -> set[str]:
        return {name for name in failed if not any(matches(name, pattern) for pattern in racy)}

    left, right = steady(expected.failed), steady(outcome.failed)
    if left != right:
        return [f"failed in one only: {', '.join(sorted(left ^ right)[:3])}"]
    raced = expected.failed != outcome.failed
    if not raced and expected.good != outcome.good:
        return ["exit code: zero in one only"]
    counts = dict(expected.counts), dict(outcome.counts)
    totals = sum(counts[0].values()), sum(counts[1].values())
    if all(counts) and (totals[0] != totals[1] if raced else counts[0] != counts[1]):
        return [f"counts: {counts[0]} and {counts[1]}"]
    return []
