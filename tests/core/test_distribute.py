"""Which tests go to which worker: order, lookahead, theft, limits."""

from __future__ import annotations

from simworld import SimCommand
from stories import command, file, play, story, suite


def test_the_longest_files_go_first_by_record_and_unknown_ones_before_them() -> None:
    """a 1 s, b 3 s, c unknown, d 2 s"""
    files = [file("a.py", "a"), file("b.py", "b"), file("c.py", "c"), file("d.py", "d")]
    run = play([suite("unit")], files, record={"a.py": 1.0, "b.py": 3.0, "d.py": 2.0})
    orders = [line for line in story(run, only="o") if "collects" in line]
    assert orders == ["gw0 collects c.py", "gw0 collects b.py", "gw0 collects d.py", "gw0 collects a.py"]


def test_files_named_first_go_before_all() -> None:
    files = [file("a.py", "a"), file("b.py", "b"), file("c.py", "c")]
    run = play([suite("unit")], files, first_files=("c.py", "b.py"), record={"a.py": 9.0})
    orders = [line for line in story(run, only="o") if "collects" in line]
    assert orders == ["gw0 collects c.py", "gw0 collects b.py", "gw0 collects a.py"]


def test_an_idle_worker_takes_half_of_what_another_has_not_started() -> None:
    """One file of 8 tests, two workers: nothing is known, but the first test takes its time."""
    run = play([suite("unit")], [file("a.py", *[f"t{i}" for i in range(8)])], slots=2)
    assert story(run, times=True) == [
        "0 spawn gw0",
        "0 spawn gw1",
        "0 gw0 collects a.py",
        "0 unit starts",
        "0.1 gw0 gives back 4",
        "0.1 gw1 gets 4, 5, 6, 7 of a.py",
        "1 gw0 ran a.py::t0: passed",
        "1.1 gw1 ran a.py::t4: passed",
        "2 gw0 ran a.py::t1: passed",
        "2.1 gw1 ran a.py::t5: passed",
        "3 gw0 ran a.py::t2: passed",
        "3 gw0 finishes",
        "3.1 gw1 ran a.py::t6: passed",
        "3.1 gw1 finishes",
        "4 gw0 ran a.py::t3: passed",
        "4 gw0 ended",
        "4.1 gw1 ran a.py::t7: passed",
        "4.1 unit passed",
        "4.1 gw1 ended",
    ]


def test_a_file_behind_a_test_that_takes_unexpectedly_long_is_taken_over() -> None:
    """build holds a slot for 2 s; nothing is known of a.py, in whose first test gw1 sits for 20 s."""
    files = [file("a.py", "a1", "a2", each_s=20.0), file("b.py", "b1")]
    commands = {"build": SimCommand(duration_s=2.0)}
    run = play([command("build"), suite("unit")], files, slots=2, commands=commands)
    ends = [line for line in story(run, only="t") if " ran " in line]
    assert ends == ["gw0 ran b.py::b1: passed", "gw1 ran a.py::a1: passed", "gw1 ran a.py::a2: passed"]


def test_a_file_that_costs_more_to_collect_than_theft_gains_is_not_shared() -> None:
    run = play([suite("unit")], [file("a.py", *[f"t{i}" for i in range(8)], collect_s=30.0)], slots=2)
    assert not [line for line in story(run, only="o") if "gives back" in line]


def test_a_file_not_yet_collected_is_handed_over_whole() -> None:
    """build holds a slot for 2 s; until then gw1 got both files, of which b.py waits its turn."""
    files = [file("a.py", "a1", "a2", "a3", each_s=5.0), file("b.py", "b1", "b2")]
    run = play(
        [command("build"), suite("unit")],
        files,
        slots=2,
        record={"a.py": 15.0, "b.py": 2.0},
        commands={"build": SimCommand(duration_s=2.0)},
    )
    assert story(run, times=True, only="ot")[3:9] == [
        "0 gw1 collects a.py",
        "0 gw1 collects b.py",
        "2 gw1 gives back all",
        "2 gw0 collects b.py",
        "3 gw0 ran b.py::b1: passed",
        "3 gw1 gives back 1",
    ]


def test_max_workers_of_one_keeps_all_of_a_gate_on_one_worker_at_a_time() -> None:
    """it (max-workers 1): two files;  unit: one file; two slots"""
    gates = [suite("unit", paths=["u"]), suite("it", paths=["i"], max_workers=1)]
    files = [file("i/a.py", "a1", "a2"), file("i/b.py", "b1", "b2"), file("u/c.py", "c1", "c2")]
    assert story(play(gates, files, slots=2), times=True, only="ot") == [
        "0 spawn gw0",
        "0 spawn gw1",
        "0 gw0 collects i/a.py",
        "0 gw0 collects i/b.py",
        "0 gw1 collects u/c.py",
        "1 gw0 ran i/a.py::a1: passed",
        "1 gw1 ran u/c.py::c1: passed",
        "1 gw1 parks",
        "2 gw0 ran i/a.py::a2: passed",
        "2 gw1 finishes",
        "2 gw1 ran u/c.py::c2: passed",
        "2 gw1 ended",
        "3 gw0 ran i/b.py::b1: passed",
        "3 gw0 finishes",
        "4 gw0 ran i/b.py::b2: passed",
        "4 gw0 ended",
    ]


def test_tests_of_a_higher_priority_go_first() -> None:
    gates = [suite("low", paths=["l"]), suite("high", paths=["h"], priority=5)]
    files = [file("l/a.py", "a"), file("h/b.py", "b"), file("l/c.py", "c")]
    ran = story(play(gates, files), only="t")
    assert ran[0] == "gw0 ran h/b.py::b: passed"


def test_a_gate_left_out_still_claims_its_tests() -> None:
    """it takes i/; unit takes the rest; only unit runs, and never sees i/a.py."""
    gates = [suite("it", paths=["i"]), suite("unit")]
    run = play(gates, [file("i/a.py", "x"), file("b.py", "y")], select="unit")
    assert story(run) == [
        "spawn gw0",
        "gw0 collects b.py",
        "unit starts",
        "gw0 finishes",
        "gw0 ran b.py::y: passed",
        "unit passed",
        "gw0 ended",
    ]


def test_files_that_no_gate_takes_are_read_once_to_name_their_tests() -> None:
    run = play([suite("unit", paths=["u"])], [file("u/a.py", "x"), file("b.py", "y")])
    assert run.dispatcher.state.unclaimed == ["b.py::y"]
    assert "gw0 collects b.py" in story(run)
