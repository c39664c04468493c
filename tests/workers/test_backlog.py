"""What a worker has been told to do, and what of it can be taken back."""

from __future__ import annotations

import threading
from collections import deque

import pytest

from pytest_batchgate.workers.backlog import Backlog, WorkUnit

Released = list[tuple[int, tuple[int, ...], bool]]


def a_file(number: int) -> WorkUnit[str]:
    return WorkUnit(number, f"test_{number}.py", open_gates=frozenset({0}))


def filled(*units: WorkUnit[str]) -> tuple[Backlog[str], Released]:
    released: Released = []
    backlog: Backlog[str] = Backlog(released=lambda *what: released.append(what))
    for unit in units:
        backlog.add(unit)
    return backlog, released


def three_jobs() -> list[tuple[int, int, str]]:
    return [(0, 0, "a"), (1, 0, "b"), (2, 0, "c")]


def test_units_are_worked_off_in_order() -> None:
    first, second = a_file(1), a_file(2)
    backlog, _ = filled(first, second)
    assert backlog.head() is first
    backlog.prepared(first, three_jobs)
    taken = [backlog.take(first) for _ in range(4)]
    assert [job and (job.index, job.gate, job.item) for job in taken] == [*three_jobs(), None]
    assert backlog.head() is second


def test_the_last_report_of_a_unit_is_known() -> None:
    unit = a_file(1)
    backlog, _ = filled(unit)
    backlog.prepared(unit, three_jobs)
    ended = []
    for _ in range(3):
        backlog.take(unit)
        ended.append(backlog.reported(unit))
    assert ended == [False, False, True]


@pytest.mark.parametrize(
    ("count", "back", "left"), [(None, (1, 2), []), (1, (2,), ["b"]), (9, (1, 2), []), (0, (), ["b", "c"])]
)
def test_unstarted_tests_are_given_back_from_the_end(
    count: int | None, back: tuple[int, ...], left: list[str]
) -> None:
    unit = a_file(1)
    backlog, released = filled(unit)
    backlog.prepared(unit, three_jobs)
    job = backlog.take(unit)
    assert job is not None
    assert backlog.begin(job)
    backlog.release(1, count)
    assert released == [(1, back, False)]
    assert [job[2] for job in unit.jobs or ()] == left


@pytest.mark.parametrize("order", ["release", "halt"])
def test_what_was_taken_is_given_back_until_it_begins(order: str) -> None:
    """One runs, one is announced as the next; the unit is over once both have been accounted for."""
    unit = a_file(1)
    backlog, released = filled(unit)
    backlog.prepared(unit, lambda: three_jobs()[:2])
    runs, follows = backlog.take(unit), backlog.take(unit)
    assert backlog.take(unit) is None
    assert runs is not None
    assert follows is not None
    assert backlog.begin(runs)
    if order == "halt":
        backlog.order(halt=True)
    else:
        backlog.release(1, None)
    assert released == [(1, (1,), False)]
    assert backlog.wait(withdrawn=0).halt is (order == "halt")
    assert [backlog.reported(unit), backlog.begin(follows), backlog.reported(unit)] == [False, False, True]


def test_a_share_leaves_what_was_announced() -> None:
    """Fixtures stand for it: to take it away for balance alone would cost more than it gains."""
    unit = a_file(1)
    backlog, released = filled(unit)
    backlog.prepared(unit, three_jobs)
    jobs = [backlog.take(unit), backlog.take(unit)]
    backlog.release(1, 9)
    assert released == [(1, (2,), False)]
    assert all(job is not None and backlog.begin(job) for job in jobs)


def test_a_file_that_was_not_begun_is_given_back_whole() -> None:
    """And whoever waits for work wakes up, to say so: the controller thinks that it has some."""
    backlog, released = filled(a_file(1), a_file(2))
    backlog.release(2, None)
    assert released == [(2, (), True)]
    assert [unit.id for unit in backlog.units] == [1]
    assert backlog.withdrawn == 1


def test_a_file_that_is_being_collected_stays_and_runs_nothing() -> None:
    unit = a_file(1)
    backlog, released = filled(unit)
    backlog.head()
    backlog.release(1, 2)
    assert not unit.revoked
    backlog.release(1, None)
    assert (released, unit.revoked) == ([(1, (), False)] * 2, True)
    assert backlog.head() is unit


def test_tests_by_key_are_given_back_by_their_indexes() -> None:
    unit: WorkUnit[str] = WorkUnit(1, "a.py", wanted=((4, "x", 0), (7, "y", 0), (8, "z", 0)))
    backlog, released = filled(unit)
    backlog.release(1, 2)
    assert (released, unit.wanted) == ([(1, (7, 8), False)], ((4, "x", 0),))


def test_an_unknown_unit_gives_nothing_back() -> None:
    backlog, released = filled()
    backlog.release(9, None)
    assert released == [(9, (), False)]


def test_after_a_halt_nothing_is_begun() -> None:
    unit = a_file(1)
    backlog, _ = filled(unit)
    backlog.prepared(unit, three_jobs)
    backlog.order(halt=True)
    assert backlog.head() is None
    assert backlog.take(unit) is None
    assert backlog.wait().halt


def test_an_order_to_park_holds_once_and_others_for_good() -> None:
    backlog, _ = filled()
    backlog.order(park=True)
    assert backlog.wait().park
    backlog.order(finish=True)
    assert [(orders.park, orders.finish) for orders in (backlog.wait(), backlog.wait())] == [
        (False, True)
    ] * 2


@pytest.mark.parametrize("event", ["add", "order", "withdraw"])
def test_whoever_waits_is_woken(event: str) -> None:
    backlog, _ = filled(a_file(1))
    backlog.units, withheld = deque(), backlog.units
    woken = threading.Event()

    def wait() -> None:
        backlog.wait(withdrawn=0)
        woken.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    if event == "add":
        backlog.add(a_file(2))
    elif event == "order":
        backlog.order(finish=True)
    else:
        # As the controller sees it: a unit is given, and taken back before it was begun.
        with backlog.changed:
            backlog.units = withheld
            backlog.release(1, None)
    assert woken.wait(30.0)
    thread.join(30.0)
