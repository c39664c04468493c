"""`trace.json`: golden, and held to the documented format of Chrome trace events."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from report_kit import RUN_ID, FakeTeller, Written, check, feed, hostile, many, story

from pytest_batchgate.core.events import CommandUse, Event, RunFinished, Sampled, WorkerStopped, WorkerUse
from pytest_batchgate.core.model import GateName
from pytest_batchgate.report.trace import TraceReport


def written(events: list[Event]) -> str:
    file = Written()
    feed(TraceReport(file, FakeTeller(), run_id=RUN_ID), events)
    assert len(file.contents) == 1
    return file.text


def rows(document: Any) -> dict[int, str]:
    return {
        event["tid"]: event["args"]["name"]
        for event in document["traceEvents"]
        if (event["ph"], event["name"]) == ("M", "thread_name")
    }


def test_the_whole_run() -> None:
    text = written(story())
    check("trace.json", text)
    document = json.loads(text)
    named = rows(document)
    assert [named[tid] for tid in sorted(named)] == ["critical path", "gw0", "gw1", "service db"]
    told = defaultdict(list)
    for event in document["traceEvents"]:
        if event["ph"] == "X":
            told[named[event["tid"]]].append((event["name"], event["ts"], event["dur"]))
    assert told["critical path"] == [("unit", 200_000, 3_500_000)]
    assert told["gw1"] == [
        ("lint", 100_000, 900_000),
        ("docs", 1_100_000, 500_000),
        ("docs", 2_100_000, 1_500_000),
    ]
    assert told["service db"] == [("db", 100_000, 4_500_000)]
    assert ("tests/test_a.py::test_ok", 500_000, 250_000) in told["gw0"]


@pytest.mark.parametrize(
    "events", [story(), hostile(), many(3, 2), many(0, 0)], ids=["story", "hostile", "many", "none"]
)
def test_the_format(events: list[Event]) -> None:
    """Phases, their required keys and units; slices of a row stand side by side."""
    document = json.loads(written(events))
    assert document["displayTimeUnit"] in {"ms", "ns"}
    named = rows(document)
    ends: dict[int, int] = {}
    for event in document["traceEvents"]:
        assert {"ph", "pid", "tid", "ts", "name"} <= event.keys()
        assert isinstance(event["ts"], int)
        assert event["ts"] >= 0
        assert isinstance(event["name"], str)
        if event["ph"] == "X":
            assert event["dur"] >= 0
            assert event["ts"] >= ends.get(event["tid"], 0)
            ends[event["tid"]] = event["ts"] + event["dur"]
            assert event["tid"] in named
        elif event["ph"] == "i":
            assert event["s"] in {"g", "p", "t"}
            assert event["tid"] in named
        else:
            assert event["ph"] == "M"
            assert event["name"] in {"process_name", "thread_name", "thread_sort_index"}


def sample(at: float, workers: dict[str, float], lint: tuple[float, float] | None) -> Sampled:
    """Of each worker the CPU so far; of the command that and when it was looked at."""
    uses = tuple(
        WorkerUse(worker=name, cpu_s=cpu_s, rss_bytes=3 << 20, gate=GateName("unit"), test="t", running_s=0.1)
        for name, cpu_s in workers.items()
    )
    if lint is None:
        return Sampled(at, uses, ())
    command = CommandUse(gate=GateName("lint"), cpu_s=lint[0], rss_bytes=1 << 19, looked_at=lint[1])
    return Sampled(at, uses, (command,))


def test_a_worker_that_was_lost_before_it_did_anything() -> None:
    head, *rest = story()
    document = json.loads(written([head, WorkerStopped(0.1, "gw9", "was killed"), *rest]))
    named = rows(document)
    told = [each for each in document["traceEvents"] if named.get(each["tid"]) == "gw9" and each["ph"] != "M"]
    assert [each["name"] for each in told] == ["gw9 was lost: was killed"]


def test_cpu_and_memory_are_counters() -> None:
    """Cores in use between two looks; a command keeps its last value until it is looked at again."""
    *events, end = story()
    assert isinstance(end, RunFinished)
    samples = [
        sample(1.0, {"gw0": 1.0}, (0.5, 0.9)),
        sample(1.5, {"gw0": 1.4, "gw1": 2.0}, (0.7, 1.3)),
        sample(2.0, {"gw0": 0.1, "gw1": 2.0}, (0.7, 1.3)),
        sample(2.5, {"gw1": 2.5}, None),
    ]
    document = json.loads(written([*events, *samples, end]))
    counters = [event for event in document["traceEvents"] if event["ph"] == "C"]
    assert [(event["ts"], event["args"]) for event in counters if event["name"] == "CPU (cores)"] == [
        (1_000_000, {"gw0": 0.0, "lint": 0.0}),
        (1_500_000, {"gw0": 0.8, "lint": 0.5, "gw1": 0.0}),
        (2_000_000, {"gw0": 0.0, "lint": 0.5, "gw1": 0.0}),  # another process is gw0 by now
        (2_500_000, {"gw0": 0.0, "lint": 0.0, "gw1": 1.0}),
    ]
    memory = [event["args"] for event in counters if event["name"] == "memory (MiB)"]
    assert memory[1] == {"gw0": 3.0, "lint": 0.5, "gw1": 3.0}
    assert memory[3] == {"gw0": 0.0, "lint": 0.0, "gw1": 3.0}
    assert {event["pid"] for event in counters} == {1}
