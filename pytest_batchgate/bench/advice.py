"""Findings in words: what was seen of a test, and the line that would mend it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from pytest_batchgate.bench.compare import LABELS
from pytest_batchgate.bench.observed import WITHHELD, Observed
from pytest_batchgate.bench.trial import Finding, Kind, Mend
from pytest_batchgate.core.valuetypes import dataclass

_SHARING = frozenset({Mend.SERIAL, Mend.GROUP, Mend.DEPENDS_ON_IN_GROUP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing to write down.  ``on``: tests that get the marker, or gates that get the key.

    ``instead``: it does what the lines before it do, another way.
    """

    kind: str  # marker or key
    text: str
    on: tuple[str, ...]
    instead: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """``head`` and ``seen`` are lines to read; ``remark`` stands where no line alone would do."""

    head: str
    seen: tuple[str, ...]
    lines: tuple[Line, ...] = ()
    remark: str = ""


def names_of_shared(findings: Sequence[Finding]) -> Mapping[str, str]:
    """A name for what each test shares with its partners: one per set of tests that are tied together."""
    joined: dict[str, set[str]] = {}
    for finding in findings:
        if finding.mend in _SHARING:
            together = {finding.case.nodeid, *finding.partners}
            for name in tuple(together):
                together |= joined.get(name, set())
            for name in together:
                joined[name] = together
    names: dict[str, str] = {}
    taken: set[str] = set()
    for together in joined.values():
        first = min(together)
        if first not in names:
            names |= dict.fromkeys(together, _unused(_topic(first), taken))
    return names


def _topic(nodeid: str) -> str:
    return PurePosixPath(nodeid.partition("::")[0]).stem.removeprefix("test_") or "shared"


def _unused(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free)
    return free


def advise(
    finding: Finding,
    *,
    shared: Mapping[str, str],
    gates: Mapping[str, str | None],
    runs: Mapping[str, Observed],
) -> Advice:
    """``shared`` as by `names_of_shared`, ``gates`` by node id."""
    return Advice(
        head=f"{finding.case.nodeid}: {_headline(finding)}",
        seen=tuple(_seen(finding, runs)),
        lines=tuple(_lines(finding, shared.get(finding.case.nodeid, "shared"), gates)),
        remark=_remark(finding),
    )


def _headline(finding: Finding) -> str:
    names = " and ".join(finding.partners)
    kind: Kind = finding.kind
    match kind:
        case Kind.IN_PARALLEL if names:
            return f"only in parallel, beside {names}"
        case Kind.AFTER if names:
            return f"only after {names}"
        case Kind.WITHOUT if names:
            return f"only without {names} before it"
        case Kind.AFTER | Kind.WITHOUT:
            return f"{kind.value}: several together, which could not be told apart"
        case _:
            return str(kind.value)


def _seen(finding: Finding, runs: Mapping[str, Observed]) -> list[str]:
    case = finding.case
    shown = {WITHHELD: "not run"}
    seen = [", ".join(f"{label} {shown.get(told, told)}" for label, told in case.outcomes.items())]
    trials = []
    if finding.alone:
        trials.append(f"alone {', '.join(finding.alone)}")
    if finding.together:
        with_it = "beside" if finding.kind is Kind.IN_PARALLEL else "after"
        trials.append(
            f"{with_it} {'it' if len(finding.partners) == 1 else 'them'} {', '.join(finding.together)}"
        )
    if trials:
        seen.append(f"run again: {'; '.join(trials)}")
    for label in LABELS:
        ran = runs[label].tests.get(case.nodeid) if label in runs else None
        if ran is not None and ran.message and ran.outcome != "passed":
            seen.append(f"{label}: {ran.message}")
            break
    return seen


def _lines(finding: Finding, name: str, gates: Mapping[str, str | None]) -> list[Line]:
    test = finding.case.nodeid
    everyone = (test, *finding.partners)
    group = Line(kind="marker", text=f'@pytest.mark.xdist_group(name="{name}")', on=everyone)
    depends = [
        Line(kind="marker", text=f'@pytest.mark.depends_on("{target(partner, test)}")', on=(test,))
        for partner in finding.partners
    ]
    match finding.mend:
        case Mend.SERIAL:
            lines = [Line(kind="marker", text=f'@pytest.mark.serial("{name}")', on=everyone)]
            theirs = tuple(dict.fromkeys(gate for one in everyone if (gate := gates.get(one)) is not None))
            if len(theirs) > 1:
                lines.append(Line(kind="key", text=f"resources: [{name}]", on=theirs, instead=True))
            return lines
        case Mend.ALONE:
            return [Line(kind="marker", text="@pytest.mark.serial", on=(test,))]
        case Mend.GROUP:
            return [group]
        case Mend.DEPENDS_ON:
            return depends
        case Mend.DEPENDS_ON_IN_GROUP:
            return [*depends, group]
        case Mend.COMES_LATER:
            return [
                Line(kind="marker", text=f'@pytest.mark.depends_on("{target(test, partner)}")', on=(partner,))
                for partner in finding.partners
            ]
        case None:
            return []


def target(nodeid: str, seen_from: str) -> str:
    """How `depends_on` of one test names another: its bare name within one class or module."""
    scope = seen_from.partition("[")[0].rpartition("::")[0]
    for home in (scope, scope.partition("::")[0]):
        if nodeid.startswith(f"{home}::"):
            return nodeid.removeprefix(f"{home}::")
    return nodeid


def _remark(finding: Finding) -> str:
    match finding.kind:
        case Kind.NOW_AND_THEN:
            return (
                "no marker mends it: look for what it leaves to chance (time, random numbers, the order of"
                " a set, threads, the network), or give its gate `retries`"
            )
        case Kind.NOT_ALWAYS_THERE:
            return "its id is not the same in every process: give its parameters fixed `ids`"
        case Kind.FOLLOWS:
            return "it was not run where a test that it depends on had not passed"
        case Kind.AFTER:
            what = " and ".join(finding.partners) or "the tests before it"
            return f"something is left behind by {what}: better than a marker, a fixture that puts it back"
        case Kind.IN_PARALLEL if finding.mend is Mend.ALONE:
            return "whom it meets could not be found; this keeps it from all others, and was not tried"
        case Kind.IN_PARALLEL if finding.mend is Mend.GROUP:
            return (
                "`serial` was tried and does not help:"
                " what they share outlives the tests, as a session fixture does. All that use it belong to"
                " the group; or each worker gets one of its own, told apart by BATCHGATE_SLOT"
            )
        case Kind.IN_PARALLEL if finding.mend is None:
            return "neither `serial` nor one worker for both helps"
        case Kind.WITHOUT if finding.mend is Mend.DEPENDS_ON_IN_GROUP:
            return "what it needs is in the memory of the worker that ran the other: both belong on one"
        case Kind.UNEXAMINED if finding.spent:
            return "all re-runs were used up: verify it by its id"
        case Kind.UNEXAMINED:
            return "it could not be run by itself"
        case _:
            return ""
