"""Circuit breakers in whole runs: what is held back, when it is tried again, and what becomes of the rest."""

from __future__ import annotations

import pytest
from simulator import Simulator
from simworld import SimCommand, SimTest
from stories import case, command, file, play, story, suite

from pytest_batchgate.core.events import BreakerChanged, GateFinished, TestsWereRun, TestWasLost
from pytest_batchgate.core.model import Breaker, GateName, GateState, Retries


def names(count: int, prefix: str = "test_") -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def lines(sim: Simulator) -> list[str]:
    return story(sim, times=True, only="g")


def outcomes(sim: Simulator) -> dict[str, str]:
    return {test.partition("::")[2]: outcome for test, outcome in sim.watch.outcomes.items()}


def report_of(sim: Simulator, name: str) -> GateFinished:
    found = [event for _, step in sim.steps for event in step.events if isinstance(event, GateFinished)]
    return next(event for event in found if event.report.name == name)


def test_without_a_cooldown_the_rest_is_reported_once_as_skipped() -> None:
    """Ten tests of a second each, the service is away from the start, two failures are enough.

    When the second one fails the third begins; the fourth, which was announced, is taken back.
    """
    gates = [suite("db", breaker=Breaker(threshold=2)), command("after", "db")]
    sim = play(gates, [file("a.py", *names(10))], outages={"db": (0.0, 100.0)})
    reason = "breaker open: 2 failures in a row, and no cooldown is set"
    assert lines(sim) == [
        "0 db starts",
        "2 db breaker broken: 2 failures in a row, and no cooldown is set (8 held)",
        f"3 db broken: {reason}",
        "3 after skipped: needs db, which is broken",
    ]
    assert [outcomes(sim)[name] for name in names(10)] == ["failed"] * 3 + ["skipped"] * 7
    lost = [event for _, step in sim.steps for event in step.events if isinstance(event, TestWasLost)]
    assert {event.reason for event in lost} == {reason}
    assert report_of(sim, "db").report.counts["skipped"] == 7


def test_after_the_cooldown_a_fresh_worker_probes_and_the_rest_goes_on() -> None:
    """The service is back before the probe; whoever met the outage goes on failing and is replaced."""
    breaker = Breaker(threshold=2, cooldown_s=5.0)
    sim = play([suite("db", breaker=breaker)], [file("a.py", *names(6))], outages={"db": (0.5, 3.5)})
    assert lines(sim) == [
        "0 db starts",
        "2 db breaker open: 2 failures in a row (4 held)",
        "7 db breaker half-open: after 5 s (3 held)",
        "8 db breaker closed: the probe passed (2 held)",
        "10 db failed: 3 of 6 tests failed",
    ]
    assert [outcomes(sim)[name] for name in names(6)] == ["failed"] * 3 + ["passed"] * 3
    assert len(sim.workers) == 2
    assert sim.dispatcher.state.restarts == 0


def test_while_it_cools_down_the_workers_do_other_gates_work() -> None:
    gates = [
        suite("db", paths=["a.py"], breaker=Breaker(threshold=1, cooldown_s=4.0)),
        suite("unit", paths=["b.py"]),
    ]
    files = [file("a.py", *names(4)), file("b.py", *names(6))]
    sim = play(gates, files, outages={"db": (0.0, 2.5)}, record={"a.py": 9.0, "b.py": 1.0})
    ran = [
        (now, collected.nodeid(result.index))
        for now, step in sim.steps
        for event in step.events
        if isinstance(event, TestsWereRun)
        for collected in [event.collected]
        for result in event.results
    ]
    cooling = [test for now, test in ran if 3.0 < now <= 5.0]
    assert len(cooling) == 2
    assert all(test.startswith("b.py") for test in cooling)
    assert report_of(sim, "db").report.counts["failed"] == 2
    assert report_of(sim, "unit").report.state is GateState.PASSED


def test_a_probe_that_fails_opens_it_again() -> None:
    breaker = Breaker(threshold=1, cooldown_s=2.0)
    sim = play([suite("db", breaker=breaker)], [file("a.py", *names(5))], outages={"db": (0.0, 5.0)})
    states = [
        event.change.after.value
        for _, step in sim.steps
        for event in step.events
        if isinstance(event, BreakerChanged)
    ]
    assert states == ["open", "half-open", "open", "half-open", "closed"]
    assert [outcomes(sim)[name] for name in names(5)] == ["failed"] * 3 + ["passed"] * 2


def test_a_cooldown_that_would_pass_the_time_limit_is_not_begun() -> None:
    gate = suite("db", breaker=Breaker(threshold=1, cooldown_s=30.0), timeout_s=20.0)
    sim = play([gate], [file("a.py", *names(4))], outages={"db": (0.0, 100.0)})
    assert lines(sim)[-1].startswith("2 db broken: breaker open: 1 failure in a row, and a cooldown of 30 s")


def test_several_probes_are_handed_out_and_no_more() -> None:
    """Two workers, three probes: with the service back all of them pass, and the rest is shared."""
    breaker = Breaker(threshold=2, cooldown_s=2.0, probes=3)
    sim = play(
        [suite("db", breaker=breaker)], [file("a.py", *names(12))], slots=2, outages={"db": (0.0, 2.1)}
    )
    assert report_of(sim, "db").report.counts["passed"] >= 6
    assert lines(sim)[-2].split(" ", 1)[1].startswith("db breaker closed: 3 probes passed")


def test_an_open_breaker_with_nothing_left_does_not_wait() -> None:
    sim = play(
        [suite("db", breaker=Breaker(threshold=1, cooldown_s=60.0))], [file("a.py", case("test_0", "failed"))]
    )
    assert lines(sim)[-1] == "1 db failed: 1 of 1 tests failed"


def test_match_leaves_other_failures_alone() -> None:
    breaker = Breaker(threshold=1, match="refused")
    tests = [case(name, "failed") for name in names(3)]
    sim = play([suite("db", breaker=breaker)], [file("a.py", *tests)])
    assert report_of(sim, "db").report.state is GateState.FAILED
    assert report_of(sim, "db").report.counts["failed"] == 3


def test_a_worker_that_dies_counts() -> None:
    dying = [case("test_0", crashes=True), case("test_1", crashes=True)]
    sim = play([suite("db", breaker=Breaker(threshold=2))], [file("a.py", *dying, *names(5, "test_x"))])
    assert report_of(sim, "db").report.state is GateState.BROKEN
    assert report_of(sim, "db").report.counts["skipped"] == 5


def test_files_nobody_has_collected_are_left_alone_while_it_is_open() -> None:
    """Six files of one test: those that the worker had been given meet the outage, the others wait."""
    breaker = Breaker(threshold=1, cooldown_s=5.0)
    files = [file(f"{name}.py", f"test_{name}") for name in "abcdef"]
    sim = play([suite("db", breaker=breaker)], files, outages={"db": (0.0, 3.5)}, sequential=True)
    collects = [line.split() for line in story(sim, times=True, only="o") if " collects " in line]
    opened = 1.0
    assert not [words for words in collects if opened < float(words[0]) < opened + 5.0]
    late = [words[-1] for words in collects if float(words[0]) >= opened + 5.0]
    assert late
    passed = [test.partition("::")[0] for test, outcome in sim.watch.outcomes.items() if outcome == "passed"]
    assert set(late) <= set(passed)


def test_in_turn_the_next_gate_has_its_turn_meanwhile() -> None:
    gates = [suite("db", paths=["a.py"], breaker=Breaker(threshold=1, cooldown_s=5.0)), command("lint")]
    sim = play(
        gates,
        [file("a.py", *names(4))],
        outages={"db": (0.0, 2.5)},
        commands={"lint": SimCommand(duration_s=1.0)},
        sequential=True,
    )
    ends = [
        line.split(" ", 1)[1].split(":")[0] for line in lines(sim) if " lint " in line or "db failed" in line
    ]
    assert ends == ["lint starts in 0", "lint passed", "db failed"]


@pytest.mark.parametrize(
    ("breaker", "heals_after", "state", "attempts"),
    [
        (Breaker(threshold=2), 9, GateState.BROKEN, 2),
        (Breaker(threshold=2, cooldown_s=30.0), 2, GateState.FLAKY, 3),
        (Breaker(threshold=9), 9, GateState.FAILED, 5),
        (Breaker(threshold=1, match="never said"), 9, GateState.FAILED, 5),
    ],
)
def test_attempts_of_a_command_count(
    breaker: Breaker, heals_after: int, state: GateState, attempts: int
) -> None:
    """Four retries after a second each; a cooldown is waited for."""
    retries = Retries(count=4, backoff="constant", jitter=False)
    sim = play(
        [command("flaky", breaker=breaker, retries=retries)],
        commands={"flaky": SimCommand(heals_after=heals_after)},
    )
    found = report_of(sim, "flaky")
    assert (found.report.state, found.report.attempts) == (state, attempts)
    if breaker.cooldown_s:
        assert found.at >= 30.0
    if state is GateState.BROKEN:
        assert found.report.reason == (
            "breaker open: 2 failures in a row, and no cooldown is set (the last one: exit 1)"
        )


def test_a_worker_that_died_is_asked_for_nothing_back() -> None:
    """There would be no answer to wait for."""
    gate = suite("db", breaker=Breaker(threshold=1, cooldown_s=2.0))
    sim = play([gate], [file("a.py", case("test_a", crashes=True), "test_b", "test_c")])
    told = story(sim)
    assert "db breaker open: 1 failure in a row (3 held)" in told
    assert "gw0 gives back all" not in told
    assert report_of(sim, "db").report.counts["passed"] == 2


def test_what_a_broken_gate_had_in_a_file_of_two_environments_is_skipped_once() -> None:
    """The file turns up when `db` has ended, in the one environment and then in its own."""
    gates = [
        suite("db", paths=["d"], env={"A": "1"}, breaker=Breaker(threshold=1)),
        suite("unit", paths=["s"]),
        suite("more", paths=["s"], env={"A": "1"}),
    ]
    marked = [SimTest(name=f"test_{name}", marker=GateName(name)) for name in ("db", "unit", "more")]
    files = [file("d/a.py", case("test_a", "failed"), *names(4)), file("s/b.py", *marked)]
    sim = play(gates, files, sequential=True)
    told = [line for line in story(sim, only="t") if "s/b.py" in line]
    assert told == [
        "s/b.py::test_db skipped: breaker open: 1 failure in a row, and no cooldown is set",
        "gw0 ran s/b.py::test_unit: passed",
        "gw0 ran s/b.py::test_more: passed",
    ]
