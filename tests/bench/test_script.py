"""What runs are told, and what people are."""

from __future__ import annotations

import pytest

from pytest_batchgate.bench.advice import Advice, advise, names_of_shared, target
from pytest_batchgate.bench.compare import IN_PARALLEL, IN_TURN, OTHER_ORDER, Case
from pytest_batchgate.bench.observed import Observed, Ran
from pytest_batchgate.bench.script import Script, from_json, lane_group, script_of, to_json
from pytest_batchgate.bench.trial import Finding, Kind, Mend, Trial

A, B, C = "tests/test_a.py::test_x", "tests/test_b.py::test_y[1]", "tests/test_a.py::K::test_z"


def test_a_script_survives_the_file_it_is_written_to() -> None:
    trial = Trial(lanes=((A, B), (C,)), meet_s=(0.0, 0.5), marks=((A, "serial", "x"),))
    script = script_of(trial, folder="/somewhere", gates=("unit",))
    assert from_json(to_json(script)) == script
    assert script.lanes == {A: 0, B: 0, C: 1}
    assert script.meet_s == {B: 0.0, C: 0.5}
    assert script.pinned == {lane_group(0): 0, lane_group(1): 1}
    assert (script.workers, script.only) == (2, True)
    whole = Script(folder="x", gates=(), workers=0)
    assert from_json(to_json(whole)) == whole


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"folder": 1}', '"x"', "null"])
def test_what_is_no_script_is_refused(text: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        from_json(text)


def test_the_file_of_the_last_test_comes_last() -> None:
    """Files are run one after the other: that of C must not run before B's."""
    script = script_of(Trial(lanes=((A, B, C),)), folder="x", gates=())
    assert script.files == ("tests/test_b.py", "tests/test_a.py")
    assert script.by_file() == {"tests/test_b.py": [B], "tests/test_a.py": [A, C]}
    assert script.lanes == {}, "one lane is any worker"


def finding(kind: Kind, mend: Mend | None, *partners: str, nodeid: str = A) -> Finding:
    outcomes = {IN_TURN: "passed", IN_PARALLEL: "failed", OTHER_ORDER: "passed"}
    case = Case(nodeid=nodeid, gate="unit", outcomes=outcomes)
    return Finding(
        case=case, kind=kind, partners=partners, alone=("passed",), together=("failed",), mend=mend
    )


def advice(one: Finding, **gates: str) -> Advice:
    ran = Ran(
        nodeid=A, gate="unit", outcome="failed", worker="gw0", begin_s=0, end_s=1, message="KeyError: 1"
    )
    runs = {IN_PARALLEL: Observed(tests={A: ran}, collected=(A,))}
    everyone = {A: gates.get("a", "unit"), B: gates.get("b", "unit"), C: "unit"}
    return advise(one, shared=names_of_shared([one]), gates=everyone, runs=runs)


def told(one: Advice) -> list[tuple[str, tuple[str, ...], bool]]:
    return [(line.text, line.on, line.instead) for line in one.lines]


def test_two_tests_that_clash_get_one_name_and_gates_a_resource() -> None:
    clash = finding(Kind.IN_PARALLEL, Mend.SERIAL, B)
    assert told(advice(clash)) == [('@pytest.mark.serial("a")', (A, B), False)]
    assert told(advice(clash, b="integration")) == [
        ('@pytest.mark.serial("a")', (A, B), False),
        ("resources: [a]", ("unit", "integration"), True),
    ]
    said = advice(clash)
    assert said.head == f"{A}: only in parallel, beside {B}"
    assert said.seen == (
        "in turn passed, in parallel failed, other order passed",
        "run again: alone passed; beside it failed",
        "in parallel: KeyError: 1",
    )


def test_each_mend_is_a_line_to_copy() -> None:
    shown = {
        mend: told(advice(finding(kind, mend, C)))
        for kind, mend in (
            (Kind.WITHOUT, Mend.DEPENDS_ON),
            (Kind.WITHOUT, Mend.DEPENDS_ON_IN_GROUP),
            (Kind.AFTER, Mend.COMES_LATER),
            (Kind.IN_PARALLEL, Mend.GROUP),
        )
    }
    depends = ('@pytest.mark.depends_on("K::test_z")', (A,), False)
    group = ('@pytest.mark.xdist_group(name="a")', (A, C), False)
    assert shown == {
        Mend.DEPENDS_ON: [depends],
        Mend.DEPENDS_ON_IN_GROUP: [depends, group],
        Mend.COMES_LATER: [('@pytest.mark.depends_on("test_x")', (C,), False)],
        Mend.GROUP: [group],
    }
    assert told(advice(finding(Kind.IN_PARALLEL, Mend.ALONE))) == [("@pytest.mark.serial", (A,), False)]


def test_where_no_line_would_do_a_remark_says_what_to_look_for() -> None:
    kinds = (Kind.NOW_AND_THEN, Kind.FOLLOWS, Kind.NOT_ALWAYS_THERE, Kind.UNEXAMINED)
    for kind in kinds:
        said = advice(finding(kind, None))
        assert not said.lines
        assert said.remark


def test_tests_that_are_tied_together_share_a_name_and_others_do_not() -> None:
    others = ("lib/test_a.py::test_p", "lib/test_a.py::test_q")
    names = names_of_shared(
        [
            finding(Kind.IN_PARALLEL, Mend.SERIAL, B),
            finding(Kind.IN_PARALLEL, Mend.SERIAL, C, nodeid=B),
            finding(Kind.IN_PARALLEL, Mend.SERIAL, others[1], nodeid=others[0]),
            finding(Kind.NOW_AND_THEN, None, nodeid="tests/test_z.py::test"),
        ]
    )
    assert names[A] == names[B] == names[C] != names[others[0]] == names[others[1]]
    assert set(names.values()) == {"a", "a-2"}
    assert "tests/test_z.py::test" not in names


@pytest.mark.parametrize(
    ("nodeid", "seen_from", "shown"),
    [
        ("a.py::test_x", "a.py::test_y[1::2]", "test_x"),
        ("a.py::K::test_x[b]", "a.py::K::test_y", "test_x[b]"),
        ("a.py::K::test_x", "a.py::test_y", "K::test_x"),
        ("a.py::test_x", "a.py::K::test_y", "test_x"),
        ("b.py::test_x", "a.py::test_y", "b.py::test_x"),
    ],
)
def test_depends_on_names_a_test_as_briefly_as_it_may(nodeid: str, seen_from: str, shown: str) -> None:
    assert target(nodeid, seen_from) == shown
