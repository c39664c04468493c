"""A run that is followed from outside: from its short record back to the same tree, failures and end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from report_kit import GATES, RUN_ID, STARTED_UNIX_S, FakeTeller, hostile, many, story

from pytest_batchgate.core.events import (
    CommandUse,
    Event,
    GateStarted,
    RunFinished,
    RunStarted,
    Sampled,
    TestsWereRun,
    WorkerUse,
)
from pytest_batchgate.core.model import Estimates, GateName
from pytest_batchgate.errors import BatchGateError
from pytest_batchgate.report.followed import Followed
from pytest_batchgate.report.livestate import LiveState
from pytest_batchgate.report.livetree import draw
from pytest_batchgate.report.monitorview import lines as view
from pytest_batchgate.report.monitorview import snapshot
from pytest_batchgate.report.retold import opening
from pytest_batchgate.report.shortjournal import MOST_ROWS, MOST_TEXTS, ShortJournal

ESTIMATES = Estimates(commands={"lint": 1.0, "docs": 2.0}, tests={"unit": 8}, work={"unit": 6.0})


def recorded(events: Sequence[Event]) -> list[dict[str, Any]]:
    """The lines of a run, each by way of bytes."""
    start = events[0]
    assert isinstance(start, RunStarted)
    written: list[bytes] = []
    more = {
        "pid": 123,
        "rootdir": "/repo",
        "stages": (),
        "needs": {gate.name: gate.needs for gate in start.gates},
        "sequential": False,
        "narrowed": False,
        "logs": "/repo/logs",
        "log_names": {gate.name: gate.name for gate in start.gates},
    }
    journal = ShortJournal(
        written.append, FakeTeller(), run_id=RUN_ID, started_unix_s=STARTED_UNIX_S, more=more
    )
    for event in events:
        journal.handle(event)
    lines = b"".join(written).split(b"\n")
    assert lines.pop() == b""
    return [json.loads(line) for line in lines]


def follow(lines: Sequence[dict[str, Any]]) -> Followed:
    state = Followed(opening(lines[0]), ESTIMATES)
    for line in lines:
        state.read(line)
    return state


def shown(lines: Sequence[Any]) -> str:
    return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines)


@pytest.mark.parametrize("events", [story(), hostile(), many(450, 2)], ids=["story", "hostile", "many"])
def test_the_tree_is_the_one_that_the_run_itself_draws(events: list[Event]) -> None:
    """After every event but the last, at which the run's own tree is gone."""
    lines = recorded(events)
    assert len(lines) == len(events)
    there = Followed(opening(lines[0]), ESTIMATES)
    here = LiveState(there.start.plan, ESTIMATES, workers=there.start.workers)
    for event, line in zip(events[:-1], lines, strict=False):
        here.fold(event)
        there.read(line)
        assert draw(there, (), event.at, width=200, height=60) == draw(
            here, (), event.at, width=200, height=60
        )


def test_a_finished_run() -> None:
    state = follow(recorded(story()))
    assert shown(view(state, state.at, "finished", width=200, height=60)) == (
        "run 01234567, finished\n"
        "5s · 5 of 5 gates · 9 of 9 tests · 4 failed · 3 gates not good\n"
        "├─ ✗ lint  failed      0.9s           6 findings, exit code 1\n"
        "├─ ✓ docs  flaky       2.5s           passed on attempt 2\n"
        "├─ ✓ db    stopped     4.5s\n"
        "├─ ✗ unit  failed      3.5s           1 passed, 3 failed, 1 skipped, 1 xfailed, 1 error,"
        " 3 of 8 tests failed\n"
        "└─ \u2013 slow  skipped                    1 skipped, needs lint, which failed\n"
        "\n"
        "failures\n"
        "[  0.5s] error tests/test_broken.py: cannot be collected\n"
        "[  1.0s] failed tests/test_a.py::TestC::test_fails[a<b-&]: assert 1 == 2\n"
        "[  2.0s] failed tests/test_a.py::test_crashes: worker gw0 was killed by SIGSEGV"
        " while it ran this test\n"
        "[  2.8s] failed tests/test_a.py::test_fails_twice: assert 1 == 2\n"
        '[  3.0s] error tests/test_a.py::test_leaves_a_broken_fixture: failed on teardown with "OSError"\n'
        "\n"
        "failed (exit code 1): lint failed, unit failed, slow skipped, after 5.1s\n"
    )


def sample(at: float, cpu_s: float) -> Sampled:
    busy = WorkerUse(
        worker="gw0", cpu_s=cpu_s, rss_bytes=50 << 20, gate=GateName("unit"), test="a.py::t", running_s=0.25
    )
    idle = WorkerUse(worker="gw1", cpu_s=1.0, rss_bytes=40 << 20)
    lint = CommandUse(gate=GateName("lint"), cpu_s=2 * cpu_s, rss_bytes=3 << 30, looked_at=at)
    return Sampled(at, (busy, idle), (lint,))


def test_what_is_used_stands_beside_the_gates_that_run() -> None:
    gates = {gate.name: gate for gate in GATES}
    events: list[Event] = [
        RunStarted(0.0, (gates[GateName("lint")], gates[GateName("unit")]), 2, (GateName("unit"),)),
        GateStarted(0.1, GateName("lint"), (1,)),
        GateStarted(0.1, GateName("unit"), ()),
        sample(1.0, 1.0),
        sample(1.5, 1.25),
    ]
    state = follow(recorded(events))
    assert shown(view(state, 3.5, "running", width=200, height=60)) == (
        "run 01234567, process 123\n"
        "3s of ~4s · 0 of 2 gates · 0 of ~8 tests\n"
        "├─ ● lint  running     3s of ~1.0s    gw1, 1.0 CPU, 3.0 GiB\n"
        "└─ ● unit  running     3s of ~3s      0 of ~8, 0.5 CPU, 50 MiB\n"
        "   └─ gw0       2s  a.py::t\n"
        "workers: gw0 50% 50 MiB, gw1 0% 40 MiB\n"
    )
    told = snapshot(state, 3.5, "running")
    assert told["workers"] == [
        {
            "name": "gw0",
            "cores": 0.5,
            "rss_bytes": 50 << 20,
            "gate": "unit",
            "test": "a.py::t",
            "running_s": 0.25,
        },
        {"name": "gw1", "cores": 0.0, "rss_bytes": 40 << 20, "gate": None, "test": None, "running_s": None},
    ]
    lint, unit = told["gates"]
    assert (lint["name"], lint["state"], lint["cores"], lint["rss_bytes"]) == (
        "lint",
        "running",
        1.0,
        3 << 30,
    )
    assert (unit["name"], unit["cores"], unit["rss_bytes"]) == ("unit", 0.5, 50 << 20)


def test_a_snapshot_is_json_whatever_tests_are_called() -> None:
    state = follow(recorded(hostile()))
    told = json.loads(json.dumps(snapshot(state, state.at, "finished")))
    assert (told["schema"], told["state"], told["verdict"], told["exit_code"]) == (
        1,
        "finished",
        "interrupted",
        2,
    )
    assert [gate["state"] for gate in told["gates"]] == ["failed", "failed"]
    assert len(told["failures"]) == 1
    tree = shown(view(state, state.at, "finished", width=200, height=60, unicode=False))
    assert tree.isascii()
    assert all(line.isprintable() for line in tree.splitlines())


def test_a_run_that_was_killed_has_no_gate_that_still_runs() -> None:
    state = follow(recorded(story()[:9]))
    state.give_up()
    text = shown(view(state, state.at, "killed", width=200, height=60))
    assert "running" not in text
    assert text.endswith("the run was killed after 0.4s or later: process 123 is gone\n")


def test_texts_are_kept_of_some_failures_and_names_of_more() -> None:
    events = many(200, MOST_ROWS // 200 + 1)
    for number, event in enumerate(events):
        if isinstance(event, TestsWereRun):
            failed = tuple(result._replace(outcome="failed") for result in event.results)
            events[number] = TestsWereRun(event.at, event.worker, event.collected, failed)
    rows = [row for line in recorded(events) for row in line.get("failures", ())]
    assert len(rows) == MOST_ROWS
    assert sum("text" in row for row in rows) == MOST_TEXTS
    state = follow(recorded(events))
    assert state.gates[GateName("unit")].counts["failed"] == MOST_ROWS + 200
    assert len(state.failures) == 1_000


@pytest.mark.parametrize("line", [{}, {"event": "RunStarted"}, {"gates": 3}])
def test_a_record_of_something_else_is_one_message(line: dict[str, Any]) -> None:
    with pytest.raises(BatchGateError, match="cannot be read"):
        opening(line)


def test_lines_that_are_not_understood_are_passed_over() -> None:
    lines = recorded(story())
    state = follow(lines[:5])
    before = view(state, 1.0, "running", width=200, height=60)
    for line in (
        {},
        {"event": "Invented", "at": 1},
        {"event": "GateStarted"},
        {"event": "GateStarted", "at": "x"},
        {"event": "GateStarted", "at": float("inf"), "gate": "docs", "slots": []},
        {"event": "TestsWereRun", "at": 1, "worker": "gw0", "counts": {"unit": {"passed": 10**12}}},
    ):
        assert state.read(line) == []
    assert view(state, 1.0, "running", width=200, height=60) == before


def test_the_last_event_tells_what_gates_became_that_never_ended() -> None:
    *events, end = story()
    assert isinstance(end, RunFinished)
    state = follow(recorded([*events[:5], end]))
    assert all(view.state.ended for view in state.gates.values())
    assert state.result is not None
    assert state.result == end.result
