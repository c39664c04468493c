"""The mutable picture of one run that the dispatcher's parts share.

Invariants, checked by the simulator after every input (tests/core):
- every test of a collected file is FOREIGN, TODO, OUT with exactly one unit, or DONE, once;
- a slot runs one thing at a time: a command, or the tests of one worker;
- `GateRun.remaining` is the number of its tests that are not DONE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from pytest_batchgate.core.claims import claimants
from pytest_batchgate.core.events import Event
from pytest_batchgate.core.ledger import DEFAULT_COMMAND_S, DEFAULT_FILE_S, FileRun, Realm, RealmKey
from pytest_batchgate.core.lifecycle import GateRun
from pytest_batchgate.core.model import Estimates, GateName, Tests
from pytest_batchgate.core.plan import Plan
from pytest_batchgate.core.protocol import Action, UnitId, WorkerId
from pytest_batchgate.core.specials import Special, Specials, Target
from pytest_batchgate.core.valuetypes import dataclass

if TYPE_CHECKING:  # few runs resume another one, or are a part of one
    from pytest_batchgate.core.carry import Carried
    from pytest_batchgate.core.shards import Share


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the command line decides about one run.

    ``sequential``: one gate after the other in one worker.  ``first_files``: file
    names that go first (``--ff``).  ``narrowed``: something was typed that leaves
    tests out, so that a gate without tests is not empty and a missing dependency target no mistake.
    """

    slots: int
    sequential: bool = False
    estimates: Estimates = field(default_factory=Estimates)
    fail_fast: bool = False
    continue_on_collection_errors: bool = False
    collect_only: bool = False
    narrowed: bool = False
    by_name: bool = False  # node ids were typed: what else their files hold is not known
    max_restarts: int = 8
    test_limit_s: float | None = None  # of tests without a marker, from pytest-timeout's option or ini value
    test_spare_s: float = 0.0  # pytest-timeout, where it is there, gets that much longer to end a test itself
    first_workers: int | None = None  # how many workers to start unasked; None: one per slot
    first_files: tuple[str, ...] = ()
    carried: Carried | None = None  # what a resumed run need not do again
    share: Share | None = None  # of the files, when other machines run the rest
    spare: frozenset[GateName] = frozenset()  # commands that another shard runs, unless a test here asks
    seed: str = ""  # of what is left to chance: the pauses between attempts
    abreast: bool = False  # no test starts before every worker that was started is up
    pinned: Mapping[str, int] = field(default_factory=dict)  # groups, and the slot of their worker

    def expected_spans(self, plan: Plan) -> Mapping[GateName, float]:
        """Expected seconds of each gate, for ranking only: recorded, else a round guess."""
        recorded = self.estimates
        files_s = sum(recorded.files.values()) or DEFAULT_FILE_S * 5
        spans = {}
        for gate in plan.gates:
            if isinstance(gate.work, Tests):
                spans[gate.name] = files_s / max(self.slots, 1)
            elif gate.is_service:
                spans[gate.name] = 0.0
            else:
                spans[gate.name] = recorded.commands.get(gate.name, DEFAULT_COMMAND_S)
        return spans


@dataclass(slots=True, eq=False)
class Unit:
    """One assignment: a file to collect and run, or tests of a file."""

    id: UnitId
    worker: WorkerId
    file: FileRun
    open_gates: frozenset[int]
    gates: frozenset[int] = frozenset()  # whose tests it holds, or may hold while collecting
    barren: int = -1  # with that many tests out a release gave nothing; asking again is idle
    out: set[int] = field(default_factory=set)  # indexes not reported yet
    collecting: bool = False  # its file's first collection is still to come
    releasing: bool = False
    recalled: bool = False  # all of it is to come back, once an earlier release has been answered
    epochs: dict[int, int] = field(default_factory=dict)  # gate -> its breaker's epoch when it was handed out
    due_s: float | None = None  # when its collection has taken too long, on the run's clock
    special: bool = False  # its tests have traits

    @property
    def is_unknown(self) -> bool:
        """Whether nothing is known of how long it takes."""
        return self.collecting and self.file.whole_s() is None

    def rest_s(self) -> float:
        """Expected seconds until the unit is done."""
        if self.collecting:
            whole_s = self.file.whole_s()
            return DEFAULT_FILE_S if whole_s is None else whole_s
        return len(self.out) * self.file.test_s()


@dataclass(frozen=True, slots=True)
class Doom:
    """The test for whose sake a worker is killed by us, and what is said of it."""

    file: str
    index: int
    reason: str
    memory: bool = False  # the reason is the gate's, too
    late: str | None = None  # what is said if it had ended before; None: then nobody is to blame


@dataclass(slots=True, eq=False)
class WorkerRun:
    id: WorkerId
    slot: int
    realm: Realm
    live: bool = False  # it has listed its files
    ending: bool = False  # told to finish, halt or die
    hungry: bool = False
    heard_s: float = 0.0  # when it last got or did something, on the run's clock
    parked: bool = False  # told to run what it held; it waits with nothing
    killed: bool = False  # by us, for a gate's sake: what it ran is not to blame
    doom: Doom | None = None  # by us, for the sake of one of its tests: that one alone is to blame
    look_s: float = 0.0  # when the test that it runs may be over its limit, on the run's clock
    leaving: bool = False  # gets nothing more, so that another environment may have its slot
    last: Unit | None = None  # reports may still come for it: session fixtures that fail late
    files: set[str] = field(default_factory=set)  # those it has collected, or will have
    served: set[int] = field(default_factory=set)  # gates of which it got tests
    units: dict[UnitId, Unit] = field(default_factory=dict)  # in order of assignment

    @property
    def name(self) -> str:
        return f"gw{self.slot}"

    def rest_s(self) -> float:
        return sum(unit.rest_s() for unit in self.units.values())


@dataclass(slots=True, eq=False)
class Slot:
    worker: WorkerRun | None = None
    command: GateName | None = None

    @property
    def free(self) -> bool:
        return self.command is None and not (self.worker and self.worker.units)


@dataclass(slots=True, eq=False)
class RunState:
    plan: Plan
    options: RunOptions
    gates: dict[GateName, GateRun]
    alive: list[GateRun]  # those that have not ended, in the plan's order
    by_claim: list[GateRun | None]  # Plan.claims -> its run; None when it was left out
    slots: list[Slot]
    tails: Mapping[GateName, float]  # longest path behind a gate, in seconds
    services: list[GateRun] = field(default_factory=list)
    ranked: list[GateRun] | None = None  # all commands but services, best first; made when first asked for
    now: float = 0.0
    workers: dict[WorkerId, WorkerRun] = field(default_factory=dict)
    units: dict[UnitId, Unit] = field(default_factory=dict)
    realms: dict[RealmKey, Realm] = field(default_factory=dict)
    specials: Specials = field(default_factory=Specials)
    specials_out: dict[tuple[str, int], Special] = field(default_factory=dict)
    targets: dict[tuple[str, str], Target] = field(default_factory=dict)  # (scope file, text)
    watched: dict[tuple[str, int], list[Target]] = field(default_factory=dict)  # (file, index)
    groups: dict[tuple[RealmKey, str], WorkerId] = field(default_factory=dict)
    serial_held: dict[str, UnitId] = field(default_factory=dict)
    resources_held: dict[str, GateName] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)  # every file of every listing
    known: set[str] = field(default_factory=set)  # files that some environment has collected
    marked: set[str] = field(default_factory=set)  # files whose markers may name any gate
    unclaimed: list[str] = field(default_factory=list)
    # When a test may run again, heap-ordered: time, a number that orders, where it is.
    retrying: list[tuple[float, int, Realm, FileRun, int]] = field(default_factory=list)
    restarts: int = 0
    no_more_tests: bool = False  # after -x, a collection error, an interrupt
    stopping: bool = False  # the whole run is being brought to an end
    stop: tuple[str, str, int] | None = None  # kind, reason, exit code of the first stop
    cause: str | None = None  # why gates are cancelled, in words
    forward: set[GateName] = field(default_factory=set)  # in turn: gates that go before their turn
    shortest_limit_s: float | None = None  # of all tests known; None: none has a limit
    looked_s: float = -1.0  # when the running tests were looked at last, on the run's clock
    late_errors: int = 0  # errors that came after their gate had ended
    finished: bool = False
    actions: list[Action] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    _last_id: int = 0

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def do(self, action: Action) -> None:
        self.actions.append(action)

    def tell(self, event: Event) -> None:
        self.events.append(event)

    def run_of(self, claim: int) -> GateRun | None:
        return self.by_claim[claim] if claim >= 0 else None

    def ended(self, claim: int) -> bool:
        run = self.by_claim[claim]
        return run is None or run.ended

    def new_file(self, name: str) -> FileRun:
        anyone = tuple(range(len(self.plan.claims)))
        return FileRun(
            name=name,
            claimants=anyone if name in self.marked else claimants(name, self.plan.claims),
            est_s=self.options.estimates.files.get(name),
            est_collect_s=self.options.estimates.collects.get(name, 0.0),
        )

    def asks_for(self, service: GateName) -> bool:
        """Whether a test that has not ended names the gate in a marker."""
        text = f"gate:{service}"
        return any(
            text in special.traits.depends_on for special in (*self.specials, *self.specials_out.values())
        )

    def may_ask(self) -> bool:
        """Whether tests may turn up whose markers name a gate."""
        if self.stopping or self.options.collect_only:
            return False
        if all(run.claim is None for run in self.alive):
            return False
        return not self.listed or not self.marked <= self.known

    def testing(self) -> bool:
        """Whether any test is out with a worker."""
        return any(worker.units for worker in self.workers.values())
