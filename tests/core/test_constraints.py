"""depends_on, serial, xdist_group and the needs of a marker."""

from __future__ import annotations

from simworld import SimCommand, SimFile, SimTest
from stories import case, command, file, play, service, story, suite

from pytest_batchgate.core.constraints import _place_in
from pytest_batchgate.core.ledger import FileRun
from pytest_batchgate.core.model import GateName, GateState
from pytest_batchgate.core.protocol import CollectedFile


def told(files: list[SimFile], **more: object) -> list[str]:
    """What became of the tests, in order."""
    lines = story(play([suite("unit")], files, **more), only="tg")  # type: ignore[arg-type]
    return [line for line in lines if line != "unit starts"]


def test_the_culprit_is_named_along_a_chain() -> None:
    """a (fails) <- b <- c"""
    files = [file("t.py", case("a", "failed"), case("b", depends_on=("a",)), case("c", depends_on=("b",)))]
    assert told(files) == [
        "gw0 ran t.py::a: failed",
        "t.py::b skipped: depends on t.py::a, which failed",
        "t.py::c skipped: depends on t.py::b, which was skipped",
        "unit failed: 1 of 3 tests failed",
    ]


def test_a_bare_name_covers_all_its_parameters() -> None:
    files = [file("t.py", case("e", depends_on=("d",)), "d[1]", case("d[2]", "failed"))]
    assert told(files) == [
        "gw0 ran t.py::d[1]: passed",
        "gw0 ran t.py::d[2]: failed",
        "t.py::e skipped: depends on t.py::d[2], which failed",
        "unit failed: 1 of 3 tests failed",
    ]


def test_a_bare_name_means_the_same_class_before_the_module() -> None:
    files = [
        file(
            "t.py",
            case("setup", "failed"),
            "TestA::setup",
            case("TestA::one", depends_on=("setup",)),
            case("TestB::one", depends_on=("setup",)),
        )
    ]
    assert told(files) == [
        "gw0 ran t.py::setup: failed",
        "t.py::TestB::one skipped: depends on t.py::setup, which failed",
        "gw0 ran t.py::TestA::setup: passed",
        "gw0 ran t.py::TestA::one: passed",
        "unit failed: 1 of 4 tests failed",
    ]


def test_a_class_and_a_node_id_of_another_file_are_waited_for() -> None:
    files = [
        file("a.py", case("x", depends_on=("b.py::TestK", "b.py::y"))),
        file("b.py", "TestK::one", "y"),
    ]
    assert told(files, record={"a.py": 9.0, "b.py": 1.0}) == [
        "gw0 ran b.py::TestK::one: passed",
        "gw0 ran b.py::y: passed",
        "gw0 ran a.py::x: passed",
        "unit passed",
    ]


def test_a_target_that_exists_nowhere_is_an_error() -> None:
    files = [
        file("t.py", case("a", depends_on=("nope", "t.py::b")), "b", case("c", depends_on=("other.py::x",)))
    ]
    assert told(files) == [
        "t.py::a error: no test matches depends_on target 'nope'",
        "t.py::c error: no test matches depends_on target 'other.py::x'",
        "gw0 ran t.py::b: passed",
        "unit failed: 2 of 3 tests failed",
    ]


def test_a_target_that_the_command_line_left_out_is_ignored_with_a_note() -> None:
    one = SimFile(name="t.py", tests=[case("a", depends_on=("b",))], deselected=("b",))
    two = file("u.py", case("c", depends_on=("gone/x.py::y",)))
    assert told([one, two], narrowed=True) == [
        "notice: b was left out by the command line: ignored as a dependency",
        "notice: gone/x.py::y was left out by the command line: ignored as a dependency",
        "gw0 ran t.py::a: passed",
        "gw0 ran u.py::c: passed",
        "unit passed",
    ]


def test_a_cycle_of_tests_is_printed_whole_and_is_an_error_of_its_tests() -> None:
    """a -> b -> c -> a;  d -> a"""
    files = [
        file(
            "t.py",
            case("a", depends_on=("b",)),
            case("b", depends_on=("c",)),
            case("c", depends_on=("a",)),
            "free",
            case("d", depends_on=("a",)),
        )
    ]
    words = "dependency cycle: t.py::a -> t.py::b -> t.py::c -> t.py::a"
    assert told(files) == [
        "gw0 ran t.py::free: passed",
        f"t.py::a error: {words}",
        f"t.py::b error: {words}",
        f"t.py::c error: {words}",
        "t.py::d skipped: depends on t.py::a, which had an error",
        "unit failed: 3 of 5 tests failed",
    ]


def test_a_cycle_through_gates_names_the_gates() -> None:
    """two needs one;  a test of one depends on a test of two"""
    gates = [suite("one", paths=["one"]), suite("two", "one", paths=["two"])]
    run = play(gates, [file("one/t.py", case("a", depends_on=("two/t.py::b",))), file("two/t.py", "b")])
    assert story(run, only="tg") == [
        "one/t.py::a error: dependency cycle: one/t.py::a -> gate two -> gate one -> one/t.py::a",
        "one starts",
        "one failed: 1 of 1 tests failed",
        "two skipped: needs one, which failed",
    ]


def test_a_test_can_wait_for_a_gate() -> None:
    """lint (fails after 3 s) <- t.py::a;  gate:gone is not part of the run"""
    files = [file("t.py", case("a", depends_on=("gate:lint",)), "b", case("n", depends_on=("gate:gone",)))]
    lint = {"lint": SimCommand(duration_s=3.0, state=GateState.FAILED)}
    run = play([command("lint"), suite("unit")], files, commands=lint, slots=2)
    assert story(run, only="tg", times=True) == [
        "0 lint starts in 0",
        "0 unit starts",
        "0 notice: gate:gone is not part of this run: the dependency is ignored",
        "1 gw1 ran t.py::b: passed",
        "2 gw1 ran t.py::n: passed",
        "3 lint failed: exit 1",
        "3 t.py::a skipped: depends on gate lint, which failed",
        "3 unit passed",
    ]


def test_a_service_outlives_its_last_gate_while_a_test_waits_for_it() -> None:
    """db (service) -> short;  t.py::a names gate:db in a marker"""
    gates = [service("db"), command("short", "db"), suite("unit")]
    files = [file("t.py", case("a", "passed", 3.0, depends_on=("gate:db",)))]
    run = play(gates, files, slots=2, commands={"db": SimCommand(ready_s=1.0)})
    assert story(run, only="tg", times=True) == [
        "0 db starts",
        "1 db is ready",
        "1 short starts in 0",
        "1 unit starts",
        "2 short passed",
        "4 gw1 ran t.py::a: passed",
        "4 unit passed",
        "4.05 db passed",
    ]


def test_serial_tests_of_one_name_never_overlap_and_plain_serial_runs_alone() -> None:
    """The watch of the simulator looks at what really runs; here the order is to be seen."""
    files = [
        file("a.py", case("s1", serial=("db",)), "f1"),
        file("b.py", case("s2", serial=("db",)), case("alone", serial=("",))),
    ]
    run = play([suite("unit")], files, slots=2)
    assert story(run, only="t", times=True) == [
        "1 gw0 ran a.py::f1: passed",
        "2 gw0 ran a.py::s1: passed",
        "3 gw0 ran b.py::s2: passed",
        "4 gw0 ran b.py::alone: passed",
    ]


def test_a_group_stays_on_one_worker() -> None:
    files = [file(f"t{n}.py", case(f"g{n}", group="g"), f"free{n}") for n in range(4)]
    ran = story(play([suite("unit")], files, slots=2), only="t")
    workers = {line.split()[0] for line in ran if "::g" in line}
    assert len(workers) == 1
    assert {line.split()[0] for line in ran} == {"gw0", "gw1"}


def test_a_marker_that_cannot_be_honoured_is_an_error_of_its_test() -> None:
    assert told([file("t.py", case("a", problem="gate 'untit' is unknown. Did you mean 'unit'?"), "b")]) == [
        "t.py::a error: gate 'untit' is unknown. Did you mean 'unit'?",
        "gw0 ran t.py::b: passed",
        "unit failed: 1 of 2 tests failed",
    ]


def test_a_marker_takes_a_test_from_outside_its_gates_paths() -> None:
    """it has i/ and ends long before z.py is collected, were it not told that z.py mentions a gate."""
    moved = SimTest(name="moved", marker=GateName("it"))
    gates = [suite("it", paths=["i"]), suite("unit")]
    files = [file("i/a.py", "x"), *(file(f"f{n}.py", "y") for n in range(6)), file("z.py", moved)]
    run = play(gates, files)
    assert run.watch.outcomes["z.py::moved"] == "passed"
    assert run.watch.reports["it"].counts["passed"] == 2


def collected(*names: str, errors: int = 0) -> FileRun:
    keys = tuple(f"test_a.py::{name}" for name in names)
    found = CollectedFile(file="test_a.py", keys=keys, gates=(0,) * len(keys), errors=errors)
    return FileRun(name="test_a.py", claimants=(0,), est_s=None, collected=found)


def test_a_target_is_found_by_its_id_where_environments_collect_differently() -> None:
    """Seen second in one environment; first, or not at all, in the one it runs in."""
    seen = collected("test_one", "test_two")
    assert _place_in(seen, seen, 1) == 1
    assert _place_in(collected("test_one", "test_two"), seen, 1) == 1
    assert _place_in(collected("test_two", "test_one"), seen, 1) == 0
    assert _place_in(collected("test_one"), seen, 1) is None
    assert _place_in(collected(errors=1), seen, 1) is None
    assert _place_in(FileRun(name="test_a.py", claimants=(0,), est_s=None), seen, 1) == 1
