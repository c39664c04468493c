"""What cannot be had is done without: crashing gates, slots in which no worker starts."""

from __future__ import annotations

from stories import case, file, play, story, suite

from pytest_batchgate.core.model import Retries


def test_a_gate_that_keeps_crashing_its_workers_does_not_take_the_run_along() -> None:
    gates = [suite("bad", paths=["bad"]), suite("good")]
    files = [
        file("bad/a.py", *[case(f"boom{number}", crashes=True) for number in range(4)]),
        file("bad/b.py", "never"),
        file("c.py", "x", case("boom", crashes=True), "y"),
        file("d.py", "z"),
    ]
    run = play(gates, files, max_restarts=1)
    told = story(run, only="tg")
    words = "its tests took 2 workers down (the last signal 9)"
    assert told[-1] == "good failed: 1 of 4 tests failed"
    assert [line for line in told if "good" not in line and "ran" not in line] == [
        "bad starts",
        "bad/a.py::boom0 failed: worker gw0 signal 9 while running bad/a.py::boom0",
        "bad/a.py::boom1 failed: worker gw0 signal 9 while running bad/a.py::boom1",
        f"bad/a.py::boom2 error: not run: {words}",
        f"bad/a.py::boom3 error: not run: {words}",
        # Collected all the same, so that what did not run has a name.
        f"bad/b.py::never error: not run: {words}",
        f"bad crashed: {words}",
        "c.py::boom failed: worker gw0 signal 9 while running c.py::boom",
    ]
    assert [line.split(": ")[0] for line in told if "ran" in line] == [
        "gw0 ran c.py::x",
        "gw0 ran c.py::y",
        "gw0 ran d.py::z",
    ]


def test_what_runs_beside_the_last_crash_is_reported_as_it_ended() -> None:
    files = [
        file("a.py", case("boom0", crashes=True), case("boom1", crashes=True)),
        file("b.py", *[case(f"x{number}", duration_s=0.6) for number in range(4)]),
    ]
    told = story(play([suite("unit")], files, slots=2, max_restarts=0), only="tg")
    words = "its tests took 1 worker down (the last signal 9)"
    assert "gw1 ran b.py::x0: passed" in told
    assert f"a.py::boom1 error: not run: {words}" in told
    assert f"b.py::x3 error: not run: {words}" in told
    assert told[-1] == f"unit crashed: {words}"
    assert len([line for line in told if ".py::" in line]) == 6


def test_a_crash_that_is_tried_again_counts() -> None:
    files = [file("a.py", case("boom", crashes=True, heals_after=9), "x")]
    told = story(play([suite("unit", retries=Retries(count=9))], files, max_restarts=2), only="tg")
    words = "its tests took 3 workers down (the last signal 9)"
    assert [line for line in told if "will retry" in line] != []
    assert f"a.py::x error: not run: {words}" in told or "gw0 ran a.py::x: passed" in told
    assert told[-1] == f"unit crashed: {words}"


def test_the_run_goes_on_with_the_workers_that_start() -> None:
    files = [file(f"{name}.py", "x") for name in "abcd"]
    told = story(play([suite("unit")], files, slots=3, failing={1: 99, 2: 99}, max_restarts=0))
    assert [line for line in told if "notice" in line] == [
        "notice: gw1 could not be started (could not start): going on with 2 workers",
        "notice: gw2 could not be started (could not start): going on with 1 worker",
    ]
    assert told.count("spawn gw1") == told.count("spawn gw2") == 1
    assert told.count("unit passed") == 1


def test_the_last_worker_gets_a_second_chance() -> None:
    files = [file(f"{name}.py", "x") for name in "abcd"]
    told = story(play([suite("unit")], files, slots=2, failing={0: 1, 1: 1}, max_restarts=0))
    assert [line for line in told if line.startswith("spawn")] == ["spawn gw0", "spawn gw1", "spawn gw1"]
    assert "unit passed" in told


def test_without_any_worker_nothing_passes_and_the_reason_is_told() -> None:
    told = story(play([suite("unit")], [file("a.py", "x")], slots=2, failing={0: 99, 1: 99}))
    assert [line for line in told if line.startswith("spawn")] == ["spawn gw0", "spawn gw1", "spawn gw1"]
    assert told[-1] == "unit failed: not run: workers kept dying (could not start)"
