"""One run as `events.jsonl` tells it: what became of each test, where, when, and beside which others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import Any

from pytest_batchgate.core.valuetypes import dataclass

# Tests that missed each other by less may have met: fixtures live longer, and clocks are not exact.
SLACK_S = 0.1
WITHHELD = "withheld"
"""The outcome of a test that no worker was given, because of what became of another."""

_BAD = frozenset({"failed", "error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One test in one run.  ``begin_s`` and ``end_s`` are on the run's clock, to about `SLACK_S`.

    Where the run did not tell when the test began (pytest below 8.1), it ended when that was heard of.
    """

    nodeid: str
    gate: str | None
    outcome: str
    worker: str | None  # None: it was never given to one
    begin_s: float
    end_s: float
    message: str = ""  # the first line of why it did not pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ties:
    """What the markers of a test tie it to."""

    depends_on: tuple[str, ...] = ()  # as written
    group: str | None = None


@dataclass(frozen=True, kw_only=True)
class Observed:
    """``tests`` by node id, in the order in which they ended; ``collected`` in the order of collection.

    ``exit_code`` is None for a run that did not come to its end.  ``troubles``: commands that
    were not good, with their states.
    """

    tests: Mapping[str, Ran]
    collected: tuple[str, ...]
    ties: Mapping[str, Ties] = field(default_factory=dict)
    gates: frozenset[str] = frozenset()  # that were part of the run
    gates_named: frozenset[str] = frozenset()  # by markers of tests
    troubles: Mapping[str, str] = field(default_factory=dict)
    wall_s: float = 0.0
    exit_code: int | None = None
    result: Mapping[str, Any] = field(default_factory=dict)  # of `RunFinished`, as written

    @cached_property
    def in_order(self) -> tuple[Ran, ...]:
        """Tests that a worker ran, by when they began."""
        ran = [test for test in self.tests.values() if test.worker is not None]
        return tuple(sorted(ran, key=lambda test: (test.end_s, test.begin_s)))

    def outcome(self, nodeid: str) -> str | None:
        test = self.tests.get(nodeid)
        return test.outcome if test is not None else None

    def before(self, nodeid: str) -> tuple[str, ...]:
        """Tests that had ended when this one began, on whatever worker, first to last."""
        this = self.tests[nodeid]
        if this.worker is None:
            return ()
        earlier: list[str] = []
        for test in self.in_order:
            if test.nodeid == nodeid:
                break
            if test.worker == this.worker or test.end_s <= this.begin_s:
                earlier.append(test.nodeid)
        return tuple(earlier)

    def beside(self, nodeid: str) -> tuple[tuple[str, float], ...]:
        """Tests of other workers that overlapped it, those that did longest first.

        With each, how many seconds after it this one began (negative: before it).
        """
        this = self.tests[nodeid]
        if this.worker is None:
            return ()
        met: list[tuple[float, str, float]] = []
        for test in self.in_order:
            if test.worker == this.worker:
                continue
            shared_s = min(test.end_s, this.end_s) - max(test.begin_s, this.begin_s)
            if shared_s >= -SLACK_S:
                met.append((-shared_s, test.nodeid, this.begin_s - test.begin_s))
        return tuple((name, offset_s) for _, name, offset_s in sorted(met))

    def companions(self, nodeid: str) -> tuple[str, ...]:
        """What a test is never run without: all that it depends on, and its group's earlier tests."""
        if not self.ties:
            return ()
        found: set[str] = set()
        todo = [nodeid]
        while todo:
            one = todo.pop()
            new = self._tied_to(one) - found - {nodeid}
            found |= new
            todo += new
        return tuple(name for name in self.collected if name in found)

    def _tied_to(self, nodeid: str) -> set[str]:
        ties = self.ties.get(nodeid)
        if ties is None:
            return set()
        found: set[str] = set()
        for text in ties.depends_on:
            wanted = _meant_by(text, nodeid)
            found |= {name for name in self.collected if any(_covers(one, name) for one in wanted)}
        if ties.group is not None:
            for name in self.collected:
                if name == nodeid:
                    break
                if name in self.ties and self.ties[name].group == ties.group:
                    found.add(name)
        return found


def is_bad(outcome: str) -> bool:
    return outcome in _BAD


def other_order(run: Observed) -> tuple[str, ...]:
    """All tests of the run, last first; the members of a group keep their order among themselves."""
    turned = [test.nodeid for test in reversed(run.in_order)]
    members: dict[str, list[int]] = {}
    for place, name in enumerate(turned):
        ties = run.ties.get(name)
        if ties is not None and ties.group is not None:
            members.setdefault(ties.group, []).append(place)
    for places in members.values():
        names = [turned[place] for place in reversed(places)]
        for place, name in zip(places, names, strict=True):
            turned[place] = name
    return tuple(turned)


def _meant_by(text: str, nodeid: str) -> tuple[str, ...]:
    """Node ids that a target of `depends_on` may mean, as the dispatcher takes it."""
    head = text.partition("[")[0].partition("::")[0]
    if text.startswith("gate:"):
        return ()
    if "/" in head or head.endswith(".py"):
        return (text,)
    scope = nodeid.partition("[")[0].rpartition("::")[0]
    return tuple(dict.fromkeys((f"{scope}::{text}", f"{scope.partition('::')[0]}::{text}")))


def _covers(wanted: str, nodeid: str) -> bool:
    return nodeid == wanted or nodeid.startswith((f"{wanted}[", f"{wanted}::"))


# --- reading ------------------------------------------------------------------


def observed(lines: Iterable[bytes]) -> Observed:
    """From the lines of `events.jsonl`; a last line that is not whole is passed over."""
    reader = _Reader()
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            break
        reader.take(event)
    return Observed(
        tests=reader.tests,
        collected=tuple(dict.fromkeys(reader.collected)),
        ties=reader.ties,
        gates=frozenset(reader.gates),
        gates_named=frozenset(reader.gates_named),
        troubles=reader.troubles,
        wall_s=reader.wall_s,
        exit_code=reader.exit_code,
        result=reader.result,
    )


class _Reader:
    def __init__(self) -> None:
        self.tests: dict[str, Ran] = {}
        self.began_s: Mapping[str, float] = {}
        self.collected: list[str] = []
        self.ties: dict[str, Ties] = {}
        self.gates: set[str] = set()
        self.gates_named: set[str] = set()
        self.troubles: dict[str, str] = {}
        self.wall_s = 0.0
        self.exit_code: int | None = None
        self.result: Mapping[str, Any] = {}

    def take(self, event: Mapping[str, Any]) -> None:
        kind = event["event"]
        if kind == "TestsBegan":
            self.began_s = event["began_s"]  # of the results that come next
        elif kind == "TestsWereRun":
            self._results(event["at"], event["worker"], event["results"])
        elif kind == "FileWasCollected":
            self._collection(event["tests"], event["traits"])
        elif kind == "TestWasLost":
            self._lost(event)
        elif kind == "GateFinished":
            report = event["report"]
            if report["kind"] == "command" and report["state"] not in {"passed", "flaky"}:
                self.troubles[report["name"]] = report["state"]
        elif kind == "RunStarted":
            self.gates.update(gate["name"] for gate in event["gates"])
        elif kind == "RunFinished":
            self.result = event["result"]
            self.wall_s = self.result["wall_s"]
            self.exit_code = self.result["exit_code"]

    def _collection(self, tests: Sequence[str], traits: Mapping[str, Mapping[str, Any]]) -> None:
        self.collected += tests
        for index, told in traits.items():
            depends_on = tuple(told.get("depends_on", ()))
            self.gates_named |= {text[5:] for text in depends_on if text.startswith("gate:")}
            self.ties[tests[int(index)]] = Ties(depends_on=depends_on, group=told.get("group"))

    def _results(self, at: float, worker: str, results: Sequence[Mapping[str, Any]]) -> None:
        end_s = at
        rows = []
        for result in reversed(results):
            known_s = self.began_s.get(result["nodeid"])
            if known_s is not None:
                end_s = known_s + result["duration_s"]
            begin_s = end_s - result["duration_s"]
            rows.append((result, begin_s, end_s))
            end_s = begin_s
        for result, begin_s, end_s in reversed(rows):
            ran = Ran(
                nodeid=result["nodeid"],
                gate=result["gate"],
                outcome=result["outcome"],
                worker=worker,
                begin_s=begin_s,
                end_s=end_s,
                message=_first_line(result.get("message", "")),
            )
            earlier = self.tests.get(ran.nodeid)
            if earlier is None or not is_bad(earlier.outcome):
                self.tests[ran.nodeid] = ran  # a fixture may fail after its test was reported

    def _lost(self, event: Mapping[str, Any]) -> None:
        if event["outcome"] == "not_run":
            return
        withheld = event["worker"] is None and event["outcome"] == "skipped"
        self.tests[event["nodeid"]] = Ran(
            nodeid=event["nodeid"],
            gate=event["gate"],
            outcome=WITHHELD if withheld else event["outcome"],
            worker=event["worker"],
            begin_s=event["at"],
            end_s=event["at"],
            message=_first_line(event["reason"]),
        )


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
