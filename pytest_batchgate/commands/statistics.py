"""What runs of the history say together: slowest, flakiest, trends, and what has changed.  Pure.

Everything is made of plain values, as `batchgate stats --json` prints them; docs/statistics.md describes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_batchgate.core.model import GateState
from pytest_batchgate.store.record import GateSample, NotedTest, PastRun

SCHEMA = 1
SLOWER = 1.2  # times as long as before, and
SLOWER_S = 0.1  # this many seconds longer: less is noise
_ILL = frozenset({"failed", "error"})
_PASSED = frozenset({"passed", "flaky"})  # others that are good did no work
_RAN = _PASSED | {"failed"}


def statistics(
    runs: Sequence[PastRun],
    gates: Sequence[GateSample],
    noted: Sequence[NotedTest],
    *,
    since: PastRun | None = None,
    gate: str | None = None,
    limit: int = 10,
    slower: float = SLOWER,
) -> dict[str, Any]:
    """``runs`` oldest first; ``limit``: of rows in a list, of runs in a trend; ``since``: one of ``runs``."""
    if gate is not None:
        gates = [sample for sample in gates if sample.gate == gate]
        noted = [test for test in noted if test.gate == gate]
    last = runs[-1] if runs else None
    return {
        "schema": SCHEMA,
        "runs": [_run(run) for run in runs[-limit:]],
        "slowest_tests": _slowest_tests(noted)[:limit],
        "slowest_gates": _slowest_gates(gates)[:limit],
        "flakiest_tests": _flakiest(runs, gates, noted)[:limit],
        "trends": _trends(gates, limit),
        "changes": _changes(since, last, gates, noted, slower) if since and last else None,
    }


def _run(run: PastRun) -> dict[str, Any]:
    return run._asdict()


def _slowest_tests(noted: Iterable[NotedTest]) -> list[dict[str, Any]]:
    """As they were last noted."""
    lasts = {test.nodeid: test for test in noted}
    slowest = sorted(lasts.values(), key=lambda test: (-test.duration_s, test.nodeid))
    return [
        {"nodeid": test.nodeid, "gate": test.gate, "duration_s": test.duration_s, "outcome": test.outcome}
        for test in slowest
    ]


def _slowest_gates(gates: Iterable[GateSample]) -> list[dict[str, Any]]:
    """By the median of the runs in which they did something."""
    by_name: dict[str, list[GateSample]] = {}
    for sample in gates:
        if sample.wall_s > 0:
            by_name.setdefault(sample.gate, []).append(sample)
    found = [
        {
            "gate": name,
            "wall_s": _median([sample.wall_s for sample in samples]),
            "cpu_s": _median([sample.cpu_s for sample in samples]),
            "peak_rss_bytes": max(sample.peak_rss_bytes for sample in samples),
            "runs": len(samples),
        }
        for name, samples in by_name.items()
    ]
    return sorted(found, key=lambda row: (-row["wall_s"], row["gate"]))


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _ran_whole(sample: GateSample) -> bool:
    """Whether each test of the gate came to an end there, so that one that is not noted was good."""
    return sample.state in _RAN and not sample.not_run


def _flakiest(
    runs: Sequence[PastRun], gates: Iterable[GateSample], noted: Iterable[NotedTest]
) -> list[dict[str, Any]]:
    """Tests that passed on a retry, or went from good to bad and back.

    A test that is not noted in a run of its whole gate counts as good there: most are.  Only once broken
    and mended is no flakiness.
    """
    ran = {(sample.run_id, sample.gate) for sample in gates if _ran_whole(sample)}
    bad: dict[str, set[int]] = {}
    flaky: dict[str, int] = {}
    gate: dict[str, str] = {}
    for test in noted:
        gate[test.nodeid] = test.gate
        if test.outcome in _ILL:
            bad.setdefault(test.nodeid, set()).add(test.run)
        elif test.retries:
            flaky[test.nodeid] = flaky.get(test.nodeid, 0) + 1
    found = []
    for nodeid in {**flaky, **bad}:
        failed = [
            run.run in bad.get(nodeid, ())
            for run in runs
            if not run.narrowed and (run.run in bad.get(nodeid, ()) or (run.run_id, gate[nodeid]) in ran)
        ]
        falls = sum(after and not before for before, after in zip([False, *failed], failed, strict=False))
        if flaky.get(nodeid) or falls > 1:
            found.append(
                {
                    "nodeid": nodeid,
                    "gate": gate[nodeid],
                    "passed_on_retry": flaky.get(nodeid, 0),
                    "failed": len(bad.get(nodeid, ())),
                    "falls": falls,
                    "runs": len(runs),
                }
            )
    return sorted(found, key=lambda row: (-row["passed_on_retry"] - row["falls"], row["nodeid"]))


def _trends(gates: Iterable[GateSample], limit: int) -> list[dict[str, Any]]:
    by_name: dict[str, list[GateSample]] = {}
    for sample in gates:
        by_name.setdefault(sample.gate, []).append(sample)
    return [
        {
            "gate": name,
            "wall_s": [sample.wall_s for sample in samples[-limit:]],
            "states": [sample.state for sample in samples[-limit:]],
            "passed": sum(GateState(sample.state).good for sample in samples) / len(samples),
        }
        for name, samples in by_name.items()
    ]


def _changes(
    since: PastRun,
    last: PastRun,
    gates: Sequence[GateSample],
    noted: Sequence[NotedTest],
    slower: float,
) -> dict[str, Any]:
    """The last run beside an earlier one."""
    before = {sample.gate: sample for sample in gates if sample.run_id == since.run_id}
    after = {sample.gate: sample for sample in gates if sample.run_id == last.run_id}
    bad_before = {test.nodeid: test.gate for test in noted if test.run == since.run and test.outcome in _ILL}
    bad_after = {test.nodeid for test in noted if test.run == last.run and test.outcome in _ILL}
    whole = {name for name, sample in after.items() if _ran_whole(sample) and not last.narrowed}
    part = since.narrowed or last.narrowed
    return {
        "since": since.run_id,
        "to": last.run_id,
        "new_failures": sorted(bad_after - bad_before.keys()),
        "fixed": sorted(test for test, gate in bad_before.items() if test not in bad_after and gate in whole),
        "slower_tests": _slower(_durations(noted, since), _durations(noted, last), slower),
        "slower_gates": _slower(_walls(before, part=part), _walls(after, part=part), slower),
        "changed_gates": [
            {"gate": name, "before": before[name].state, "after": after[name].state}
            for name in after
            if name in before and before[name].state != after[name].state
        ],
        "new_gates": sorted(after.keys() - before.keys()),
        "removed_gates": sorted(before.keys() - after.keys()) if not last.narrowed else [],
        "tests_before": sum(sample.tests for sample in before.values()),
        "tests_after": sum(sample.tests for sample in after.values()),
    }


def _durations(noted: Iterable[NotedTest], run: PastRun) -> dict[str, float]:
    """Of tests that came to a good end: others took what they took."""
    return {
        test.nodeid: test.duration_s for test in noted if test.run == run.run and test.outcome not in _ILL
    }


def _walls(gates: Mapping[str, GateSample], *, part: bool) -> dict[str, float]:
    """Of gates that did all their work, and passed.  ``part``: tests were left out of one of the runs."""
    return {
        name: sample.wall_s
        for name, sample in gates.items()
        if sample.state in _PASSED and not (part and sample.kind == "tests")
    }


def _slower(before: Mapping[str, float], after: Mapping[str, float], times: float) -> list[dict[str, Any]]:
    rows = [
        {"name": name, "before_s": before[name], "after_s": took_s}
        for name, took_s in after.items()
        if name in before and took_s > before[name] * times and took_s - before[name] > SLOWER_S
    ]
    return sorted(rows, key=lambda row: (row["before_s"] - row["after_s"], row["name"]))
