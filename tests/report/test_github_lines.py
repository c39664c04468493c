"""What GitHub's runner is told of a run: golden, and read by a model of the runner."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st
from report_kit import (
    RUN_ID,
    FakeTeller,
    check,
    command,
    ended,
    feed,
    gate_of_tests,
    hostile,
    many,
    result,
    story,
)
from runner_model import Runner

from pytest_batchgate.core.events import Event, GateFinished, RunFinished, RunStarted, TestsWereRun
from pytest_batchgate.core.model import Finding, GateName, GateState
from pytest_batchgate.core.protocol import CollectedFile, TestResult
from pytest_batchgate.report.github import GithubReport, Group, script
from pytest_batchgate.report.told import Told
from pytest_batchgate.report.words import harmless_lines


def printed(
    events: Sequence[Event],
    log: Sequence[str] = ("last words",),
    *,
    most: int = 10,
    place: Callable[[str], str | None] = str,
) -> str:
    """Everything that is printed while the runner takes orders."""
    said: list[tuple[Sequence[Group], Sequence[str]]] = []
    report = GithubReport(
        lambda groups, orders: said.append((groups, orders)),
        FakeTeller(),
        tail=lambda path, most: list(log),
        most=most,
        place=place,
    )
    feed(report, events)
    (once,) = said
    numbers = itertools.count()
    return "".join(f"{line}\n" for line in script(*once, lambda: f"{RUN_ID}-{next(numbers)}"))


def test_the_whole_run() -> None:
    text = printed(story())
    check("github.txt", text)
    runner = Runner().read(text)
    assert runner.stopped is None
    ran = ["lint", "docs", "db", "unit"]
    assert [act.data.partition(" ")[0] for act in runner.acts if act.name == "group"] == ran
    assert runner.names()[: 2 * len(ran)] == ["group", "endgroup"] * len(ran)
    assert all(line.partition(" | ")[0] in ran for line in runner.shown if line)


def test_a_run_that_passed_needs_no_annotation() -> None:
    assert Runner().read(printed(many(2, 1))).names() == ["group", "endgroup"]


def test_annotations_alone() -> None:
    """None of them, and none but the worst."""
    assert Runner().read(printed(story(), most=0)).annotations == []
    found = Runner().read(printed(story(), most=1)).annotations
    assert [act.name for act in found] == ["error", "warning", "notice"]


def events_of(*gates: tuple[str, GateState, dict[str, object]]) -> list[Event]:
    reports = [ended(name, state, **more) for name, state, more in gates]
    return [
        RunStarted(
            0.0,
            tuple(
                command(name, where=f"batchgate.yaml:{place}") for place, (name, *_) in enumerate(gates, 3)
            ),
            2,
        ),
        *[GateFinished(1.0, report) for report in reports],
        RunFinished(2.0, result(*reports, verdict="failed", exit_code=1)),
    ]


def test_a_command_that_nobody_understands_is_shown_where_it_is_configured() -> None:
    more: dict[str, object] = {"reason": "exit code 2", "log_path": "/logs/build.log"}
    text = printed(
        events_of(("build", GateState.FAILED, more), ("spare", GateState.FAILED, {"required": False}))
    )
    first, second = Runner().read(text).annotations
    assert (first.name, first.properties) == (
        "error",
        {"file": "batchgate.yaml", "line": "3", "title": "build failed"},
    )
    assert first.data == "exit code 2\n\nlast words"
    assert (second.name, second.properties["title"]) == ("warning", "spare failed")


def test_a_gate_that_ran_out_of_time_says_so_beside_its_findings() -> None:
    found = Finding(path="a.py", line=1, column=None, rule="E1", severity="error", message="odd")
    more: dict[str, object] = {"reason": "timed out after 1 s", "findings": (found,)}
    text = printed(events_of(("lint", GateState.TIMED_OUT, more)))
    assert [act.properties["title"] for act in Runner().read(text).annotations] == [
        "lint timed-out",
        "lint: E1",
    ]


def test_errors_of_a_gate_that_fails_nothing_are_warnings() -> None:
    found = Finding(path="a.py", line=1, column=None, rule="E1", severity="error", message="odd")
    text = printed(
        events_of(("lint", GateState.PASSED, {"findings": (found,)}), ("next", GateState.SKIPPED, {}))
    )
    warning, error = sorted(Runner().read(text).annotations, key=lambda act: -len(act.name))
    assert (warning.name, warning.properties["title"]) == ("warning", "lint: E1")
    assert (error.name, error.properties["title"]) == ("error", "gates failed")
    assert error.data == "next skipped"


def test_a_run_that_failed_for_no_gate_says_why() -> None:
    events: list[Event] = [
        RunStarted(0.0, (), 1),
        RunFinished(1.0, result(verdict="failed", exit_code=4, stop_reason="2 tests that no gate takes")),
    ]
    (act,) = Runner().read(printed(events)).annotations
    assert (act.properties, act.data) == ({"title": "gates failed"}, "2 tests that no gate takes")


def test_thousands_of_failures_are_counted() -> None:
    number = 3000
    file = CollectedFile(
        file="t.py", keys=tuple(f"t.py::test[{index}]" for index in range(number)), gates=(0,) * number
    )
    told = (1.0, Told(message="x" * 100_000, line=7))
    results = tuple(TestResult(index, "failed", 0.1, told) for index in range(number))
    unit = ended("unit", GateState.FAILED, kind="tests", counts={"failed": number})
    text = printed(
        [
            RunStarted(0.0, (gate_of_tests("unit"),), 2, (GateName("unit"),)),
            TestsWereRun(1.0, "gw0", file, results),
            RunFinished(3.0, result(unit, verdict="failed", exit_code=1)),
        ]
    )
    found = Runner().read(text).annotations
    assert len(found) == 10
    assert {act.properties.get("line") for act in found[:-1]} == {"7"}, (
        "where it failed, not where it is defined"
    )
    assert found[-1].data.startswith("and 2,991 more errors")
    assert len(text) < 120_000
    assert "unit | and 2,900 more\n" in text


def test_a_monorepo_has_paths_of_its_own() -> None:
    text = printed(story(), place=lambda path: f"backend/{path}" if path.startswith("src/") else None)
    files = {act.properties.get("file", "-").partition("/")[0] for act in Runner().read(text).annotations}
    assert files == {"backend", "-"}


# The lines of which ten acted when they were tried on a runner, and their like.
HOSTILE_LINES = (
    "::error::x",
    "  ::error file=a.py::x",
    "\t::add-mask::x",
    "::stop-commands::x",
    f"::{RUN_ID}-0::",
    f"##[{RUN_ID}-0]",
    "##[error]x",
    "a ##[group]x",
    "##[add-mask]x",
    "##[command]x",
    "a\r::error::x",
    "a\x85::error::x",
    "a\u2028::error::x",
    "\x1b[31m::error::x",
    "\u00a0::error::x",
    "\ufeff::error::x",
    "::set-output name=a::b",
    "::save-state name=a::b",
    "::add-matcher::x.json",
    "::debug::x",
    "::group::x",
    "::endgroup::",
    "::echo::on",
    "#\x00#[error]x",
    "##\x1b[0m[error]x",
    "%0A::error::x",
    "%250A::error::x",
)


def test_nothing_that_is_not_ours_acts() -> None:
    for log in [(line,) for line in HOSTILE_LINES] + [HOSTILE_LINES]:
        safe = [each for line in log for each in harmless_lines(line)]  # as the tail of a log is
        runner = Runner().read(printed(hostile(), safe))
        assert runner.stopped is None
        # The gates unit and lint, then the failing test and the finding.
        assert runner.names() == ["group", "endgroup"] * 2 + ["error"] * 2, log


@given(st.lists(st.sampled_from(HOSTILE_LINES) | st.text(":#[]%\r\n a"), min_size=1, max_size=6))
def test_nothing_acts_wherever_it_stands(texts: list[str]) -> None:
    text = "\n".join(texts)
    file = CollectedFile(file=f"{text}.py", keys=(f"{text}::test",), gates=(0,))
    found = Finding(path=text, line=1, column=None, rule=text, severity="error", message=text)
    unit = ended("unit", GateState.FAILED, kind="tests", reason=text)
    lint = ended("lint", GateState.FAILED, reason=text, findings=(found,), log_path=text)
    out = printed(
        [
            RunStarted(0.0, (gate_of_tests("unit"), command("lint")), 1, (GateName("unit"),)),
            TestsWereRun(1.0, "gw0", file, (TestResult(0, "failed", 0.1, (1.0, Told(message=text))),)),
            RunFinished(2.0, result(unit, lint, verdict="failed", stop_reason=text)),
        ],
        harmless_lines(text),
    )
    runner = Runner().read(out)
    assert (runner.stopped, runner.names()) == (None, ["group", "endgroup"] * 2 + ["error"] * 2)
    assert all(act.properties.get("file", text) in {text, f"{text}.py"} for act in runner.annotations)


def test_the_model_itself_is_no_fool() -> None:
    """It obeys what the rules say that the runner obeys."""
    runner = Runner().read("::error::a\n x ##[group]b\n\t::notice file=a%2Cb,line=3::c%0Ad\r::nothing::x\n")
    assert [(act.name, act.data) for act in runner.acts] == [
        ("error", "a"),
        ("group", "b"),
        ("notice", "c\nd"),
    ]
    assert runner.acts[2].properties == {"file": "a,b", "line": "3"}
    held = Runner().read("::stop-commands::w\n::error::a\n##[w]\n::error::b\n")
    assert held.names() == ["error"]
