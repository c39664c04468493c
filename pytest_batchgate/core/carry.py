"""What a resumed run need not do again: `what_to_carry` of the run that it continues.

Only results of that run count that were good at the last, and only where content, configuration and
dependencies are the same (`differences`).  A gate that was not good with no test to blame runs whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from typing import NamedTuple

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.model import Command, Finding, Gate, GateName, GateState
from pytest_batchgate.core.plan import Plan
from pytest_batchgate.core.protocol import CollectedFile
from pytest_batchgate.core.valuetypes import dataclass

GOOD = frozenset({"passed", "skipped", "xfailed", "xpassed"})
_DID_NOT_RUN = frozenset({GateState.SKIPPED, GateState.CANCELLED})


class PastTest(NamedTuple):
    """How a test ended.  ``outcome`` is None for one that was lost, or skipped for a marker's sake.

    ``tried``: not at its first attempt.
    """

    gate: str
    outcome: str | None
    duration_s: float
    tried: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PastFile:
    """One collection of a file.  ``gates`` are names, None where no gate takes the test."""

    file: str
    nodeids: tuple[str, ...]
    gates: tuple[str | None, ...]
    deselected: tuple[str, ...] = ()
    errors: int = 0
    results: Mapping[int, PastTest] = field(default_factory=dict)  # the last of each test, by index


@dataclass(frozen=True, slots=True, kw_only=True)
class PastGate:
    """How a gate ended."""

    state: GateState
    findings: tuple[Finding, ...] = ()
    more_findings: int = 0
    wrote_outputs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """What is known of a run and of those that it continued: later ``files`` were collected later."""

    gates: Mapping[str, PastGate] = field(default_factory=dict)
    files: Sequence[PastFile] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """``gates``: tests gates with nothing to run, which so need nothing.

    ``files``: those of which nothing has to run, as they would be collected.
    """

    commands: Mapping[GateName, PastGate] = field(default_factory=dict)
    gates: frozenset[GateName] = frozenset()
    tests: Mapping[str, Mapping[str, PastTest]] = field(default_factory=dict)  # by file and node id
    files: Mapping[str, CollectedFile] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(map(len, self.tests.values()))


TRACKED = "#="
_UNKNOWN = PastGate(state=GateState.CANCELLED)


def what_to_carry(past: PastRun, plan: Plan) -> Carried:
    """The part of ``past`` that was good and that the plan would do again."""
    latest = _latest(past, {str(gate.name) for gate in plan.gates if gate.work.fail_on_flaky})
    whole = _to_run_whole(past, plan, latest)
    carriers = {str(gate.name) for gate in plan.gates if gate.kind == "tests"} - whole
    tests: dict[str, dict[str, PastTest]] = {}
    for (file, nodeid), test in latest.items():
        if test.outcome in GOOD and test.gate in carriers:
            tests.setdefault(file, {})[nodeid] = test
    return Carried(
        commands={gate.name: past.gates[gate.name] for gate in plan.gates if _stays(gate, past, plan)},
        gates=_whole_gates(past, plan, tests),
        tests=tests,
        files=_whole_files(past, plan, tests),
    )


def _latest(past: PastRun, strict: Collection[str]) -> dict[tuple[str, str], PastTest]:
    """Each test's last result.  Where two tests share a node id nobody knows which is meant.

    ``strict``: gates that a pass on a retry fails.
    """
    found: dict[tuple[str, str], PastTest] = {}
    for seen in past.files:
        times = Counter(seen.nodeids)
        for index, test in seen.results.items():
            if times[seen.nodeids[index]] == 1:
                fails = test.tried and test.gate in strict
                found[seen.file, seen.nodeids[index]] = test._replace(outcome=None) if fails else test
    return found


def _to_run_whole(past: PastRun, plan: Plan, latest: Mapping[tuple[str, str], PastTest]) -> set[str]:
    """Tests gates that were not good, and no test is known to be why."""
    blamed = {test.gate for test in latest.values() if test.outcome not in GOOD}
    errors = {seen.file: seen.errors for seen in past.files}
    if any(errors.values()):  # a file that cannot be collected may be any gate's
        return set()
    return {
        gate.name
        for gate in plan.gates
        if gate.kind == "tests"
        and (known := past.gates.get(gate.name)) is not None
        and not known.state.good
        and known.state not in _DID_NOT_RUN
        and gate.name not in blamed
    }


def _stays(gate: Gate, past: PastRun, plan: Plan) -> bool:
    """Whether a command need not run: nobody wants of it what only a run of it gives."""
    known = past.gates.get(gate.name)
    if not isinstance(gate.work, Command) or gate.is_service or known is None or not known.state.good:
        return False
    if known.state is GateState.DESELECTED:
        return False
    if not known.wrote_outputs:
        return True
    users = [past.gates.get(name) for name in plan.dependents[gate.name]]
    return all(user is not None and user.state.good for user in users)


def _whole_gates(
    past: PastRun, plan: Plan, tests: Mapping[str, Mapping[str, PastTest]]
) -> frozenset[GateName]:
    """Those that were good, and all that was ever seen of them is carried."""
    missing = {
        gate
        for seen in past.files
        for nodeid, gate in zip(seen.nodeids, seen.gates, strict=True)
        if nodeid not in tests.get(seen.file, {})
    }
    carrying = {test.gate for known in tests.values() for test in known.values()}
    return frozenset(
        gate.name
        for gate in plan.gates
        if gate.name in carrying - missing and past.gates.get(gate.name, _UNKNOWN).state.good
    )


def _whole_files(
    past: PastRun, plan: Plan, tests: Mapping[str, Mapping[str, PastTest]]
) -> dict[str, CollectedFile]:
    claims = {str(gate.name): index for index, gate in enumerate(plan.claims)}
    running = {str(gate.name) for gate in plan.gates}
    found: dict[str, CollectedFile] = {}
    mixed: set[str] = set()
    for seen in past.files:
        known = tests.get(seen.file, {})
        before = found.get(seen.file)
        fits = not seen.errors and len(set(seen.nodeids)) == len(seen.nodeids)
        for nodeid, gate in zip(seen.nodeids, seen.gates, strict=True):
            fits &= gate in claims and (gate not in running or nodeid in known)
        if not fits or (before is not None and before.keys != seen.nodeids):
            mixed.add(seen.file)  # environments that collect it differently keep collecting it
            continue
        found[seen.file] = CollectedFile(
            file=seen.file,
            keys=seen.nodeids,
            gates=tuple(NO_GATE if gate is None else claims[gate] for gate in seen.gates),
            deselected=seen.deselected,
        )
    return {file: collected for file, collected in found.items() if file not in mixed and collected.keys}


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The names whose values differ, each as words: what it was and is, where that can be read.

    Values that begin with ``#`` are digests, which say nothing; with ``#=`` of something that is only
    named where it differs from what everybody knows, as a file does from its commit.
    """
    words = []
    for name in sorted({*before, *now}):
        was, value = before.get(name), now.get(name)
        if was == value:
            continue
        if TRACKED in {(was or "")[:2], (value or "")[:2]}:
            words.append(f"{name} has changed")
        elif was is None:
            words.append(f"{name} is new" if _is_digest(value) else f"{name} is {value}, was nothing")
        elif value is None:
            words.append(f"{name} is gone" if _is_digest(was) else f"{name} is gone, was {was}")
        elif _is_digest(was) or _is_digest(value):
            words.append(f"{name} has changed")
        else:
            words.append(f"{name} is {value}, was {was}")
    return words


def listed(words: Iterable[str], most: int = 5) -> str:
    """The first few, and how many more."""
    known = list(words)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(known[:most]) + more


def _is_digest(value: str | None) -> bool:
    return value is not None and value.startswith("#")
