"""The circuit breaker: what opens it, what closes it, what is no evidence; its table is all of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_batchgate.core.breaker import TRANSITIONS, BreakerChange, BreakerState, CircuitBreaker, Trigger
from pytest_batchgate.core.model import Breaker

CLOSED, OPEN, HALF_OPEN, BROKEN = BreakerState
EXAMPLES = int(os.environ.get("TESTS_EXAMPLES", "200"))
DOCS = Path(__file__).parents[2] / "docs" / "breaker.md"


@dataclass
class Story:
    """A breaker whose tests are handed out one by one; the changes, as "2 closed -> open: why"."""

    breaker: CircuitBreaker
    now: float = 0.0
    told: list[str] = field(default_factory=list)

    def run(self, *outcomes: str, text: str = "") -> list[int | None]:
        """Run a test for each outcome, a second each; what may start after each."""
        allowed = []
        for outcome in outcomes:
            epoch = self.breaker.hand_out(1)
            self.now += 1.0
            self.tell(self.breaker.hear(epoch, outcome, self.now, text=text))
            allowed.append(self.breaker.allowance)
        return allowed

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.tell(self.breaker.wake(self.now))

    def tell(self, change: BreakerChange | None) -> None:
        if change is not None:
            assert (change.at, change.wakes_at) == (self.now, self.breaker.next_deadline)
            line = f"{change.at:g} {change.before.value} -> {change.after.value}: {change.reason}"
            self.told.append(line)


Make = Callable[..., Story]


@pytest.fixture
def a_breaker() -> Make:
    def make(*, deadline: float | None = None, **keys: Any) -> Story:
        return Story(CircuitBreaker(Breaker(**keys), deadline))

    return make


def test_failures_in_a_row_open_it_and_a_passing_probe_closes_it(a_breaker: Make) -> None:
    story = a_breaker(threshold=3, cooldown_s=30.0)
    assert story.run("failed", "failed", "passed", "failed", "error", "failed") == [None] * 5 + [0]
    story.wait(29.9)
    assert story.breaker.allowance == 0
    story.wait(0.1)
    assert story.breaker.allowance == 1
    assert story.run("passed", "failed", "failed") == [None] * 3
    assert story.told == [
        "6 closed -> open: 3 failures in a row",
        "36 open -> half-open: after 30 s",
        "37 half-open -> closed: the probe passed",
    ]


def test_a_failing_probe_opens_it_again_for_another_cooldown(a_breaker: Make) -> None:
    story = a_breaker(threshold=1, cooldown_s=10.0, probes=2)
    story.run("failed")
    story.wait(10.0)
    assert story.run("passed", "failed") == [1, 0]
    assert story.breaker.next_deadline == 23.0
    story.wait(10.0)
    assert story.run("passed", "xpassed") == [1, None]
    assert story.told == [
        "1 closed -> open: 1 failure in a row",
        "11 open -> half-open: after 10 s",
        "13 half-open -> open: a probe failed",
        "23 open -> half-open: after 10 s",
        "25 half-open -> closed: 2 probes passed",
    ]


def test_a_window_counts_failures_among_the_last_results(a_breaker: Make) -> None:
    """3/4: of f p f p f no four in a row hold three failures; with one more f the last four do."""
    story = a_breaker(threshold=3, window=4, cooldown_s=1.0)
    assert story.run("failed", "passed", "failed", "passed", "failed") == [None] * 5
    assert story.run("failed") == [0]
    story.wait(1.0)
    story.run("passed")
    assert story.run("failed", "failed") == [None, None], "what was counted before is forgotten"
    assert story.run("failed") == [0]
    assert [line.split(": ")[1] for line in story.told if "-> open" in line] == [
        "3 failures in the last 4 results"
    ] * 2


def test_without_a_cooldown_open_is_final(a_breaker: Make) -> None:
    story = a_breaker(threshold=2)
    story.run("failed", "error")
    assert story.told == ["2 closed -> broken: 2 failures in a row, and no cooldown is set"]
    assert story.breaker.next_deadline is None
    story.wait(10_000.0)
    assert (story.breaker.state, story.breaker.allowance) == (BROKEN, 0)


def test_a_cooldown_that_passes_the_gates_deadline_is_final(a_breaker: Make) -> None:
    """Up to the deadline itself: at that moment no probe could run any more."""
    story = a_breaker(threshold=1, cooldown_s=10.0, deadline=22.5)
    story.run("failed")
    assert story.breaker.state is OPEN
    story.wait(10.5)
    story.run("failed")
    assert story.told[-1] == (
        "12.5 half-open -> broken: a probe failed, and a cooldown of 10 s would pass the gate's time limit"
    )
    for deadline, state in ((11.5, OPEN), (11.0, BROKEN), (None, OPEN)):
        other = a_breaker(threshold=1, cooldown_s=10.0, deadline=deadline)
        other.run("failed")
        assert other.breaker.state is state


def test_tests_that_did_not_run_through_are_no_evidence(a_breaker: Make) -> None:
    """They neither count nor end a row; a probe that is none is replaced."""
    story = a_breaker(threshold=2, cooldown_s=1.0)
    assert story.run("failed", "skipped", "xfailed", "not_run", "failed") == [None] * 4 + [0]
    story.wait(1.0)
    assert story.run("skipped", "xfailed", "passed") == [1, 1, None]
    story.run("failed")
    story.run("xpassed")
    assert story.run("failed") == [None], "an unexpected pass is a pass"


def test_a_failure_that_does_not_match_is_no_evidence(a_breaker: Make) -> None:
    story = a_breaker(threshold=2, cooldown_s=1.0, match="(?i)connection refused")
    story.run("failed", "failed", "error", text="assert 1 == 2")
    assert story.run("failed", text="E  Connection refused by :5432") == [None]
    story.run("failed", text="assert None is not None")
    assert story.run("error", text="CONNECTION REFUSED") == [0]
    story.wait(1.0)
    assert story.run("failed", text="assert 1 == 2") == [1], "another probe takes its place"
    assert story.run("failed", text="connection refused") == [0]
    assert story.told[0].endswith("2 failures matching '(?i)connection refused' in a row")


def test_what_was_handed_out_before_it_opened_is_late(a_breaker: Make) -> None:
    """Three workers: the passes of two arrive while it is open, half-open, and closed again."""
    story = a_breaker(threshold=1, cooldown_s=10.0, probes=2)
    breaker = story.breaker
    early = breaker.hand_out(5)
    assert breaker.hear(early, "failed", 1.0) is not None
    assert breaker.hear(early, "passed", 2.0) is None
    assert breaker.state is OPEN
    assert breaker.wake(11.0) is not None
    assert breaker.hear(early, "passed", 12.0) is None
    breaker.take_back(early, 1)
    assert breaker.hear(early, "failed", 13.0) is None
    assert (breaker.state, breaker.allowance) == (HALF_OPEN, 2)
    probes = breaker.hand_out(2)
    assert breaker.hear(probes, "passed", 14.0) is None
    assert breaker.hear(probes, "passed", 15.0) is not None
    assert breaker.state is CLOSED
    assert breaker.lose(early, 16.0) is None, "a failure from before the outage says nothing of today"
    assert breaker.hear(breaker.hand_out(1), "failed", 17.0) is not None


def test_of_several_probes_one_failure_makes_the_others_late(a_breaker: Make) -> None:
    story = a_breaker(threshold=1, cooldown_s=1.0, probes=3)
    story.run("failed")
    story.wait(1.0)
    breaker = story.breaker
    probes = breaker.hand_out(3)
    assert breaker.allowance == 0
    assert breaker.hear(probes, "error", 3.0) is not None
    assert breaker.hear(probes, "passed", 3.0) is None
    assert breaker.wake(4.0) is not None
    assert breaker.hear(probes, "failed", 5.0) is None
    assert (breaker.state, breaker.allowance) == (HALF_OPEN, 3)


def test_a_probe_that_comes_back_unstarted_makes_room_for_another(a_breaker: Make) -> None:
    story = a_breaker(threshold=1, cooldown_s=1.0, probes=2)
    story.run("failed")
    story.wait(1.0)
    breaker = story.breaker
    probes = breaker.hand_out(2)
    breaker.take_back(probes, 1)
    assert breaker.allowance == 1
    assert breaker.hear(probes, "passed", 3.0) is None
    assert breaker.hear(breaker.hand_out(1), "passed", 4.0) is not None
    assert breaker.state is CLOSED


def test_a_lost_probe_has_failed_whatever_match_says(a_breaker: Make) -> None:
    """Before it opens a death is a failure like others: `match` decides."""
    story = a_breaker(threshold=2, cooldown_s=1.0, match="refused|SIGKILL")
    breaker = story.breaker
    epoch = breaker.hand_out(4)
    for text in ("worker gw0 killed by SIGSEGV", "worker gw0 killed by SIGKILL"):
        assert breaker.lose(epoch, 1.0, text=text) is None
    assert breaker.lose(epoch, 1.0, text="killed by SIGKILL") is not None
    assert breaker.wake(2.0) is not None
    change = breaker.lose(breaker.hand_out(1), 3.0, text="worker gw1 killed by SIGSEGV")
    assert change is not None
    assert (change.trigger, change.after) == (Trigger.RELAPSED, OPEN)


def test_what_may_not_start_cannot_be_handed_out(a_breaker: Make) -> None:
    story = a_breaker(threshold=1, cooldown_s=1.0)
    story.run("failed")
    with pytest.raises(AssertionError, match="0 allowed"):
        story.breaker.hand_out(1)
    story.wait(1.0)
    with pytest.raises(AssertionError, match="2 tests handed out, 1 allowed"):
        story.breaker.hand_out(2)
    with pytest.raises(AssertionError, match="went back"):
        story.breaker.wake(1.5)


def test_the_docs_show_the_states_and_the_whole_table() -> None:
    text = DOCS.read_text(encoding="utf-8")
    rows = ["| from | when | to |", "| --- | --- | --- |"]
    for (before, trigger), after in TRANSITIONS.items():
        rows.append(f"| `{before.value}` | {trigger.value} | `{after.value}` |")
    _, _, shown = text.partition("<!-- generated: transitions -->\n")
    assert shown.partition("\n<!-- end -->")[0] == "\n".join(rows)
    states = text.partition("## States")[2].partition("A breaker begins")[0]
    assert re.findall(r"^\| `(.+?)`", states, re.MULTILINE) == [state.value for state in BreakerState]


# --- any sequence ---------------------------------------------------------------


BREAKERS = st.builds(
    lambda threshold, window, cooldown_s, probes, match: Breaker(
        threshold=min(threshold, window or threshold),
        window=window,
        cooldown_s=cooldown_s,
        probes=probes,
        match=match,
    ),
    threshold=st.integers(1, 3),
    window=st.none() | st.integers(1, 5),
    cooldown_s=st.sampled_from((2.0, 2.0, 5.0, 0.0)),
    probes=st.integers(1, 3),
    match=st.sampled_from((None, "down")),
)
OUTCOMES = st.sampled_from(("failed", "passed", "failed", "passed", "error", "skipped", "xpassed"))
TEXTS = st.sampled_from(("down", "down", "wrong"))
# Tests that run at once are what leads far; the others are out while things change.
RUN = st.tuples(st.just("run"), OUTCOMES, TEXTS)
SLEEP = st.just(("sleep",))  # until the breaker wakes
OTHERS = st.one_of(
    st.tuples(st.just("start"), st.integers(1, 3)),
    st.tuples(st.just("end"), st.integers(0, 9), OUTCOMES, TEXTS),
    st.tuples(st.just("lose"), st.integers(0, 9), TEXTS),
    st.tuples(st.just("back"), st.integers(0, 9)),
    st.tuples(st.just("wait"), st.sampled_from((0.5, 2.0))),
)
STEPS = st.lists(st.one_of(RUN, RUN, RUN, SLEEP, OTHERS), min_size=20, max_size=60)


@dataclass
class Books:
    """What a breaker should do, kept another way: by the whole history of the state it is in."""

    settings: Breaker
    deadline: float | None
    breaker: CircuitBreaker = field(init=False)
    now: float = 0.0
    state: BreakerState = CLOSED
    since: float = 0.0
    failures: list[bool] = field(default_factory=list)  # evidence since the last change
    out: list[tuple[int, int]] = field(default_factory=list)  # (how many changes came before it, epoch)
    changes: list[BreakerChange] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.breaker = CircuitBreaker(self.settings, self.deadline)

    def step(self, kind: str, *what: object) -> None:
        match kind, what:
            case "start", (int(count),):
                self.start(count)
            case "wait", (float(seconds),):
                self.wait(seconds)
            case "sleep", ():
                self.wait((self.breaker.next_deadline or self.now) - self.now)
            case "run", (str(outcome), str(text)):
                self.start(1)
                if self.in_time():
                    self.end("end", self.out.pop(), outcome, text)
            case _, (int(number), *rest) if self.out:
                self.end(kind, self.out.pop(number % len(self.out)), *map(str, rest))
        self.check()

    def in_time(self) -> int:
        """Tests that are not late."""
        return sum(1 for era, _ in self.out if era == len(self.changes))

    def start(self, count: int) -> None:
        allowed = self.breaker.allowance
        if allowed == 0:
            return
        count = count if allowed is None else min(count, allowed)
        self.out += [(len(self.changes), self.breaker.hand_out(count))] * count

    def wait(self, seconds: float) -> None:
        self.now += seconds
        change = self.breaker.wake(self.now)
        due = self.state is OPEN and self.now >= self.since + self.settings.cooldown_s
        self.expect(change, HALF_OPEN if due else None)

    def end(self, kind: str, test: tuple[int, int], *words: str) -> None:
        era, epoch = test
        late = era != len(self.changes)
        if kind == "back":
            self.breaker.take_back(epoch, 1)
            return
        outcome, text = ("lost", *words) if kind == "lose" else words
        if kind == "lose":
            change = self.breaker.lose(epoch, self.now, text=text)
        else:
            change = self.breaker.hear(epoch, outcome, self.now, text=text)
        if late:
            self.expect(change, None)
            return
        if outcome in {"passed", "xpassed"}:
            self.failures.append(False)
        elif outcome in {"failed", "error", "lost"}:
            lost_probe = outcome == "lost" and self.state is HALF_OPEN
            if lost_probe or self.settings.match is None or text == "down":
                self.failures.append(True)
        self.expect(change, self.due())

    def due(self) -> BreakerState | None:
        """Where the evidence leads: the state after it, or None to stay."""
        time_left = self.deadline is None or self.now + self.settings.cooldown_s < self.deadline
        opened = OPEN if self.settings.cooldown_s and time_left else BROKEN
        if self.state is HALF_OPEN:
            if any(self.failures):
                return opened
            return CLOSED if len(self.failures) == self.settings.probes else None
        threshold = self.settings.threshold
        if self.settings.window is not None:
            return opened if sum(self.failures[-self.settings.window :]) == threshold else None
        return opened if self.failures[-threshold:] == [True] * threshold else None

    def expect(self, change: BreakerChange | None, after: BreakerState | None) -> None:
        assert (change.after if change else None) is after
        if change is not None:
            assert (change.before, change.at) == (self.state, self.now)
            assert TRANSITIONS[change.before, change.trigger] is change.after
            self.changes.append(change)
            self.state, self.since, self.failures = change.after, self.now, []

    def check(self) -> None:
        breaker = self.breaker
        assert breaker.state is self.state
        wakes_at = self.since + self.settings.cooldown_s if self.state is OPEN else None
        assert breaker.next_deadline == wakes_at
        assert wakes_at is None or self.deadline is None or wakes_at < self.deadline
        allowed = {CLOSED: None, OPEN: 0, BROKEN: 0}.get(self.state, 0)
        if self.state is HALF_OPEN:
            allowed = self.settings.probes - self.in_time() - len(self.failures)
            assert 0 <= self.in_time() <= self.settings.probes
            assert allowed >= 0
        assert breaker.allowance == allowed


@settings(max_examples=EXAMPLES, deadline=None)
@given(breaker=BREAKERS, deadline=st.none() | st.sampled_from((3.0, 6.0, 20.0)), steps=STEPS)
def test_any_sequence_does_what_its_whole_history_says(
    breaker: Breaker, deadline: float | None, steps: list[tuple[str, object]]
) -> None:
    books = Books(breaker, deadline)
    for step in steps:
        books.step(*step)
    ends = [change for change in books.changes if change.after is BROKEN]
    assert ends in ([], books.changes[-1:])
    if not breaker.cooldown_s:
        assert len(books.changes) <= 1, "open is final"
