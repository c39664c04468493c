"""Plays suites whose defects are known, as `--batch-verify` has them played: no process, no time.

Every test takes a second.  Tests at the same place of two lanes overlap.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_batchgate.bench.compare import IN_PARALLEL, IN_TURN, OTHER_ORDER, Case, compare
from pytest_batchgate.bench.examine import examine
from pytest_batchgate.bench.observed import WITHHELD, Observed, Ran, Ties, other_order
from pytest_batchgate.bench.trial import Finding, Notes, Outcomes, Trial


@dataclass(frozen=True, kw_only=True)
class Nature:
    """When a test fails: each field alone is reason enough."""

    beside: frozenset[str] = frozenset()  # one of these runs at the same time
    needs: frozenset[str] = frozenset()  # not all of these ran before, in the same process
    needs_anywhere: frozenset[str] = frozenset()  # not all of these ran before, on whatever worker
    after: frozenset[str] = frozenset()  # one of these ran before, in the same process
    held_by: frozenset[str] = frozenset()  # one of these ran, or runs, in another process that is still there
    chance: float = 0.0


@dataclass
class Machine:
    natures: Mapping[str, Nature]  # in the order of collection
    ties: Mapping[str, Ties] = field(default_factory=dict)
    seed: int = 0
    trials: list[Trial] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def play(self, lanes: Sequence[Sequence[str]], begin: Sequence[int] = ()) -> Observed:
        """``begin``: at which second each lane begins."""
        begins = list(begin) or [0] * len(lanes)
        slots = [
            (start + place, number, name)
            for number, (lane, start) in enumerate(zip(lanes, begins, strict=True))
            for place, name in enumerate(lane)
        ]
        ran: dict[str, Ran] = {}
        done: list[tuple[int, int, str]] = []
        for at, number, name in sorted(slots):
            now = [other for when, lane, other in slots if when == at and lane != number]
            ran[name] = Ran(
                nodeid=name,
                gate="unit",
                outcome=self._outcome(name, at, number, done, now, ran),
                worker=f"gw{number}",
                begin_s=float(at),
                end_s=at + 1.0 - 0.2,
                message="",
            )
            done.append((at, number, name))
        return Observed(tests=ran, collected=tuple(self.natures), ties=self.ties, exit_code=0)

    def _outcome(
        self,
        name: str,
        at: int,
        lane: int,
        done: Sequence[tuple[int, int, str]],
        now: Sequence[str],
        ran: Mapping[str, Ran],
    ) -> str:
        nature = self.natures[name]
        mine = {other for _, number, other in done if number == lane}
        theirs = {other for when, number, other in done if number != lane and when < at}
        for wanted in self.ties.get(name, Ties()).depends_on:
            if wanted in ran and ran[wanted].outcome != "passed":
                return WITHHELD
        bad = (
            not nature.beside.isdisjoint(now)
            or not nature.needs <= mine
            or not nature.needs_anywhere <= mine | theirs
            or not nature.after.isdisjoint(mine)
            or not nature.held_by.isdisjoint(theirs | set(now))
            or self.random.random() < nature.chance
        )
        return "failed" if bad else "passed"

    # --- as --batch-verify does it ----------------------------------------------------

    def whole_runs(self) -> dict[str, Observed]:
        names = list(self.natures)
        runs = {IN_TURN: self.play([names])}
        runs[IN_PARALLEL] = self.play([names[0::2], names[1::2]])
        turned = list(other_order(runs[IN_TURN]))
        runs[OTHER_ORDER] = self.play([turned[0::2], turned[1::2]])
        return runs

    def answer(self, trial: Trial) -> Outcomes:
        self.trials.append(trial)
        if trial.again is not None:
            run = self.whole_runs()[trial.again]
        elif trial.meet_s is not None:
            longest = max(map(len, trial.lanes))
            run = self.play(trial.lanes, [longest - len(lane) for lane in trial.lanes])
        else:  # nothing of one lane begins before the lanes ahead of it have ended
            begin = [sum(map(len, trial.lanes[:number])) for number in range(len(trial.lanes))]
            run = self.play(trial.lanes, begin)
        return {name: ran.outcome for name, ran in run.tests.items()}

    def examined(self, case: Case, runs: Mapping[str, Observed], notes: Notes) -> Finding:
        questions = examine(case, runs, notes)
        try:
            trial = next(questions)
            while True:
                trial = questions.send(self.answer(trial))
        except StopIteration as end:
            finding: Finding = end.value
            return finding

    def verify(self) -> dict[str, Finding]:
        """The findings by test."""
        runs = self.whole_runs()
        cases = compare(runs)
        notes = Notes(differing=frozenset(case.nodeid for case in cases))
        return {case.nodeid: self.examined(case, runs, notes) for case in cases}


def suite(count: int, natures: Mapping[int, Nature], **more: object) -> Machine:
    """``count`` tests in two files, by number."""
    return Machine({name(number, count): natures.get(number, Nature()) for number in range(count)}, **more)  # type: ignore[arg-type]


def name(number: int, count: int) -> str:
    return f"test_{'a' if number < count // 2 else 'b'}.py::t{number}"
