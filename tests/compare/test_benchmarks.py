"""The pure parts of the benchmarks: what they compute from runs, not how they run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.contest import Outcome, Result, compare_outcomes, outcome_of, ratio
from benchmarks.measure import Run
from benchmarks.output import goals_text, markdown, write_markdown
from benchmarks.projects import REAL, TOOLS, Project
from benchmarks.reporting import goals_of
from benchmarks.rows import Table, at_least, rows_of
from benchmarks.stats import summarize
from benchmarks.waiting import Graph, cases, chain, diamonds, lanes, wide


def run(wall_s: float = 1.0, *, output: str = "", exit_code: int = 0, foreign_cpu_s: float = 0.0) -> Run:
    return Run(
        exit_code=exit_code,
        wall_s=wall_s,
        cpu_s=2 * wall_s,
        peak_rss_bytes=10_000_000,
        tree_rss_bytes=None,
        foreign_cpu_s=foreign_cpu_s,
        output=output,
        pid=1,
    )


def result(name: str, *walls_s: float, equal: bool = True) -> Result:
    runs = tuple(run(wall_s) for wall_s in walls_s)
    unlike = () if equal else ("counts differ",)
    return Result(name=name, summary=summarize(runs), runs=runs, equal=equal, unlike=unlike)


def test_a_summary_is_of_medians_and_spread_over_the_median() -> None:
    summary = summarize([run(1.0), run(1.1), run(4.0)])
    assert (summary.wall_s, summary.cpu_s) == (1.1, 2.2)
    assert summary.spread == pytest.approx(3.0 / 1.1)
    assert summary.noise == "spread 273%"


def test_noise_names_what_others_used_in_the_worst_round() -> None:
    summary = summarize([run(1.0), run(1.0, foreign_cpu_s=0.5)])
    assert summary.noise == "others used 0.5 CPUs"
    assert summarize([run(1.0), run(1.05, foreign_cpu_s=0.05)]).noise is None


def test_a_ratio_is_of_medians_and_its_range_of_rounds_side_by_side() -> None:
    slow, fast = result("slow", 2.0, 4.0, 6.0), result("fast", 1.0, 1.0, 2.0)
    assert ratio(slow, fast) == (4.0, 2.0, 4.0)


def test_what_reports_cost_is_the_middle_of_the_rounds_side_by_side() -> None:
    without, cheap, dear = (
        result("a", 10.0, 20.0, 40.0),
        result("b", 10.9, 21.0, 80.0),
        result("c", 12.0, 23.0, 44.0),
    )
    assert [(goal.value, goal.met) for goal in goals_of(without, cheap)] == [
        ("9.0% (5.0% to 100.0%)", True)
    ] * 2
    assert [(goal.value, goal.met) for goal in goals_of(without, dear)] == [
        ("15.0% (10.0% to 20.0%)", False)
    ] * 2


def test_a_goal_is_met_from_its_target_on() -> None:
    slow, fast = result("slow", 5.0), result("fast", 2.0)
    assert at_least("x", slow, fast, 2.5).met is True
    assert at_least("x", slow, fast, 2.6).met is False


SUMMARY = """\
FAILED tests/a.py::test_b[x-y] - Assert
== 1 failed, 12 passed, 30000 deselected, 2 errors in 4.33s ==
"""


def test_the_outcome_of_a_run_is_read_from_pytests_own_summary() -> None:
    outcome = outcome_of(run(output=SUMMARY, exit_code=1))
    assert outcome.counts == {"failed": 1, "passed": 12, "error": 2}
    assert outcome.failed == {"tests/a.py::test_b[x-y]"}
    assert not outcome.good


def outcome(*failed: str, passed: int = 3, good: bool | None = None) -> Outcome:
    counts = {"passed": passed} | ({"failed": len(failed)} if failed else {})
    return Outcome(good=not failed if good is None else good, counts=counts, failed=frozenset(failed))


@pytest.mark.parametrize(
    ("left", "right", "lines"),
    [
        (outcome(), outcome(), []),
        (outcome("t.py::a"), outcome("t.py::b"), ["failed in one only: t.py::a, t.py::b"]),
        (outcome(), outcome(passed=2), ["counts: {'passed': 3} and {'passed': 2}"]),
        (outcome(), outcome(good=False), ["exit code: zero in one only"]),
        (outcome(), outcome("t.py::racy[1]", passed=2), []),
        (
            outcome(),
            outcome("t.py::racy[1]", passed=1),
            ["counts: {'passed': 3} and {'passed': 1, 'failed': 1}"],
        ),
    ],
    ids=["same", "other-failed", "one-less", "exit-code", "racy", "racy-but-one-less"],
)
def test_outcomes_differ_unless_a_racy_test_explains_all_of_it(
    left: Outcome, right: Outcome, lines: list[str]
) -> None:
    assert compare_outcomes(left, right, ["t.py::racy[*"]) == lines


@pytest.mark.parametrize(
    ("graph", "path_s", "bound_s"),
    [
        (chain(5, 1.0), 5.0, 5.0),
        (wide(5, 1.0), 2.0, 3.0),  # a, a, b, c, d, e on two workers
        (lanes(5, 1.0), 3.0, 3.0),
        (diamonds(4, 1.0), 3.0, 3.0),
        (diamonds(7, 1.0), 5.0, 5.0),
    ],
    ids=["chain", "wide", "lanes", "one-diamond", "two-diamonds"],
)
def test_the_lower_bound_of_a_graph_drawn_by_hand(graph: Graph, path_s: float, bound_s: float) -> None:
    assert graph.critical_path_s == pytest.approx(path_s)
    assert graph.lower_bound_s(2) == pytest.approx(bound_s)


@pytest.mark.parametrize(("graph", "workers"), cases(), ids=lambda value: getattr(value, "shape", str(value)))
def test_every_bound_can_be_reached_by_a_scheduler_that_starts_what_is_ready_in_order(
    graph: Graph, workers: int
) -> None:
    """Otherwise the goal would ask for what no scheduler can do."""
    assert list_schedule_s(graph, workers) == pytest.approx(graph.lower_bound_s(workers))


def list_schedule_s(graph: Graph, workers: int) -> float:
    """The end of a schedule in which a free worker takes the first gate that is ready."""
    ends: dict[str, float] = {}
    waiting = list(graph.needs)
    now, running = 0.0, dict[str, float]()
    while waiting or running:
        for name in list(waiting):
            if len(running) < workers and all(need in ends for need in graph.needs[name]):
                waiting.remove(name)
                running[name] = now + graph.sleeps_s[name]
        now = min(running.values())
        for name in [name for name, end in running.items() if end <= now + 1e-9]:
            ends[name] = running.pop(name)
    return now


def table() -> Table:
    results = [result("pytest", 5.0), result("batchgate, 2 workers", 2.0, equal=False)]
    goals = (at_least("x: pytest / batchgate", results[0], results[1], 3.0),)
    return Table(title="x 1: tests alone", header=("",) * 8, rows=rows_of(results), goals=goals)


FACTS = {
    "cpus": 2,
    "cpu": "one",
    "system": "Linux",
    "python": "3.11",
    "commit": "abc",
    "date": "2026-01-01",
    "rounds": 5,
    "load_1min": 0.1,
}


def test_markdown_goes_between_the_markers_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- benchmark:begin -->\nold\n<!-- benchmark:end -->\nbelow\n", encoding="utf-8")
    content = markdown([table()], FACTS)
    write_markdown(page, content)
    write_markdown(page, content)
    lines = page.read_text(encoding="utf-8").splitlines()
    assert (lines[0], lines[-1]) == ("above", "below")
    assert "old" not in lines
    assert lines.count("### x 1: tests alone") == 1


def test_a_missed_goal_and_an_unequal_outcome_are_said_aloud() -> None:
    assert "MISSED" in goals_text([table()])
    assert "batchgate, 2 workers: outcome: counts differ" in markdown([table()], FACTS)


@pytest.mark.parametrize("project", REAL, ids=lambda project: project.name)
def test_what_runs_in_a_project_is_pinned(project: Project) -> None:
    stubs = {"pip", "types-simplejson"}  # nothing of theirs runs in a suite's time
    assert [
        need for need in (*TOOLS, project.mypy, *project.needs) if "==" not in need and need not in stubs
    ] == []
