"""Defects that are known are found, named and told apart; nobody innocent is blamed."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from machine import Machine, Nature, name, suite

from pytest_batchgate.bench.compare import IN_PARALLEL, IN_TURN, OTHER_ORDER, compare
from pytest_batchgate.bench.observed import Ties
from pytest_batchgate.bench.trial import Kind, Mend, Notes, Outcomes, Trial

COUNT = 20


def ids(*numbers: int) -> frozenset[str]:
    return frozenset(name(number, COUNT) for number in numbers)


def test_a_suite_without_defects_needs_no_rerun() -> None:
    machine = suite(COUNT, {})
    assert machine.verify() == {}
    assert machine.trials == []


def test_a_test_that_always_fails_does_not_differ() -> None:
    assert suite(COUNT, {3: Nature(chance=1.0)}).verify() == {}


def test_two_tests_that_clash_are_found_and_serial_is_tried() -> None:
    """Both at once: what is learnt of the one is not asked again for the other."""
    machine = suite(COUNT, {4: Nature(beside=ids(5)), 5: Nature(beside=ids(4))})
    found = machine.verify()
    assert {test: (one.kind, one.partners, one.mend, one.tried) for test, one in found.items()} == {
        name(4, COUNT): (Kind.IN_PARALLEL, (name(5, COUNT),), Mend.SERIAL, True),
        name(5, COUNT): (Kind.IN_PARALLEL, (name(4, COUNT),), Mend.SERIAL, True),
    }
    assert len(machine.trials) == 5  # alone, beside, beside, apart; alone


def test_what_only_the_other_one_notices_is_a_clash_too() -> None:
    """6 overwrites what 7 has written, and most often wins: as long as one of the two loses, they clash."""
    machine = suite(COUNT, {7: Nature(beside=ids(6))})
    runs = machine.whole_runs()
    (case,) = compare(runs)
    finding = machine.examined(case, runs, Notes())
    assert (finding.kind, finding.partners) == (Kind.IN_PARALLEL, (name(6, COUNT),))
    assert finding.together == ("failed", "failed")


def test_a_fixture_of_a_whole_worker_is_not_mended_by_serial() -> None:
    """Each worker keeps the port that a session fixture opened for as long as it lives."""
    machine = suite(COUNT, {5: Nature(held_by=ids(4))})
    finding = machine.verify()[name(5, COUNT)]
    assert (finding.kind, finding.mend, finding.tried) == (Kind.IN_PARALLEL, Mend.GROUP, True)


def test_a_predecessor_is_found_among_all_before_it() -> None:
    machine = suite(COUNT, {12: Nature(needs=ids(3))})
    finding = machine.verify()[name(12, COUNT)]
    assert (finding.kind, finding.partners) == (Kind.WITHOUT, (name(3, COUNT),))
    assert (finding.mend, finding.tried) == (Mend.DEPENDS_ON_IN_GROUP, True)
    assert len(machine.trials) <= 14


def test_a_predecessor_of_the_same_file_is_found_without_the_others() -> None:
    machine = suite(COUNT, {12: Nature(needs=ids(11))})
    finding = machine.verify()[name(12, COUNT)]
    assert (finding.kind, finding.partners) == (Kind.WITHOUT, (name(11, COUNT),))
    assert max(len(lane) for trial in machine.trials for lane in trial.lanes) == 3


def test_what_a_predecessor_leaves_outside_its_worker_needs_no_group() -> None:
    finding = suite(COUNT, {12: Nature(needs_anywhere=ids(3))}).verify()[name(12, COUNT)]
    assert (finding.kind, finding.mend) == (Kind.WITHOUT, Mend.DEPENDS_ON)


def test_two_predecessors_are_both_named() -> None:
    finding = suite(COUNT, {12: Nature(needs=ids(3, 8))}).verify()[name(12, COUNT)]
    assert finding.kind is Kind.WITHOUT
    assert ids(3, 8) <= frozenset(finding.partners) or not finding.partners


def test_a_test_that_another_one_spoils_is_told_from_one_that_needs_it() -> None:
    finding = suite(COUNT, {12: Nature(after=ids(5))}).verify()[name(12, COUNT)]
    assert (finding.kind, finding.partners) == (Kind.AFTER, (name(5, COUNT),))
    assert finding.mend is Mend.COMES_LATER


def test_a_test_that_a_later_one_spoils_shows_in_the_other_order() -> None:
    """In turn all is well: t14 comes after t12."""
    machine = suite(COUNT, {12: Nature(after=ids(14))})
    runs = machine.whole_runs()
    assert runs[IN_TURN].outcome(name(12, COUNT)) == "passed"
    finding = machine.verify()[name(12, COUNT)]
    assert (finding.kind, finding.partners) == (Kind.AFTER, (name(14, COUNT),))


def test_what_happens_now_and_then_is_blamed_on_nobody() -> None:
    """Of 300 suites with a test that fails by chance, in most it differs, and very few are taken in."""
    kinds = []
    for seed in range(300):
        found = suite(COUNT, {6: Nature(chance=0.2)}, seed=seed).verify()
        kinds += [finding.kind for finding in found.values()]
    assert len(kinds) > 100
    assert kinds.count(Kind.NOW_AND_THEN) > 0.9 * len(kinds)


def test_a_test_held_back_by_another_is_not_examined_itself() -> None:
    """12 depends on 4, which clashes with 5."""
    ties = {name(12, COUNT): Ties(depends_on=(name(4, COUNT),))}
    machine = suite(COUNT, {4: Nature(beside=ids(5))}, ties=ties)
    found = machine.verify()
    assert {test: finding.kind for test, finding in found.items()} == {
        name(4, COUNT): Kind.IN_PARALLEL,
        name(12, COUNT): Kind.FOLLOWS,
    }


def test_what_a_marker_says_already_is_kept_in_every_rerun() -> None:
    """12 depends on 11 by its marker, and is spoiled by 8."""
    ties = {name(12, COUNT): Ties(depends_on=("t11",))}
    machine = suite(COUNT, {12: Nature(needs=ids(11), after=ids(8))}, ties=ties)
    runs = machine.whole_runs()
    runs[OTHER_ORDER] = machine.play([[name(11, COUNT), name(12, COUNT)]])
    case = next(case for case in compare(runs) if case.nodeid == name(12, COUNT))
    finding = machine.examined(case, runs, Notes())
    assert (finding.kind, finding.partners) == (Kind.AFTER, (name(8, COUNT),))
    assert all(name(11, COUNT) in {test for lane in trial.lanes for test in lane} for trial in machine.trials)


def test_a_test_that_is_not_collected_in_every_run_is_told_apart() -> None:
    runs = suite(4, {}).whole_runs()
    odd = suite(5, {}).whole_runs()[IN_PARALLEL]
    mixed = {**runs, IN_PARALLEL: odd}
    cases = [case for case in compare(mixed) if not case.was_collected_always]
    assert cases
    assert Machine({}).examined(cases[0], mixed, Notes()).kind is Kind.NOT_ALWAYS_THERE


FIELDS = {
    "beside": (Kind.IN_PARALLEL, Mend.SERIAL),
    "needs": (Kind.WITHOUT, Mend.DEPENDS_ON_IN_GROUP),
    "needs_anywhere": (Kind.WITHOUT, Mend.DEPENDS_ON),
    "after": (Kind.AFTER, Mend.COMES_LATER),
}


@given(
    count=st.integers(2, 60),
    defect=st.sampled_from(sorted(FIELDS)),
    places=st.lists(st.integers(0, 59), min_size=2, max_size=2, unique=True),
)
@settings(deadline=None)
def test_a_single_defect_anywhere_is_found_or_does_not_show(
    count: int, defect: str, places: list[int]
) -> None:
    victim, other = (place % count for place in places)
    if victim == other:
        return
    nature = Nature(**{defect: frozenset({name(other, count)})})  # type: ignore[arg-type]
    machine = suite(count, {victim: nature})
    runs = machine.whole_runs()
    outcomes = {run.outcome(name(victim, count)) for run in runs.values()}
    found = machine.verify()
    assert set(found) == ({name(victim, count)} if len(outcomes) > 1 else set())
    for finding in found.values():
        assert finding.partners == (name(other, count),)
        assert (finding.kind, finding.mend) == FIELDS[defect]
    assert len(machine.trials) <= 30  # as `verify` allows for one test
    assert set(runs) == {IN_TURN, IN_PARALLEL, OTHER_ORDER}


class Narrow(Machine):
    """Two tests alone never hit the moment; only a whole run does."""

    def answer(self, trial: Trial) -> Outcomes:
        return super().answer(replace(trial, meet_s=None))


def test_who_is_met_cannot_always_be_found() -> None:
    """It happens in every parallel run, and with nobody in particular: away from all others, then."""
    machine = Narrow({name(number, COUNT): Nature() for number in range(COUNT)})
    machine.natures = {**machine.natures, name(4, COUNT): Nature(beside=ids(5))}
    finding = machine.verify()[name(4, COUNT)]
    assert (finding.kind, finding.partners) == (Kind.IN_PARALLEL, ())
    assert (finding.mend, finding.tried) == (Mend.ALONE, False)
