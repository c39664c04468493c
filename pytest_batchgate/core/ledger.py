"""The ledger's entries: every test of a collected file is in exactly one state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from pytest_batchgate.core.events import OUTCOMES
from pytest_batchgate.core.protocol import CollectedFile, TestResult, WorkerId
from pytest_batchgate.core.valuetypes import dataclass

# A test is FOREIGN where its gate does not (or not yet) run in this environment.
# From DONE on, the state is DONE plus the outcome's place in OUTCOMES.
TODO, OUT, FOREIGN, DONE = 0, 1, 2, 3
DONE_AS = {outcome: DONE + place for place, outcome in enumerate(OUTCOMES)}

# A test nobody has timed yet: the median of the benchmark's five suites is below it.
DEFAULT_TEST_S = 0.005
# A file or command nobody has timed yet; long, so that what is unknown starts early.
DEFAULT_FILE_S = 1.0
DEFAULT_COMMAND_S = 5.0

RealmKey = tuple[tuple[str, str], ...]


@dataclass(slots=True, eq=False)
class Tried:
    """A test that did not pass and is to run again; until then its last attempt may become its end."""

    attempts: int
    worker: str  # who ran the last one: gw0...
    result: TestResult
    died: bool  # the worker, while it ran it; the result's text says how
    pausing: bool = True  # it is in no list until its pause is over


@dataclass(slots=True, eq=False)
class FileRun:
    """One test file in one environment."""

    name: str
    claimants: tuple[int, ...]
    est_s: float | None  # its tests by record, in seconds
    est_collect_s: float = 0.0  # collecting it, by record
    place: int = 0  # in the listing
    collected: CollectedFile | None = None
    collector: WorkerId | None = None  # who is out collecting it for the first time
    state: bytearray = field(default_factory=bytearray)
    todo: dict[int, list[int]] = field(default_factory=dict)  # gate -> unconstrained tests waiting
    done: int = 0
    done_s: float = 0.0
    only_for: WorkerId | None = None  # its ids differ from process to process
    by_name: dict[str, list[int]] = field(default_factory=dict)  # for `depends_on`, if any asks
    tried: dict[int, Tried] = field(default_factory=dict)  # by index: tests that are to run again
    sent: bool = False  # a marker in another environment's collection sends tests of it here

    def whole_s(self) -> float | None:
        """Collecting the file and running its tests, by record; None if nobody has timed it."""
        return None if self.est_s is None else self.est_s + self.est_collect_s

    def test_s(self) -> float:
        """The expected duration of one test of the file, in seconds."""
        if self.done >= 8 or (self.done and self.est_s is None):
            return self.done_s / self.done
        if self.est_s is not None and self.collected is not None and self.collected.keys:
            return self.est_s / len(self.collected.keys)
        return DEFAULT_TEST_S

    def outcome(self, index: int) -> str | None:
        """How the test ended, or None."""
        code = self.state[index]
        return OUTCOMES[code - DONE] if code >= DONE else None

    def collect_s(self) -> float:
        return self.collected.duration_s if self.collected else 0.0


@dataclass(slots=True, eq=False)
class Realm:
    """Tests that see the same environment: one collection, workers of their own."""

    key: RealmKey
    env: Mapping[str, str]
    gates: set[int] = field(default_factory=set)
    listed: bool = False
    names: tuple[str, ...] = ()  # the listing, wanted here or not
    files: dict[str, FileRun] = field(default_factory=dict)  # in listing order
    queue: list[FileRun] = field(default_factory=list)  # not yet collected, best last
    waiting: dict[str, FileRun] = field(default_factory=dict)  # files with something in `todo`
    dead: str | None = None  # why no worker can be had any more
    closed: set[int] = field(default_factory=set)  # slots in which no worker would start
    last_chance: bool = False  # the last slot was tried again
