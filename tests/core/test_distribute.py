"""Which tests go to which worker: order, lookahead, theft, limits."""

from __future__ import annotations

from simworld import SimCommand
from stories import case, command, file, play, story, suite

from pytest_batchgate.core.carry import Carried, PastTest
from pytest_batchgate.core.dispatch import Dispatcher
from pytest_batchgate.core.model import Config
from pytest_batchgate.core.plan import build_plan
from pytest_batchgate.core.protocol import AssignFile, SpawnWorker, WorkerListed, WorkerLost
from pytest_batchgate.core.state import RunOptions


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
        commands={"build": SimCommand(duration_s=2.0)},
    )
    assert story(run, times=True, only="ot")[3:9] == [
        "0 gw1 collects a.py",
        "0 gw1 collects b.py",
        "2 gw1 gives back all",
        "2 gw0 collects b.py",
        "3 gw0 ran b.py::b1: passed",
        "3 gw0 parks",
    ]


def test_no_file_waits_behind_one_that_takes_long_by_record() -> None:
    """One test each, of 9, 3, 3 and 3 s: whoever had the first must not have been given the last, too."""
    seconds = {"a.py": 9.0, "b.py": 3.0, "c.py": 3.0, "d.py": 3.0}
    files = [file(name, "x", each_s=each_s) for name, each_s in seconds.items()]
    run = play([suite("unit")], files, slots=2, record=seconds)
    assert story(run, times=True, only="t") == [
        "3 gw1 ran b.py::x: passed",
        "6 gw1 ran c.py::x: passed",
        "9 gw0 ran a.py::x: passed",
        "9 gw1 ran d.py::x: passed",
    ]


def test_max_workers_of_one_keeps_all_of_a_gate_on_one_worker_at_a_time() -> None:
    """it (max-workers 1): two files;  unit: one file; two slots"""
    gates = [suite("unit", paths=["u"]), suite("it", paths=["i"], max_workers=1)]
    files = [file("i/a.py", "a1", "a2"), file("i/b.py", "b1", "b2"), file("u/c.py", "c1", "c2")]
    assert story(play(gates, files, slots=2), times=True, only="ot") == [
        "0 spawn gw0",
        "0 spawn gw1",
        "0 gw0 collects i/a.py",
        "0 gw1 collects u/c.py",
        "0 gw0 collects i/b.py",
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


def test_a_file_that_the_thief_could_not_be_given_is_left_where_it_is() -> None:
    """Of i/b.py only b2 has to run, in gw0 behind i/a.py; gw1 has run u/c.py and looks on."""
    gates = [suite("unit", paths=["u"]), suite("it", paths=["i"], max_workers=1)]
    files = [file("i/a.py", "a1", "a2", "a3"), file("i/b.py", "b1", "b2"), file("u/c.py", "c1", "c2")]
    past = {"i/b.py": {"i/b.py::b1": PastTest("it", "passed", 1.0)}}
    carried = Carried(commands={}, gates=frozenset(), tests=past)
    run = play(gates, files, slots=2, carried=carried)
    assert "gw0 ran i/b.py::b2: passed" in story(run, only="t")
    assert not any("gives back" in line for line in story(run, only="o"))


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


def test_no_file_is_given_ahead_while_another_worker_is_on_its_way() -> None:
    """gw1 takes its time: gw0 gets one file of three meanwhile, or in a run that is compared nothing."""
    plan = build_plan(Config(gates=(suite("unit"),)))
    for abreast in (False, True):
        dispatcher = Dispatcher(plan, RunOptions(slots=2, abreast=abreast))
        workers = [
            action.worker for action in dispatcher.start(0.0).actions if isinstance(action, SpawnWorker)
        ]
        step = dispatcher.handle(WorkerListed(workers[0], ("a.py", "b.py", "c.py")), 1.0)
        early = [action.worker for action in step.actions if isinstance(action, AssignFile)]
        assert early == ([] if abreast else [workers[0]])
        step = dispatcher.handle(WorkerListed(workers[1], ("a.py", "b.py", "c.py")), 2.0)
        late = [action.worker for action in step.actions if isinstance(action, AssignFile)]
        assert set(late) == set(workers)


def test_abreast_a_worker_that_never_comes_up_is_not_waited_for() -> None:
    plan = build_plan(Config(gates=(suite("unit"),)))
    dispatcher = Dispatcher(plan, RunOptions(slots=2, abreast=True, max_restarts=0))
    one, other = [
        action.worker for action in dispatcher.start(0.0).actions if isinstance(action, SpawnWorker)
    ]
    dispatcher.handle(WorkerListed(one, ("a.py",)), 1.0)
    step = dispatcher.handle(WorkerLost(other, None, "it died"), 2.0)
    assert [action.worker for action in step.actions if isinstance(action, AssignFile)] == [one]


def test_a_pinned_group_goes_to_the_worker_of_its_slot() -> None:
    """Whoever collected the file, and whoever is idle first."""
    tests = [case("x", group="one"), case("y", group="two"), case("z", group="one")]
    for pinned in ({"one": 0, "two": 1}, {"one": 1, "two": 0}):
        run = play([suite("unit")], [file("a.py", *tests)], slots=2, pinned=pinned, abreast=True)
        one, two = pinned["one"], pinned["two"]
        assert sorted(story(run, only="t")) == sorted(
            [
                f"gw{one} ran a.py::x: passed",
                f"gw{one} ran a.py::z: passed",
                f"gw{two} ran a.py::y: passed",
            ]
        )


def test_a_pinned_group_does_not_wait_for_a_slot_of_another_environment() -> None:
    """Each slot hosts one environment: neither test could ever come to the other's."""
    gates = [suite("a", paths=["a.py"], env={"V": "1"}), suite("b", paths=["b.py"], env={"V": "2"})]
    files = [file("a.py", case("x", group="one")), file("b.py", case("y", group="two"))]
    for pinned in ({"one": 0, "two": 1}, {"one": 1, "two": 0}):
        run = play(gates, files, slots=2, pinned=pinned, abreast=True)
        assert {line.partition(" ran ")[2] for line in story(run, only="t")} == {
            "a.py::x: passed",
            "b.py::y: passed",
        }
