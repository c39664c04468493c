"""Why does a test differ?  A question at a time, each a re-run that somebody else does.

An examination is a generator: it yields `Trial`s, is sent their outcomes, and returns a
`Finding`.  What a test does by itself is its norm; a run in which it did something else
is explained by the tests before it or beside it.  Nothing is concluded from a single
trial: both the norm and what departs from it must show twice.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from pytest_batchgate.bench.compare import ABSENT, IN_TURN, LABELS, OTHER_ORDER, Case
from pytest_batchgate.bench.observed import WITHHELD, Observed, is_bad
from pytest_batchgate.bench.trial import Finding, Kind, Mark, Mend, Notes, Outcomes, Trial

Question: TypeAlias = Generator[Trial, Outcomes, str]
Examination: TypeAlias = Generator[Trial, Outcomes, Finding]
Search: TypeAlias = Generator[Trial, Outcomes, "Finding | None"]

MOST_NEIGHBOURS = 4  # of those beside a test, the ones that were it longest
MOST_PARTNERS = 5  # more than that explain nothing
_ALONE = 3  # runs by itself before a test counts as steady
_TRIES = 3  # beside another test until they have clashed twice
_AGAIN = 2  # repeats of a whole run in which a test that nobody explains must differ
_WORTH_WAITING_S = (0.05, 30.0)  # how much later one of two tests may begin, as it did in the run

_BETTER = {"passed": 0, "xfailed": 0, "skipped": 1, "xpassed": 1, "error": 2, "failed": 2}


def examine(case: Case, runs: Mapping[str, Observed], notes: Notes) -> Examination:
    """``runs`` by label, that in turn among them."""
    if not case.was_collected_always:
        return Finding(case=case, kind=Kind.NOT_ALWAYS_THERE)
    if case.follows:
        return Finding(case=case, kind=Kind.FOLLOWS)
    return (yield from _Examiner(case, runs, notes).examine())


class _Examiner:
    def __init__(self, case: Case, runs: Mapping[str, Observed], notes: Notes) -> None:
        self.case = case
        self.test = case.nodeid
        self.runs = runs
        self.notes = notes
        self.alone: list[str] = []
        self.norm = ""
        first = runs[IN_TURN]
        self.companions = first.companions(self.test)

    def examine(self) -> Examination:
        self.norm = yield from self._by_itself()
        if self.norm in {WITHHELD, ABSENT}:
            return self._finding(Kind.FOLLOWS if self.norm == WITHHELD else Kind.UNEXAMINED)
        departed = [label for label in LABELS if self._departed(label)]
        found: Finding | None = None
        if departed[:1] == [IN_TURN]:
            found = yield from self._search_before(IN_TURN)
        elif departed:
            label = departed[0]
            if label == OTHER_ORDER:  # more likely its order than its neighbours
                found = yield from self._search_before(label, only_near=True)
            if found is None and not is_bad(self.norm):  # nobody passes because of a neighbour
                found = yield from self._search_beside(departed)
            if found is None:
                found = yield from self._search_before(label)
        if found is None:
            found = yield from self._leave_it(departed)
        return found

    def _departed(self, label: str) -> bool:
        return self.case.outcomes.get(label, WITHHELD) not in {self.norm, WITHHELD}

    def _finding(self, kind: Kind, *partners: str, together: Sequence[str] = ()) -> Finding:
        return Finding(
            case=self.case,
            kind=kind,
            partners=partners,
            alone=tuple(self.alone),
            together=tuple(together),
        )

    # --- by itself ----------------------------------------------------------------

    def _by_itself(self) -> Question:
        outcomes = yield Trial(lanes=(self._lane(),), why=f"{self.test} alone")
        self.alone.append(self._said(outcomes))
        return self.alone[-1]

    def _said(self, outcomes: Outcomes) -> str:
        """What the test did.  A trial in which it had no chance to do anything says nothing."""
        outcome = outcomes.get(self.test, ABSENT)
        return self.norm if outcome in {WITHHELD, ABSENT} and self.norm else outcome

    def _is_steady(self, runs: int) -> Generator[Trial, Outcomes, bool]:
        """Whether so many runs by itself all end as the first."""
        while len(self.alone) < runs and self.alone[-1] == self.norm:
            yield from self._by_itself()
        return self.alone[-1] == self.norm

    def _lane(self, *before: str) -> tuple[str, ...]:
        """The test after others, with what it is never run without."""
        others = [name for name in self.companions if name not in before]
        return (*before, *others, self.test)

    # --- after other tests ----------------------------------------------------------

    def _search_before(self, label: str, *, only_near: bool = False) -> Search:
        suspects = [name for name in self.runs[label].before(self.test) if name not in self.companions]
        file = self.test.partition("::")[0]
        near = [name for name in suspects if name.partition("::")[0] == file]
        choices = [near] if only_near or len(near) == len(suspects) else [near, suspects]
        for choice in choices:
            if not choice:
                continue
            outcome = yield from self._after(choice)
            if outcome == self.norm:
                continue
            if len(choice) == 1:  # the run that differed and this one agree
                return (yield from self._prove_before(choice, outcome))
            return (yield from self._prove_before((yield from self._narrow(choice))))
        return None

    def _after(self, others: Sequence[str]) -> Question:
        name = others[0] if len(others) == 1 else f"{len(others)} tests"
        outcomes = yield Trial(lanes=(self._lane(*others),), why=f"{self.test} after {name}")
        return self._said(outcomes)

    def _narrow(self, suspects: Sequence[str]) -> Generator[Trial, Outcomes, Sequence[str]]:
        """Half by half, the nearer one first; what needs both halves stays."""
        while len(suspects) > 1:
            middle = len(suspects) // 2
            nearer, farther = suspects[middle:], suspects[:middle]
            if (yield from self._after(nearer)) != self.norm:
                suspects = nearer
            elif (yield from self._after(farther)) != self.norm:
                suspects = farther
            else:
                break
        return suspects

    def _prove_before(self, partners: Sequence[str], outcome: str | None = None) -> Search:
        """``outcome``: after them, where nobody had to be chosen among many.

        Each choice is a chance to be wrong: whom it led to must show twice more.
        """
        together = [outcome] if outcome is not None else []
        while outcome is None and len(together) < 2:
            together.append((yield from self._after(partners)))
            if together[-1] == self.norm:
                return None if (yield from self._is_steady(_ALONE)) else self._finding(Kind.NOW_AND_THEN)
        kind = self._kind_of(together[0])
        named = tuple(partners) if len(partners) <= MOST_PARTNERS else ()
        elsewhere = ""
        if named and kind is Kind.WITHOUT:
            elsewhere = yield from self._after_elsewhere(named)
        # Where it ended there as it does by itself, that is its norm a second time.
        if (len(together) > 1 or elsewhere != self.norm) and not (yield from self._is_steady(2)):
            return self._finding(Kind.NOW_AND_THEN)
        found = self._finding(kind, *named, together=together)
        if not named:
            return found
        if kind is Kind.AFTER:
            return _mended(found, Mend.COMES_LATER, tried=False)
        mend = Mend.DEPENDS_ON if elsewhere == together[0] else Mend.DEPENDS_ON_IN_GROUP
        return _mended(found, mend, tried=True)

    def _kind_of(self, departure: str) -> Kind:
        better = _BETTER.get(departure, 3) < _BETTER.get(self.norm, 3)
        return Kind.WITHOUT if better else Kind.AFTER

    def _after_elsewhere(self, others: Sequence[str]) -> Question:
        """After them, which another worker runs: what they leave in memory is not there."""
        first = tuple(name for name in self.companions if name not in others)
        outcomes = yield Trial(
            lanes=((*first, *others), (self.test,)),
            marks=tuple((self.test, "depends_on", name) for name in others),
            why=f"{self.test} after {others[0]}, on another worker",
        )
        return self._said(outcomes)

    # --- beside other tests -----------------------------------------------------------

    def _search_beside(self, departed: Sequence[str]) -> Search:
        for other, offset_s in self._neighbours(departed):
            shortest_s, longest_s = _WORTH_WAITING_S
            waits = [0.0, offset_s if shortest_s < abs(offset_s) < longest_s else 0.0]
            for wait_s in waits:
                if not self._clashes(other):
                    yield from self._beside(other, wait_s)
            if self._clashes(other):
                found = yield from self._prove_beside(other, wait_s)
                if found is not None:
                    return found
        return None

    def _neighbours(self, departed: Sequence[str]) -> list[tuple[str, float]]:
        """Whom to try: what has clashed before, what differs itself, then by how long they overlapped."""
        known = {
            name: 0.0
            for pair in self.notes.pairs
            if self.test in pair
            for name in pair - {self.test}
            if self._clashes(name)
        }
        met: dict[str, float] = {}
        for label in departed:
            for name, offset_s in self.runs[label].beside(self.test):
                met.setdefault(name, offset_s)
        ranked = sorted(met, key=lambda name: name not in self.notes.differing)
        chosen = {**known, **{name: met[name] for name in ranked if name not in known}}
        return list(chosen.items())[: max(MOST_NEIGHBOURS, len(known))]

    def _tries(self, other: str) -> list[Outcomes]:
        return self.notes.pairs.setdefault(frozenset({self.test, other}), [])

    def _clashes(self, other: str) -> int:
        """How often the two, side by side, did not both end as they should: which one lost is chance."""
        return sum(self._is_clash(other, outcomes) for outcomes in self._tries(other))

    def _is_clash(self, other: str, outcomes: Outcomes) -> bool:
        theirs = self.runs[IN_TURN].outcome(other)
        return self._said(outcomes) != self.norm or outcomes.get(other, theirs) not in {theirs, WITHHELD}

    def _beside(self, other: str, wait_s: float) -> Generator[Trial, Outcomes, None]:
        """Both begin at once, or this one ``wait_s`` after the other (negative: before it)."""
        outcomes = yield Trial(
            lanes=self._two_lanes(other),
            meet_s=(max(wait_s, 0.0), max(-wait_s, 0.0)),
            why=f"{self.test} beside {other}",
        )
        self._tries(other).append(outcomes)

    def _two_lanes(self, other: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        mine = tuple(name for name in self._lane() if name != other)
        theirs = self.runs[IN_TURN].companions(other)
        return mine, (*(name for name in theirs if name not in mine), other)

    def _prove_beside(self, other: str, wait_s: float) -> Search:
        while len(self._tries(other)) < _TRIES and self._clashes(other) < 2:
            yield from self._beside(other, wait_s)
        if self._clashes(other) < 2:
            return None if (yield from self._is_steady(2)) else self._finding(Kind.NOW_AND_THEN)
        apart = yield from self._are_well_apart(other)
        # Where it ended so as it does by itself, that is its norm a second time.
        always = self._clashes(other) == len(self._tries(other))
        if not (apart and always) and not (yield from self._is_steady(2 if always else _ALONE)):
            return self._finding(Kind.NOW_AND_THEN)
        together = [self._said(outcomes) for outcomes in self._tries(other)]
        found = self._finding(Kind.IN_PARALLEL, other, together=together)
        if apart:
            return _mended(found, Mend.SERIAL, tried=True)
        # What they share outlives them: a fixture of a whole worker, most often.
        if (yield from self._after([other])) == self.norm:
            return _mended(found, Mend.GROUP, tried=True)
        return found

    def _are_well_apart(self, other: str) -> Generator[Trial, Outcomes, bool]:
        """Whether both end as they should on different workers, but never at the same time.

        The other one goes first, and its worker stays: what outlives a test is met.
        """
        pair = frozenset({self.test, other})
        known = self.notes.apart.get(pair)
        if known is None:
            mine, theirs = self._two_lanes(other)
            marks: tuple[Mark, ...] = ((self.test, "serial", "apart"), (other, "serial", "apart"))
            if self.runs[IN_TURN].outcome(other) == "passed":
                marks = ((self.test, "depends_on", other),)
            known = self.notes.apart[pair] = yield Trial(
                lanes=(theirs, mine), marks=marks, why=f"{self.test} and {other}, not at the same time"
            )
        return not self._is_clash(other, known)

    # --- no partner -------------------------------------------------------------------

    def _leave_it(self, departed: Sequence[str]) -> Examination:
        """Nobody could be blamed: does it happen again at all?"""
        if not departed or not (yield from self._is_steady(_ALONE)):
            return self._finding(Kind.NOW_AND_THEN)
        label = departed[0]
        again = self.notes.again.setdefault(label, [])
        for number in range(_AGAIN):
            if len(again) == number:
                again.append((yield Trial(again=label, why=f"all tests {label} once more")))
            if again[number].get(self.test) in {self.norm, WITHHELD, None}:
                return self._finding(Kind.NOW_AND_THEN)
        if label == IN_TURN:
            return self._finding(self._kind_of(again[0][self.test]))
        return _mended(self._finding(Kind.IN_PARALLEL), Mend.ALONE, tried=False)


def _mended(found: Finding, mend: Mend, *, tried: bool) -> Finding:
    return replace(found, mend=mend, tried=tried)
