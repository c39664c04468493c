"""How a gate ended that several shards ran, each a part of it or all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pytest_batchgate.core.events import OUTCOMES, GateReport
from pytest_batchgate.core.model import Gate, GateState, Tests
from pytest_batchgate.core.valuetypes import dataclass

# What a gate is as a whole, if a part of it ended so: the first that applies.
_WORST = (
    GateState.FAILED,
    GateState.TIMED_OUT,
    GateState.CRASHED,
    GateState.BROKEN,
    GateState.EMPTY,
    GateState.SKIPPED,
    GateState.CANCELLED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A gate's end in one shard.  ``shard``: "2/4"."""

    shard: str
    report: GateReport
    narrowed: bool = False  # the command line left tests out


def joined_report(gate: Gate, seen: Sequence[Seen], missing: Sequence[str]) -> GateReport:
    """``seen`` is in the order of the shards, ``missing`` are those of which nothing is known."""
    if not seen:
        return _unknown(gate, missing)
    if isinstance(gate.work, Tests):
        return _of_tests(gate, gate.work, seen, missing)
    return _of_command(gate, seen, missing)


def representative(seen: Sequence[Seen]) -> Seen:
    """The shard that speaks for a command: the worst one, else the first that ran it."""
    bad = [one for one in seen if not one.report.state.good]
    if bad:
        return min(bad, key=lambda one: _WORST.index(one.report.state))
    return next((one for one in seen if one.report.started_s is not None), seen[0])


def _of_command(gate: Gate, seen: Sequence[Seen], missing: Sequence[str]) -> GateReport:
    one = representative(seen)
    report = one.report
    if report.state is GateState.DESELECTED and missing:  # it was left to a shard that never came
        return _unknown(gate, missing)
    if not report.state.good and sum(one.report.started_s is not None for one in seen) > 1:
        reason = report.reason or report.state.value
        return replace(report, reason=f"shard {one.shard}: {reason}")
    return report


def _of_tests(gate: Gate, work: Tests, seen: Sequence[Seen], missing: Sequence[str]) -> GateReport:
    state, reason = _verdict(work, seen, missing)
    reports = [one.report for one in seen]
    counts: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
    for report in reports:
        counts.update(report.counts)
    begun = [report for report in reports if report.started_s is not None]
    starts = [report.started_s for report in begun if report.started_s is not None]
    ends = [report.started_s + report.wall_s for report in begun if report.started_s is not None]
    return GateReport(
        name=gate.name,
        kind=gate.kind,
        state=state,
        required=gate.required,
        needs=reports[0].needs,
        reason=reason,
        started_s=min(starts, default=None),
        wall_s=max(ends) - min(starts) if starts else 0.0,
        work_s=sum(report.work_s for report in reports),
        cpu_s=sum(report.cpu_s for report in reports),
        peak_rss_bytes=max(report.peak_rss_bytes for report in reports),
        attempts=max(report.attempts for report in reports),
        flaky=sum(report.flaky for report in reports),
        counts=dict(counts),
        findings=tuple(finding for report in reports for finding in report.findings),
        more_findings=sum(report.more_findings for report in reports),
    )


def _verdict(work: Tests, seen: Sequence[Seen], missing: Sequence[str]) -> tuple[GateState, str | None]:
    bad = [one for one in seen if not one.report.state.good]
    words = [f"shard {one.shard}: {one.report.reason or one.report.state.value}" for one in bad]
    if missing:
        words.append(_not_reported(missing))
    if bad:
        return min((one.report.state for one in bad), key=_WORST.index), "; ".join(words)
    if missing:
        return GateState.CANCELLED, words[0]
    states = {one.report.state for one in seen}
    if GateState.FLAKY in states:
        flaky = sum(one.report.flaky for one in seen)
        return GateState.FLAKY, f"{flaky} test{'s' if flaky > 1 else ''} passed on a retry"
    if states == {GateState.DESELECTED}:
        if any(one.narrowed for one in seen):
            return GateState.DESELECTED, "the command line left no test of it"
        if not work.allow_empty:
            return GateState.EMPTY, "no shard has a test of it (allow-empty: true accepts that)"
    for state in (GateState.CARRIED, GateState.CACHED, GateState.UNAFFECTED):
        if states <= {state, GateState.DESELECTED} and state in states:
            return state, None
    return GateState.PASSED, None


def _unknown(gate: Gate, missing: Sequence[str]) -> GateReport:
    return GateReport(
        name=gate.name,
        kind=gate.kind,
        state=GateState.CANCELLED,
        required=gate.required,
        needs=gate.needs,
        reason=_not_reported(missing) if missing else "no shard has come to it",
        is_service=gate.is_service,
    )


def _not_reported(missing: Sequence[str]) -> str:
    if len(missing) > 1:
        return f"shards {', '.join(missing)} did not report"
    return f"shard {missing[0]} did not report"
