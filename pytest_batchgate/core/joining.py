"""The parts of a run that several machines shared, joined into the run that it was.

`faults` says what keeps the parts from being one whole run: nobody may merge by parts that do not
belong together, or of which one is missing.  `join` makes one stream of events of them all, in
which each gate ends once.  What it all comes to is the tally's business, as ever.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from operator import attrgetter
from typing import Any

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.events import (
    Event,
    FilesListed,
    FileWasCollected,
    GateFinished,
    GateReport,
    GateStarted,
    Noticed,
    RunResult,
    RunStarted,
    TestsWereCarried,
    TestsWereRun,
    TestWasLost,
)
from pytest_batchgate.core.gatejoin import Seen, joined_report, representative
from pytest_batchgate.core.model import Config, Gate, GateName, Tests
from pytest_batchgate.core.plan import Plan, build_plan
from pytest_batchgate.core.protocol import StopAsked
from pytest_batchgate.core.tally import FAILED, INTERRUPTED, Ending
from pytest_batchgate.core.valuetypes import dataclass

_NAMED = 5  # tests, or files


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one shard did.  ``shown``: where that is written.  Times are on a clock that all parts share.

    ``facts`` are the same in all parts of one run.  ``result`` is None for a run that did not end.
    ``events`` without `RunStarted` and `RunFinished`; the gates of collected files count into claims that all
    parts share.  ``logs``: the end of the log of each command that went wrong.
    """

    shown: str
    index: int
    count: int
    facts: Mapping[str, str]
    narrowed: bool
    source: str
    run_id: str
    began_s: float
    workers: int
    gates: tuple[Gate, ...]
    events: tuple[Event, ...]
    result: RunResult | None
    logs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"shard {self.index}/{self.count}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """The whole run.  ``events`` from `RunStarted` to the last before `RunFinished`."""

    plan: Plan
    events: tuple[Event, ...]
    began_s: float  # on the clock of the parts
    ended_s: float
    ending: Ending


def faults(parts: Sequence[Part], claims: Sequence[GateName]) -> list[str]:
    """Why the parts are not one whole run, in words; each names the shards that it is about.

    ``claims``: the gates that collected files count into.
    """
    found = []
    counts = sorted({part.count for part in parts})
    if len(counts) > 1:
        each = _grouped((str(part.count), part) for part in parts)
        found.append(f"the parts are of different splits: {each}")
    for count in counts[:1]:
        seen = Counter(part.index for part in parts if part.count == count)
        found += [
            f"{_both(part for part in parts if (part.index, part.count) == (index, count))}"
            f" are both shard {index}/{count}"
            for index, times in sorted(seen.items())
            if times > 1
        ]
        found += [f"shard {index}/{count} did not report" for index in range(1, count + 1) if not seen[index]]
    for part in parts:
        if part.result is None:
            found.append(f"{part.name} ({part.shown}) did not come to its end")
        elif part.result.verdict == "interrupted":
            why = f": {part.result.stop_reason}" if part.result.stop_reason else ""
            found.append(f"{part.name} ({part.shown}) was interrupted{why}")
    for fact in dict.fromkeys(name for part in parts for name in part.facts) if len(counts) == 1 else ():
        if len({part.facts.get(fact) for part in parts}) > 1:
            each = _grouped((part.facts.get(fact) or "unknown", part) for part in parts)
            found.append(f"the shards differ in their {fact}: {each}")
    return found + _tests_amiss(parts, claims)


def _grouped(pairs: Iterable[tuple[str, Part]]) -> str:
    groups: dict[str, list[str]] = {}
    for value, part in pairs:
        groups.setdefault(value, []).append(f"{part.index}/{part.count}")
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in groups.items())


def _both(parts: Iterable[Part]) -> str:
    return " and ".join(part.shown for part in parts)


def _tests_amiss(parts: Sequence[Part], claims: Sequence[GateName]) -> list[str]:
    """Tests that ran in two shards, or in none."""
    found = []
    ran: dict[str, Part] = {}
    doubled: dict[str, str] = {}
    for part in parts:
        for nodeid in _reported(part):
            first = ran.setdefault(nodeid, part)
            if first is not part:
                doubled[nodeid] = f"{nodeid} ({first.index}/{first.count} and {part.index}/{part.count})"
    if doubled:
        found.append(f"{_tests(len(doubled))} ran twice: {_listed(list(doubled.values()))}")
    listed: dict[str, None] = {}
    owned: set[str] = set()
    for part in parts:
        for event in part.events:
            if isinstance(event, FilesListed):
                listed.update(dict.fromkeys((*event.files, *event.elsewhere)))
                owned.update(event.files)
    here = {part.index for part in parts}
    if all(here >= set(range(1, part.count + 1)) for part in parts):  # else it is said who is missing
        lost = [file for file in listed if file not in owned]
        if lost and all(_has_listed(part) for part in parts):
            found.append(f"no shard has run {_listed(lost)}")
    missing = [nodeid for part in parts for nodeid in _missing(part, claims)]
    if missing:
        found.append(f"{_tests(len(missing))} never reported: {_listed(missing)}")
    return found


def _has_listed(part: Part) -> bool:
    return any(isinstance(event, FilesListed) for event in part.events)


def _reported(part: Part) -> Iterator[str]:
    """Node ids of tests with an outcome, each once."""
    known: set[str] = set()
    for event in part.events:
        if isinstance(event, (TestsWereRun, TestsWereCarried)):
            known.update(event.collected.nodeid(result.index) for result in event.results)
        elif isinstance(event, TestWasLost):
            known.add(event.collected.nodeid(event.index))
    return iter(sorted(known))


def _missing(part: Part, claims: Sequence[GateName]) -> list[str]:
    """Tests of gates that ended well which were collected, and of which nothing was heard."""
    if part.result is None:
        return []
    good = {report.name for report in part.result.gates if report.state.good}
    reported = set(_reported(part))
    return [
        nodeid
        for event in part.events
        if isinstance(event, FileWasCollected)
        for index, claim in enumerate(event.collected.gates)
        if claim != NO_GATE
        and claims[claim] in good
        and (nodeid := event.collected.nodeid(index)) not in reported
    ]


def join(parts: Sequence[Part], claims: Sequence[GateName], problems: Sequence[str]) -> Joined:
    """The parts as one run.  ``problems``: what `faults` found, and whatever else fails the whole.

    There is at least one part; of two that are the same shard the first counts.
    """
    known: dict[int, Part] = {}
    for part in sorted(parts, key=attrgetter("index")):
        known.setdefault(part.index, part)
    whole = list(known.values())
    gates = {gate.name: gate for part in whole for gate in part.gates}
    count = min(part.count for part in whole)
    missing = [f"{index}/{count}" for index in range(1, count + 1) if index not in known]
    missing += [f"{part.index}/{part.count}" for part in whole if part.result is None]
    seen = {name: _seen(whole, name) for name in gates}
    reports = {name: joined_report(gate, seen[name], missing) for name, gate in gates.items()}
    began_s = min(part.began_s for part in whole)
    ended_s = max([began_s, *(part.events[-1].at for part in whole if part.events)])
    speaker = {
        name: representative(ends).shard
        for name, ends in seen.items()
        if ends and gates[name].kind == "command"
    }
    workers = sum(part.workers for part in whole)
    head: list[Event] = [RunStarted(began_s, tuple(gates.values()), workers, tuple(claims))]
    head += [Noticed(began_s, text) for text in problems]
    streams = [_told(part, workers_before, speaker) for part, workers_before in _numbered(whole)]
    middle = heapq.merge(*streams, key=attrgetter("at"))
    ends = [GateFinished(_end_of(report, ended_s), report) for report in reports.values()]
    return Joined(
        plan=_plan(gates, reports, claims),
        events=tuple(_from_zero(began_s, (*head, *_once(middle, gates), *ends))),
        began_s=began_s,
        ended_s=ended_s - began_s,
        ending=_ending(whole, problems),
    )


def _seen(parts: Sequence[Part], name: GateName) -> list[Seen]:
    """A gate's ends, also of parts that did not come to theirs."""
    return [
        Seen(shard=f"{part.index}/{part.count}", report=event.report, narrowed=part.narrowed)
        for part in parts
        for event in part.events
        if isinstance(event, GateFinished) and event.report.name == name
    ]


def _numbered(parts: Sequence[Part]) -> Iterator[tuple[Part, int]]:
    """Each with the number of workers before its own: names of workers are numbers in one pool."""
    before = 0
    for part in parts:
        yield part, before
        before += part.workers


def _told(part: Part, before: int, speaker: Mapping[GateName, str]) -> list[Event]:
    """The part's events as those of a whole: workers renamed, of a command the one that speaks for it."""
    mine = f"{part.index}/{part.count}"
    told: list[Event] = []
    for event in part.events:
        if isinstance(event, (GateFinished, FilesListed)):
            continue
        gate = getattr(event, "gate", None)
        if gate is not None and speaker.get(gate, mine) != mine:
            continue
        if isinstance(event, GateStarted):
            told.append(replace(event, slots=tuple(slot + before for slot in event.slots)))
        elif isinstance(event, Noticed):
            told.append(replace(event, text=f"{part.name}: {event.text}"))
        else:
            told.append(_moved(event, before))
    # Times are of the moment in which something was told, and may step back a little within a batch.
    return sorted(told, key=attrgetter("at"))


def _moved(event: Event, before: int) -> Event:
    """With the worker's name in the whole pool."""
    worker = getattr(event, "worker", None)
    if not before or not worker or not worker.removeprefix("gw").isdecimal():
        return event
    telling: Any = event
    moved: Event = replace(telling, worker=f"gw{int(worker.removeprefix('gw')) + before}")
    return moved


def _once(events: Iterable[Event], gates: Mapping[GateName, Gate]) -> Iterator[Event]:
    """Tests gates start in each shard, and as a whole when they first do."""
    started: set[GateName] = set()
    for event in events:
        if isinstance(event, GateStarted) and gates[event.gate].kind == "tests":
            if event.gate in started:
                continue
            started.add(event.gate)
        yield event


def _end_of(report: GateReport, ended_s: float) -> float:
    return ended_s if report.started_s is None else report.started_s + report.wall_s


def _from_zero(began_s: float, events: Iterable[Event]) -> Iterator[Event]:
    for event in events:
        moved = replace(event, at=event.at - began_s) if began_s else event
        if isinstance(moved, GateFinished) and moved.report.started_s is not None:
            report = replace(moved.report, started_s=moved.report.started_s - began_s)
            moved = replace(moved, report=report)
        yield moved


def _plan(
    gates: Mapping[GateName, Gate], reports: Mapping[GateName, GateReport], claims: Sequence[GateName]
) -> Plan:
    """Its needs are those that the shards kept to, what stages imply included."""
    kept = [
        replace(gate, stage=None, needs=tuple(need for need in reports[name].needs if need in gates))
        for name, gate in gates.items()
    ]
    plan = build_plan(Config(gates=tuple(kept)))
    unknown = {name: Gate(name=name, work=Tests(rest=True)) for name in claims}
    return replace(plan, claims=tuple(gates.get(name, unknown[name]) for name in claims))


def _ending(parts: Sequence[Part], problems: Sequence[str]) -> Ending:
    """As a run ends that has met all that the parts have met."""
    codes = [part.result.exit_code for part in parts if part.result is not None]
    cut_short = [
        part.result.exit_code for part in parts if part.result and part.result.verdict == "interrupted"
    ]
    why = "; ".join(problems)
    stop = StopAsked("parts", why, FAILED) if problems else None
    if cut_short:
        stop = StopAsked("interrupted", why, INTERRUPTED)
    for code, kind in ((4, "usage"), (3, "internal")):
        if code in codes:
            stop = StopAsked(kind, why or f"a shard ended with exit code {code}", code)
    return Ending(
        stop=stop,
        continue_on_collection_errors=INTERRUPTED not in codes,
        # What fails a shard and is no gate's, such as an error in a fixture at the very end, fails the whole.
        loose_errors=len(problems) + codes.count(FAILED),
    )


def _tests(count: int) -> str:
    return f"{count} test{'s' if count > 1 else ''}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
