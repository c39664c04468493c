"""`summary.md`: golden, short, and nothing in it that is not ours does anything."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from report_kit import (
    HOSTILE,
    FakeTeller,
    Written,
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

from pytest_batchgate.core.events import (
    Event,
    GateFinished,
    GateReport,
    RunFinished,
    RunStarted,
    TestsWereRun,
)
from pytest_batchgate.core.model import Finding, GateName, GateState
from pytest_batchgate.core.protocol import CollectedFile, TestResult
from pytest_batchgate.report.markdown import code, fenced
from pytest_batchgate.report.summary import MOST_BYTES, Summary
from pytest_batchgate.report.told import Told


def written(events: Sequence[Event]) -> str:
    file = Written()
    feed(Summary(file, FakeTeller()), events)
    assert len(file.contents) == 1
    assert len(file.contents[0]) <= MOST_BYTES
    return file.text


def without_fences(text: str) -> str:
    return re.sub(r"^(`{3,})\w*\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)


def test_the_whole_run() -> None:
    text = written(story())
    check("summary.md", text)
    first = text.splitlines()[0]
    assert "Failed" in first
    assert first.index("lint") < first.index("slow"), "what was only stopped comes after what stopped it"


def test_a_run_that_passed() -> None:
    text = written(many(2, 1))
    assert text.startswith("## \N{WHITE HEAVY CHECK MARK} Passed: 1 of 1 gate good")
    assert "<details>" not in text


def test_why_a_run_stopped() -> None:
    stopped = result(ended("lint"), verdict="failed", stop_reason="stopping after 1 failures")
    text = written([RunStarted(0.0, (command("lint"),), 1), RunFinished(3.0, stopped)])
    assert "exit code 0, stopped: <code>stopping after 1 failures</code>" in text


def test_nothing_that_is_not_ours_does_anything() -> None:
    page = without_fences(written(hostile()))
    assert "\x1b" not in page
    outside = re.sub(r"<code>.*?</code>", "", page)
    assert not re.search(r"evil|you|udc80", outside), "it stands in code alone"
    for found in re.findall(r"<code>(.*?)</code>", page):
        assert re.fullmatch(r"(?:[\w .,/()'=-]|&#\d+;)*", found), found
        assert not re.search(r"www\.|_|\|", found)
    tags = set(re.findall(r"<[^>]*>", page))
    assert tags <= {"<code>", "</code>", "<details>", "</details>", "<summary>", "</summary>"}
    assert page.count("<details>") == page.count("</details>") == page.count("<summary>") == 2


@pytest.mark.parametrize("text", [HOSTILE, "````\n```\n", "`" * 50, ""])
def test_a_fence_holds_whatever_is_in_it(text: str) -> None:
    block = fenced(text).splitlines()
    fence = block[-1]
    assert block[0] == f"{fence}text"
    assert not any(line.lstrip().startswith(fence) for line in block[1:-1])


def test_a_long_text_keeps_its_end() -> None:
    block = fenced("\n".join(f"line {number}" for number in range(1000)), most_lines=10)
    assert block.splitlines()[1:3] == ["[... 990 lines before this ...]", "line 990"]
    assert len(code("x" * 10_000)) < 400


def test_thousands_of_failures_findings_and_gates_are_counted() -> None:
    """Each of them as large as it can be."""
    number = 3000
    big = "x<" * 3000
    keys = tuple(f"test_a.py::test[{index}-{'y' * 300}]" for index in range(number))
    file = CollectedFile(file="test_a.py", keys=keys, gates=(0,) * number)
    told = (1.0, Told(message=big, text=f"{big}\n" * 50))
    results = tuple(TestResult(index, "failed", 0.1, told) for index in range(number))
    found = tuple(
        Finding(path=big, line=line, column=1, rule="E", severity="error", message=big)
        for line in range(1, 500)
    )
    names = [f"gate-{place}" for place in range(200)]
    gates = [ended(name, GateState.FAILED, reason=big, findings=found) for name in names]
    unit = ended("unit", GateState.FAILED, kind="tests", counts={"failed": number})
    events: list[Event] = [
        RunStarted(0.0, (gate_of_tests("unit"), *map(command, names)), 2, (GateName("unit"),)),
        TestsWereRun(1.0, "gw0", file, results),
        *[GateFinished(2.0, gate) for gate in (unit, *gates)],
        RunFinished(3.0, result(unit, *gates, verdict="failed", exit_code=1, path=names)),
    ]
    text = written(events)
    assert "### Tests that failed (3,000)" in text
    assert re.search(r"^and 2,9\d\d more$", text, re.MULTILINE)
    assert "and 101 more gates" in text
    assert without_fences(text).count("<details>") == without_fences(text).count("</details>")


def chart(*gates: GateReport, path: Sequence[str] = ()) -> list[str]:
    events: list[Event] = [
        RunStarted(0.0, tuple(command(gate.name) for gate in gates), 1),
        RunFinished(3.0, result(*gates, verdict="failed", path=path)),
    ]
    return written(events).partition("```mermaid\n")[2].partition("```")[0].splitlines()


def test_the_chart_holds_in_any_run() -> None:
    """A gate may be called like a keyword, take no time, or never start."""
    gates = [
        ended("section", started_s=1.0, wall_s=0.0),
        ended("title", GateState.FAILED, started_s=0.0, wall_s=2.5),
        ended("never", GateState.SKIPPED, started_s=None),
    ]
    assert chart(*gates, path=["section"]) == [
        "gantt",
        "  title Gates over time (seconds)",
        "  dateFormat YYYY-MM-DD HH:mm:ss.SSS",
        "  axisFormat %-S.%L",
        "  todayMarker off",
        "  \N{BALLOT X} title :crit, g0, 2000-01-01 00:00:00.000, 2500ms",
        "  \N{CHECK MARK} section :active, g1, 2000-01-01 00:00:01.000, 1ms",
    ]


@pytest.mark.parametrize(
    ("wall_s", "unit", "axis"),
    [
        (8, "seconds", "%-S.%L"),
        (600, "minutes and seconds", "%-M:%S"),
        (90_000, "hours and minutes", "%-H:%M"),
    ],
)
def test_the_axis_counts_in_what_the_run_took(wall_s: float, unit: str, axis: str) -> None:
    """The marks of a short run must not all say `00:00`."""
    first = ended("lint", started_s=0.0, wall_s=wall_s)
    last = ended("unit", started_s=float(wall_s), wall_s=0.1)
    lines = chart(first, last)
    assert lines[1] == f"  title Gates over time ({unit})"
    assert lines[3] == f"  axisFormat {axis}"
    if wall_s == 90_000:
        assert lines[6].endswith(", 2000-01-02 01:00:00.000, 100ms"), "a run may take days"


def test_no_name_ends_a_bar_or_begins_another_statement() -> None:
    """Names that no configuration could hold, as the report of a shard might."""
    lines = chart(ended("a:b;c#d%%e|f`g<h>\nsection \u202ex", started_s=0.0, wall_s=1.0))
    assert len(lines) == 6
    name, colon, _ = lines[5].partition(":")
    assert colon
    assert name == "  \N{CHECK MARK} a#58;b#59;c#35;d#37;#37;e#124;f#96;g#60;h#62; section #92;u202ex "
    (bar,) = chart(ended("x" * 1000, started_s=0.0, wall_s=1.0))[5:]
    assert len(bar) < 150
