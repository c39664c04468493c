"""The circuit breaker of one gate: when to stop trying, and when to try again.

A gate whose database is down fails test after test.  The breaker counts the failures of
one gate across its workers, in the order in which they are heard of, and at `threshold`
it opens: nothing more of the gate starts.  After `cooldown` it is half-open, and `probes`
tests show whether it may close.  `TRANSITIONS` is the whole of it; docs/breaker.md shows it.

What is evidence, and of what:

- A pass (or an unexpected one) is evidence that all is well, a failure or error that it is not.
- A skipped, expected-to-fail or not run test is no evidence.
- With `match`, a failure whose text it does not find is no evidence either.  It does not
  count, for it is not the trouble that was asked for; and it does not end a row of failures,
  for a test that failed has not shown that the service answers.
- What was handed out before the last transition is *late*, and no evidence at all: a pass may
  be older than the outage, a failure older than the recovery.  `hand_out` gives the number of
  the epoch, and whoever reports a result gives it back.

Where the tests are, and what becomes of those that may not start, is the dispatcher's business.
All times are seconds on the run's clock, and never go back.
"""

from __future__ import annotations

import enum
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import field

from pytest_batchgate.core.model import Breaker
from pytest_batchgate.core.valuetypes import dataclass


class BreakerState(enum.Enum):
    """Where a breaker stands.  The last one is an end."""

    CLOSED = "closed"  # tests start freely, and are counted
    OPEN = "open"  # no test starts until the cooldown is over
    HALF_OPEN = "half-open"  # probes start, and nothing else
    BROKEN = "broken"  # no test starts any more


class Trigger(enum.Enum):
    """What takes a breaker from one state to the next, in the words of the docs."""

    TRIPPED = "`threshold` is reached, and after the cooldown there is time left to probe"
    TRIPPED_FOR_GOOD = "`threshold` is reached, and no cooldown is set, or it would pass the gate's `timeout`"
    COOLED = "the cooldown is over"
    RECOVERED = "`probes` tests have passed"
    RELAPSED = "a probe failed, and after another cooldown there is time left to probe"
    RELAPSED_FOR_GOOD = "a probe failed, and another cooldown would pass the gate's `timeout`"


TRANSITIONS: Mapping[tuple[BreakerState, Trigger], BreakerState] = {
    (BreakerState.CLOSED, Trigger.TRIPPED): BreakerState.OPEN,
    (BreakerState.CLOSED, Trigger.TRIPPED_FOR_GOOD): BreakerState.BROKEN,
    (BreakerState.OPEN, Trigger.COOLED): BreakerState.HALF_OPEN,
    (BreakerState.HALF_OPEN, Trigger.RECOVERED): BreakerState.CLOSED,
    (BreakerState.HALF_OPEN, Trigger.RELAPSED): BreakerState.OPEN,
    (BreakerState.HALF_OPEN, Trigger.RELAPSED_FOR_GOOD): BreakerState.BROKEN,
}

_WELL = frozenset({"passed", "xpassed"})
_ILL = frozenset({"failed", "error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChange:
    """One transition.  ``reason`` says for a person what brought it about.

    ``wakes_at``: when an open breaker becomes half-open; None in the other states.
    """

    at: float
    before: BreakerState
    after: BreakerState
    trigger: Trigger
    reason: str
    wakes_at: float | None = None


@dataclass(slots=True, eq=False)
class CircuitBreaker:
    """The breaker of one gate that has begun.  Only `_move` changes its state.

    ``deadline``: when the gate times out, on the run's clock; None if it never does.
    """

    settings: Breaker
    deadline: float | None = None
    state: BreakerState = field(default=BreakerState.CLOSED, init=False)
    epoch: int = field(default=0, init=False)  # the number of transitions so far
    _wakes_at: float | None = field(default=None, init=False)
    _failures: int = field(default=0, init=False)  # closed: in a row, or within the window
    _recent: deque[bool] = field(init=False)  # closed: the window, True for a failure
    _probing: int = field(default=0, init=False)  # half-open: handed out, nothing heard yet
    _proved: int = field(default=0, init=False)  # half-open: probes that passed
    _now: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        self._recent = deque(maxlen=self.settings.window or 0)

    @property
    def allowance(self) -> int | None:
        """How many tests of the gate may be handed out now; None: no limit."""
        if self.state is BreakerState.CLOSED:
            return None
        if self.state is BreakerState.HALF_OPEN:
            return self.settings.probes - self._proved - self._probing
        return 0

    @property
    def next_deadline(self) -> float | None:
        """When `wake` is due; None: time alone changes nothing."""
        return self._wakes_at

    def hand_out(self, count: int) -> int:
        """Note that ``count`` tests, within the allowance, go to a worker; the epoch to report them under.

        While the breaker is closed the count does not matter, and may be unknown (0).
        """
        allowed = self.allowance
        assert count >= 0
        assert allowed is None or 0 < count <= allowed, f"{count} tests handed out, {allowed} allowed"
        if self.state is BreakerState.HALF_OPEN:
            self._probing += count
        return self.epoch

    def take_back(self, epoch: int, count: int) -> None:
        """``count`` tests came back unstarted: as many may be handed out in their place."""
        if epoch == self.epoch and self.state is BreakerState.HALF_OPEN:
            self._end_probes(count)

    def hear(self, epoch: int, outcome: str, now: float, *, text: str = "") -> BreakerChange | None:
        """Take a test's outcome in.  ``text`` is what `match` is searched in."""
        return self._take_in(epoch, now, failed=self.judge(outcome, text))

    def lose(self, epoch: int, now: float, *, text: str = "") -> BreakerChange | None:
        """Take in that a test's worker died while it ran; ``text`` is what is known of the death.

        A probe that is lost has failed, whatever `match` would find: it was to show that all
        is well, and it did not.
        """
        failed = True if self.state is BreakerState.HALF_OPEN else self.judge("failed", text)
        return self._take_in(epoch, now, failed=failed)

    def wake(self, now: float) -> BreakerChange | None:
        """Let time pass: an open breaker whose cooldown is over becomes half-open."""
        self._pass_to(now)
        if self._wakes_at is None or now < self._wakes_at:
            return None
        return self._move(Trigger.COOLED, f"after {self.settings.cooldown_s:g} s", now)

    def judge(self, outcome: str, text: str) -> bool | None:
        """True for a failure that counts, False for a pass, None for no evidence."""
        if outcome in _WELL:
            return False
        if outcome not in _ILL:
            return None
        match = self.settings.match
        return True if match is None or re.search(match, text) else None

    def _take_in(self, epoch: int, now: float, *, failed: bool | None) -> BreakerChange | None:
        self._pass_to(now)
        if epoch != self.epoch:
            return None
        if self.state is BreakerState.HALF_OPEN:
            self._end_probes(1)
            return self._weigh(now, failed=failed)
        assert self.state is BreakerState.CLOSED, f"a test of a breaker that was {self.state.value}"
        return None if failed is None else self._count(now, failed=failed)

    def _count(self, now: float, *, failed: bool) -> BreakerChange | None:
        last = self.settings.window
        if last is None:
            self._failures = self._failures + 1 if failed else 0
        else:
            if len(self._recent) == last:
                self._failures -= self._recent[0]
            self._recent.append(failed)
            self._failures += failed
        if self._failures < self.settings.threshold:
            return None
        failures = f"{self._failures} failure{'s' if self._failures > 1 else ''}"
        if self.settings.match is not None:
            failures += f" matching {self.settings.match!r}"
        where = "in a row" if last is None else f"in the last {last} results"
        return self._open(Trigger.TRIPPED, Trigger.TRIPPED_FOR_GOOD, f"{failures} {where}", now)

    def _weigh(self, now: float, *, failed: bool | None) -> BreakerChange | None:
        if failed:
            return self._open(Trigger.RELAPSED, Trigger.RELAPSED_FOR_GOOD, "a probe failed", now)
        self._proved += failed is False
        if self._proved < self.settings.probes:
            return None
        count = self.settings.probes
        words = f"{count} probes passed" if count > 1 else "the probe passed"
        return self._move(Trigger.RECOVERED, words, now)

    def _open(self, trigger: Trigger, for_good: Trigger, reason: str, now: float) -> BreakerChange:
        cooldown_s = self.settings.cooldown_s
        if cooldown_s <= 0:
            return self._move(for_good, f"{reason}, and no cooldown is set", now)
        if self.deadline is not None and now + cooldown_s >= self.deadline:
            words = f"{reason}, and a cooldown of {cooldown_s:g} s would pass the gate's time limit"
            return self._move(for_good, words, now)
        return self._move(trigger, reason, now)

    def _move(self, trigger: Trigger, reason: str, now: float) -> BreakerChange:
        before, after = self.state, TRANSITIONS[self.state, trigger]
        self.state = after
        self.epoch += 1
        self._wakes_at = now + self.settings.cooldown_s if after is BreakerState.OPEN else None
        self._failures = self._probing = self._proved = 0
        self._recent.clear()
        return BreakerChange(
            at=now, before=before, after=after, trigger=trigger, reason=reason, wakes_at=self._wakes_at
        )

    def _end_probes(self, count: int) -> None:
        assert 0 <= count <= self._probing, f"{count} probes ended, {self._probing} were out"
        self._probing -= count

    def _pass_to(self, now: float) -> None:
        assert now >= self._now, f"the time went back from {self._now} to {now}"
        self._now = now
