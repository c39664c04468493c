"""Which annotations are shown, and that they are read as they are meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runner_model import Act, Runner

from pytest_batchgate.report.annotations import LEVELS, MOST_MESSAGE, Annotation, chosen, order


def error(gate: str, path: str | None = None, **more: object) -> Annotation:
    fields = {"level": "error", "gate": gate, "title": f"{gate} {path}", "message": "m", "path": path, **more}
    return Annotation(**fields)  # type: ignore[arg-type]


def titles(found: list[Annotation], most: int, *gates: str, changed: Collection[str] = ()) -> list[str]:
    picked = chosen(found, most=most, gates=gates, more={}, changed=lambda: changed)
    return [each.title for each in picked]


def test_each_gate_has_its_first_before_any_has_its_second() -> None:
    found = [error("lint", f"{number}.py") for number in range(30)]
    found += [error("unit", "t.py"), error("types", "x.py"), error("types", "y.py")]
    assert titles(found, 6, "unit", "lint", "types") == [
        "unit t.py",
        "lint 0.py",
        "types x.py",
        "lint 1.py",
        "types y.py",
        "and 28 more errors",
    ]


def test_files_of_the_change_come_first_and_what_is_worse_before_them() -> None:
    found = [error("lint", f"{number}.py", rank=1) for number in range(9)] + [error("lint", "8.py", rank=0)]
    assert titles(found, 3, "lint", changed={"7.py"}) == ["lint 8.py", "lint 7.py", "and 8 more errors"]


def test_nobody_is_asked_for_the_change_where_all_can_be_shown() -> None:
    def never() -> Collection[str]:
        raise AssertionError

    found = [error("lint", str(number)) for number in range(10)]
    assert chosen(found, most=10, gates=["lint"], more={}, changed=never) == found


def test_the_last_place_says_how_many_more_and_of_which_gates() -> None:
    found = [error("lint", str(number)) for number in range(3)] + [error("unit")]
    *_, last = chosen(found, most=2, gates=["unit", "lint"], more={"error": 7}, changed=tuple)
    assert last.message == "and 10 more errors, in the log and in the job summary (lint: 3)"
    (only,) = chosen(found, most=1, gates=["unit", "lint"], more={}, changed=tuple)
    assert (only.gate, only.message) == ("unit", "m\n\nand 3 more errors")
    assert chosen(found, most=0, gates=[], more={}, changed=tuple) == []


def test_what_belongs_to_no_gate_stopped_the_run_and_comes_first() -> None:
    assert titles([error("unit"), error("", "conftest.py")], 10, "unit")[0] == " conftest.py"


ANNOTATIONS = st.builds(
    Annotation,
    level=st.sampled_from(LEVELS),
    gate=st.sampled_from(["", "a", "b", "c"]),
    title=st.just("t"),
    message=st.just("m"),
    path=st.sampled_from([None, "x.py", "y.py"]),
    rank=st.integers(0, 2),
)


@given(
    st.lists(ANNOTATIONS, max_size=60),
    st.integers(0, 10),
    st.dictionaries(st.sampled_from(LEVELS), st.just(5)),
)
def test_no_level_is_over_its_limit_and_all_is_accounted_for(
    found: list[Annotation], most: int, more: dict[str, int]
) -> None:
    picked = chosen(found, most=most, gates=["c", "b"], more=more, changed=lambda: {"y.py"})  # type: ignore[arg-type]
    shown = Counter(each.level for each in picked)
    for level in LEVELS:
        mine = [each for each in found if each.level == level]
        assert shown[level] <= most
        if len(mine) <= most and level not in more:
            assert shown[level] == len(mine)
        elif most > 1:
            assert shown[level] == min(most, len(mine) + 1)
            gates = [each.gate for each in picked if each.level == level][:-1]
            others = {each.gate for each in mine} - set(gates)
            assert not others or len(gates) == len(set(gates)), "a second one before the first of another"


# --- as it is printed -------------------------------------------------------------------


def read(line: str) -> Act:
    """What the runner makes of it: one command, and nothing else."""
    runner = Runner().read(line)
    assert (len(runner.acts), runner.shown) == (1, []), line
    return runner.acts[0]


def test_an_annotation_is_read_as_it_is_meant() -> None:
    found = error("unit", "a,b:c%0A.py", line=3, column=7, title="100%: a, b", message="one\r\ntwo: 100%\n\n")
    act = read(order(found, lambda path: path))
    assert act == Act(
        "error", "one\ntwo: 100%", {"file": "a,b:c%0A.py", "line": "3", "col": "7", "title": "100%: a, b"}
    )


def test_a_file_outside_of_the_repository_is_none() -> None:
    act = read(order(error("unit", "/usr/lib/x.py", line=3), lambda path: None))
    assert set(act.properties) == {"title"}


TEXTS = st.text(st.sampled_from("a:,#[]%\r\n =;\x1b\u202e\x85\u2028\udc80\u00e9\U0001f600")) | st.text()


@given(TEXTS, TEXTS, TEXTS, st.booleans())
def test_whatever_is_in_it_it_is_one_command(title: str, message: str, path: str, unicode: bool) -> None:
    line = order(
        error("unit", path, title=title, message=message, line=1), lambda each: each, unicode=unicode
    )
    act = read(line)
    assert act.name == "error"
    assert set(act.properties) <= {"title", "file", "line"}
    assert not set(line) & set("\n\r\x1b\u202e\x85\u2028")
    assert act.properties.get("file", path) == path
    line.encode("utf-8" if unicode else "ascii")


@pytest.mark.parametrize("message", ["x" * 10_000, "%" * 10_000, "\n".join("ab%" * 2000), "\u00e9\n" * 5000])
def test_a_long_message_is_cut(message: str) -> None:
    line = order(error("unit", message=message), lambda path: path)
    data = line.partition("::")[2].partition("::")[2]
    assert len(data) <= MOST_MESSAGE
    assert read(line).data.endswith("...")
    assert not read(line).data.endswith("%0...")
