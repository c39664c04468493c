"""What a worker has been told to do and has not begun: filled by one thread, drained by another.

execnet's receiver thread adds units and takes unstarted tests back at once, even
while a test runs; the main thread takes one test after the other.  Nothing here
knows pytest.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import field
from typing import Any, Generic, TypeVar

from pytest_batchgate.core.valuetypes import dataclass

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class WorkUnit(Generic[T]):
    """One assignment.  ``jobs`` is None until its file has been collected."""

    id: int
    file: str
    open_gates: frozenset[int] = frozenset()
    wanted: tuple[tuple[int, str, int], ...] | None = None  # (index, key, gate); None: the whole file
    jobs: deque[tuple[int, int, T]] | None = None  # (index, gate, item), unstarted
    attempts: dict[int, int] = field(default_factory=dict)  # by index, where it is not the first
    preparing: bool = False
    revoked: bool = False  # released while its file was being collected: nothing of it is to run
    taken: int = 0  # taken by the main thread, not yet reported


@dataclass(eq=False, slots=True)
class Job(Generic[T]):
    """A test that the main thread has taken: to run it, or to know what follows the one that runs."""

    unit: WorkUnit[T]
    index: int
    gate: int
    item: T
    recalled: bool = False  # given back after all: it must not begin


@dataclass(eq=False, slots=True)
class Orders:
    park: bool = False
    finish: bool = False
    halt: bool = False


@dataclass(eq=False)
class Backlog(Generic[T]):
    """Thread-safe.

    ``released`` is called under the lock, so that what it sends precedes anything
    the main thread says of the unit afterwards.
    """

    released: Callable[[int, tuple[int, ...], bool], Any]
    units: deque[WorkUnit[T]] = field(default_factory=deque)
    orders: Orders = field(default_factory=Orders)
    # Whole units, and tests that were taken, given back so far: who gave them may think that we have them.
    withdrawn: int = 0
    pending: list[Job[T]] = field(default_factory=list)  # taken, neither begun nor given back

    def __post_init__(self) -> None:
        self.changed = threading.Condition()

    def add(self, unit: WorkUnit[T]) -> None:
        with self.changed:
            self.units.append(unit)
            self.changed.notify()

    def order(self, *, park: bool = False, finish: bool = False, halt: bool = False) -> None:
        with self.changed:
            orders = self.orders
            orders.park |= park
            orders.finish |= finish
            orders.halt |= halt
            while halt and self.pending:
                unit = self.pending[0].unit
                self.released(unit.id, tuple(self._recall(unit)), False)
            self.changed.notify()

    def release(self, unit_id: int, count: int | None) -> None:
        """Give back up to ``count`` unstarted tests from the unit's end.

        None: all of them, those included that were taken and have not begun.
        """
        with self.changed:
            taken_from = (job.unit for job in self.pending)  # which may be off the list
            unit = next((unit for unit in (*self.units, *taken_from) if unit.id == unit_id), None)
            if unit is None:
                self.released(unit_id, (), False)
                return
            if unit.jobs is not None:
                back: list[int] = []
                while unit.jobs and (count is None or len(back) < count):
                    back.append(unit.jobs.pop()[0])
                back.reverse()
                if count is None:
                    back = self._recall(unit) + back
                self.released(unit_id, tuple(back), False)
            elif unit.wanted is not None:
                keep = 0 if count is None else max(len(unit.wanted) - count, 0)
                indexes = tuple(index for index, _, _ in unit.wanted[keep:])
                unit.wanted = unit.wanted[:keep]
                self.released(unit_id, indexes, False)
            elif not unit.preparing:
                self.units.remove(unit)
                self.withdrawn += 1
                self.released(unit_id, (), True)
                self.changed.notify()
            else:
                unit.revoked |= count is None
                self.released(unit_id, (), False)

    def _recall(self, unit: WorkUnit[T]) -> list[int]:
        """Under the lock: the unit's tests that were taken and have not begun."""
        mine = [job for job in self.pending if job.unit is unit]
        for job in mine:
            job.recalled = True
            self.pending.remove(job)
        if mine:
            self.withdrawn += 1
            self.changed.notify()
        return [job.index for job in mine]

    def head(self) -> WorkUnit[T] | None:
        """The unit the main thread works on, marked as begun; None: nothing is queued."""
        with self.changed:
            if self.orders.halt or not self.units:
                return None
            unit = self.units[0]
            unit.preparing = True
            return unit

    def prepared(self, unit: WorkUnit[T], find_jobs: Callable[[], list[tuple[int, int, T]]]) -> None:
        """The unit's file is collected.

        ``find_jobs`` is called under the lock, so that nothing is released meanwhile.
        """
        with self.changed:
            unit.jobs = deque(find_jobs())

    def begin(self, job: Job[T]) -> bool:
        """Whether the test may run: False for one that was given back."""
        with self.changed:
            if not job.recalled:
                self.pending.remove(job)
            return not job.recalled

    def reported(self, unit: WorkUnit[T]) -> bool:
        """One test that was taken has been reported, or was given back; True if it was the unit's last."""
        with self.changed:
            unit.taken -= 1
            return not unit.jobs and unit.taken == 0

    def take(self, unit: WorkUnit[T]) -> Job[T] | None:
        """The unit's next test; None once it has no more (the unit is then off the list)."""
        with self.changed:
            if self.orders.halt:
                return None
            if unit.jobs:
                unit.taken += 1
                job = Job(unit, *unit.jobs.popleft())
                self.pending.append(job)
                return job
            if self.units and self.units[0] is unit:
                self.units.popleft()
            return None

    def wait(self, withdrawn: int | None = None) -> Orders:
        """Block until there is a unit or an order, or more than ``withdrawn`` was given back.

        Returns the orders, and clears the one to park.
        """
        with self.changed:
            while not (self.units or self.orders.park or self.orders.finish or self.orders.halt):
                if withdrawn is not None and withdrawn != self.withdrawn:
                    break
                self.changed.wait()
            now = Orders(self.orders.park, self.orders.finish, self.orders.halt)
            self.orders.park = False
            return now
