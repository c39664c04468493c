"""Several machines, one run: every file and command in exactly one of them, whatever each knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from simulator import Simulator
from simworld import SimCommand, SimFile, SimTest
from stories import case, command, file, play, service, story, suite

from pytest_batchgate.core.model import Config, Estimates, Gate, GateName
from pytest_batchgate.core.plan import build_plan
from pytest_batchgate.core.shards import (
    MOST_SHARDS,
    Share,
    by_hash,
    expected_files,
    spare_commands,
    spared,
    split,
    worth,
    worth_s,
)

PATHS = st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=30)
SECONDS = st.floats(0.0, 1e6)


@given(PATHS, st.data(), st.integers(1, 9))
def test_every_file_is_in_exactly_one_shard(paths: list[str], data: st.DataObject, count: int) -> None:
    """Planned for or not: a shard may know files that the plan does not, and the other way round."""
    planned = data.draw(st.dictionaries(st.sampled_from([*paths, "gone.py"]), SECONDS))
    assigned = split(planned, count)
    shares = [Share(index=index, count=count, assigned=assigned) for index in range(1, count + 1)]
    for path in paths:
        assert [share.owns(path) for share in shares].count(True) == 1


@given(st.dictionaries(st.text(max_size=5), st.floats(0.0, 100.0), max_size=40), st.integers(1, 9))
def test_shards_are_balanced_within_the_longest_file(files: dict[str, float], count: int) -> None:
    first_s = 30.0
    assigned = split(files, count, first_s=first_s)
    loads = dict.fromkeys(range(1, count + 1), 0.0)
    for path, shard in assigned.items():
        loads[shard] += files[path]
    assert assigned.keys() == files.keys()
    longest_s = max(files.values(), default=0.0)
    others = [loads[shard] for shard in range(2, count + 1)]
    slack = 1e-6
    if others:
        assert max(others) - min(others) <= longest_s + slack
        # The first gets files only while it has, commands included, the least to do.
        assert loads[1] == 0 or loads[1] + first_s <= min(others) + longest_s + slack


@given(st.dictionaries(st.text(max_size=5), SECONDS, max_size=20), st.integers(1, 5))
def test_the_split_does_not_hang_on_the_order_of_the_record(files: dict[str, float], count: int) -> None:
    turned = dict(reversed(files.items()))
    assert split(files, count) == split(turned, count)


def test_files_nobody_timed_spread_by_number() -> None:
    assert Counter(split(dict.fromkeys("abcdef", 0.0), 3).values()) == {1: 2, 2: 2, 3: 2}


def test_the_hash_of_a_path_never_changes() -> None:
    """Shards run at different times with different Pythons: these numbers are for ever."""
    paths = ["tests/test_a.py", "tests/test_b.py", "tests/sub/test_c.py", "t/\udcff\u00e9.py"]
    assert [by_hash(path, 4) for path in paths] == [2, 4, 1, 3]
    assert [by_hash(path, 1) for path in paths] == [1, 1, 1, 1]


def test_how_many_shards_are_worth_it() -> None:
    assert worth({}, 0.0) == 1
    assert worth({"a": 40.0, "b": 40.0}, 100.0) == 1
    assert worth({str(number): 60.0 for number in range(20)}, 300.0) == 5
    assert worth({"a": 9e9, "b": 1.0}, 0.0) == 2, "no more shards than files"
    assert worth({str(number): 1e6 for number in range(999)}, 0.0) == MOST_SHARDS


GATES = [
    command("lint"),
    service("db"),
    suite("unit", paths=["u"]),
    suite("e2e", "db", "build"),
    command("build", "fetch"),
    command("fetch"),
    command("deploy", "unit"),
    service("cache"),
    command("warm", "cache"),
]
FILES = [file(f"u/{name}.py", "one") for name in "abcd"] + [file("f/e.py", "one")]


def share(index: int, assigned: dict[str, int], count: int = 2) -> Share:
    return Share(index=index, count=count, assigned=assigned, split="test")


def play_shard(
    index: int,
    assigned: dict[str, int],
    gates: Sequence[Gate] = GATES,
    files: Sequence[SimFile] = FILES,
    **more: object,
) -> Simulator:
    plan = build_plan(Config(gates=tuple(gates)))
    mine = share(index, assigned)
    commands = {name: SimCommand(ready_s=0.5) for name in ("db", "cache")}
    return play(gates, files, share=mine, spare=spared(plan, mine), commands=commands, **more)  # type: ignore[arg-type]


def test_commands_belong_to_the_first_shard_and_to_those_that_need_them() -> None:
    plan = build_plan(Config(gates=tuple(GATES)))
    assert spare_commands(plan) == {"lint", "deploy", "warm", "cache"}
    assert worth_s(plan, Estimates(commands={"lint": 2.0, "build": 9.0, "warm": 1.0, "cache": 7.0})) == 3.0
    assert spared(plan, share(1, {})) == set()
    assert expected_files(Estimates(files={"a": 1.0, "b": 2.0}, collects={"a": 0.5})) == {"a": 1.5, "b": 2.0}

    assigned = {"u/a.py": 1, "u/b.py": 2, "u/c.py": 2, "u/d.py": 1, "f/e.py": 2}
    first, second = (play_shard(index, assigned, slots=2) for index in (1, 2))
    ran = [[line for line in story(sim, only="t") if " ran " in line] for sim in (first, second)]
    assert sorted(line.partition("ran ")[2] for line in ran[0]) == [
        "u/a.py::one: passed",
        "u/d.py::one: passed",
    ]
    assert sorted(line.partition("ran ")[2] for line in ran[1]) == [
        "f/e.py::one: passed",
        "u/b.py::one: passed",
        "u/c.py::one: passed",
    ]
    ends = {str(name): run.state.value for name, run in second.dispatcher.state.gates.items()}
    left = dict.fromkeys(("lint", "deploy", "warm", "cache"), "deselected")
    assert ends == dict.fromkeys(("unit", "e2e", "db", "build", "fetch"), "passed") | left
    ends = {str(name): run.state.value for name, run in first.dispatcher.state.gates.items()}
    assert ends["e2e"] == "deselected", "none of its tests is here: nothing to blame this shard for"
    assert {ends[name] for name in ("lint", "deploy", "warm", "cache", "unit")} == {"passed"}


def test_a_test_gets_the_command_that_its_marker_names_in_its_own_shard() -> None:
    """In turn as well, where the first gate that has not ended has its turn."""
    gates = [command("lint", "tools"), command("tools"), suite("unit"), command("last", "unit")]
    files = [file("a.py", "one", case("two", depends_on=("gate:lint",))), file("b.py", "one")]
    files[0].tests[0] = SimTest(name="one", marker=GateName("unit"), duration_s=1.0)
    for sequential in (False, True):
        sim = play_shard(2, {"a.py": 2, "b.py": 1}, gates, files, sequential=sequential)
        ends = {name: run.state.value for name, run in sim.dispatcher.state.gates.items()}
        assert ends == {"lint": "passed", "tools": "passed", "unit": "passed", "last": "deselected"}
        other = play_shard(2, {"a.py": 1, "b.py": 2}, gates, files, sequential=sequential)
        ends = {name: run.state.value for name, run in other.dispatcher.state.gates.items()}
        assert ends == {"lint": "deselected", "tools": "deselected", "unit": "passed", "last": "deselected"}


def test_a_test_that_needs_one_of_another_shard_is_an_error_that_says_so() -> None:
    files = [file("a.py", "one"), file("b.py", case("two", depends_on=("a.py::one",)), "three")]
    why = (
        "depends on a.py::one, which shard 1/2 runs, not this one (2/2): "
        "tests that need one another must stand in one file"
    )
    sim = play_shard(2, {"a.py": 1, "b.py": 2}, [suite("unit")], files)
    assert story(sim, only="t") == [
        f"b.py::two error: {why}",
        "gw0 ran b.py::three: passed",
    ]
    together = play_shard(1, {"a.py": 1, "b.py": 1}, [suite("unit")], files)
    assert "gw0 ran b.py::two: passed" in story(together, only="t")


def test_a_stop_leaves_the_first_shards_commands_alone() -> None:
    """Of a shard with fail-fast: what it would not have run was not cancelled."""
    gates = [command("lint"), suite("unit")]
    sim = play_shard(2, {"a.py": 2}, gates, [file("a.py", case("one", "failed"))], fail_fast=True)
    ends = {name: run.state.value for name, run in sim.dispatcher.state.gates.items()}
    assert ends == {"lint": "deselected", "unit": "failed"}
