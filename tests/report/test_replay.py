"""What a shard wrote, read back: every report made again from it is the report it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from report_kit import RUN_ID, STARTED_UNIX_S, FakeTeller, Written, feed, hostile, story

from pytest_batchgate.core.breaker import BreakerChange, BreakerState, Trigger
from pytest_batchgate.core.bus import Subscriber
from pytest_batchgate.core.events import BreakerChanged, Event, Noticed, RunFinished, RunStarted, TestsWereRun
from pytest_batchgate.core.joining import Part
from pytest_batchgate.core.model import Finding, GateName
from pytest_batchgate.errors import ReportError
from pytest_batchgate.report.journal import Journal
from pytest_batchgate.report.jsonreport import JsonReport
from pytest_batchgate.report.junit import JunitReport
from pytest_batchgate.report.replay import ReplayTeller, is_whole, read_part
from pytest_batchgate.report.structure import made, number
from pytest_batchgate.report.summary import Summary
from pytest_batchgate.report.told import Teller
from pytest_batchgate.report.trace import TraceReport

ABOUT = {"index": 2, "count": 3, "narrowed": False, "source": "batchgate.yaml", "facts": {"commit": "abc"}}


def journal(path: Path, events: list[Event], *, began_s: float = STARTED_UNIX_S) -> Path:
    with path.open("wb") as file:
        writer = Journal(file.write, FakeTeller(), run_id=RUN_ID, started_unix_s=began_s, shard=ABOUT)
        for event in events:
            writer.handle(event)
    return path


def read(path: Path) -> Part:
    return read_part(path, shown="there", claims={}, epoch_s=[])


def again(part: Part, first: Event) -> list[Event]:
    """The whole stream; what began it is known in parts only."""
    assert isinstance(first, RunStarted)
    assert part.result is not None
    head = RunStarted(first.at, part.gates, part.workers, first.claims)
    return [head, *part.events, RunFinished(part.result.wall_s, part.result)]


def all_reports(events: list[Event], teller: Teller) -> list[str]:
    kinds: list[Callable[[Written], Subscriber]] = [
        lambda file: JunitReport(file, teller, started_unix_s=STARTED_UNIX_S, pause_s=3600.0),
        lambda file: JsonReport(file, run_id=RUN_ID),
        lambda file: Summary(file, teller),
        lambda file: TraceReport(file, teller, run_id=RUN_ID),
    ]
    texts = []
    for kind in kinds:
        file = Written()
        feed(kind(file), events)
        texts.append(file.text)
    return texts


def test_every_report_of_what_was_read_back_is_the_one_it_was(tmp_path: Path) -> None:
    """Retries, crashes, late errors, files that cannot be collected, services and findings among it."""
    events = story()
    part = read(journal(tmp_path / "j", events))
    assert (part.index, part.count, part.facts, part.workers) == (2, 3, {"commit": "abc"}, 2)
    assert part.result == events[-1].result  # type: ignore[union-attr]
    replayed = all_reports(again(part, events[0]), ReplayTeller())
    for new, old in zip(replayed, all_reports(events, FakeTeller()), strict=True):
        assert new == old


def test_whatever_is_hostile_is_read_back_as_harmless_as_it_was_written(tmp_path: Path) -> None:
    events = hostile()
    for text in all_reports(again(read(journal(tmp_path / "j", events)), events[0]), ReplayTeller()):
        assert "\x1b" not in text


def test_times_of_another_machine_are_moved_to_the_first_ones_clock(tmp_path: Path) -> None:
    claims: dict[str, int] = {}
    epoch_s: list[float] = []
    paths = [
        journal(tmp_path / name, story(), began_s=STARTED_UNIX_S + more)
        for name, more in (("a", 0), ("b", 7))
    ]
    first, second = (read_part(path, shown="x", claims=claims, epoch_s=epoch_s) for path in paths)
    assert (first.began_s, second.began_s, epoch_s) == (0.0, 7.0, [STARTED_UNIX_S])
    assert [event.at + 7.0 for event in first.events] == pytest.approx([event.at for event in second.events])
    batch = next(event for event in second.events if isinstance(event, TestsWereRun))
    assert ReplayTeller().start_s(batch.results[0]) == 7.5
    assert ReplayTeller(7.0).start_s(batch.results[0]) == 0.5
    assert claims == {"unit": 0, "slow": 1}


def test_a_breaker_is_read_back(tmp_path: Path) -> None:
    change = BreakerChange(
        before=BreakerState.CLOSED,
        after=BreakerState.OPEN,
        trigger=Trigger.TRIPPED,
        at=1.0,
        reason="5 in a row",
        wakes_at=9.0,
    )
    event = BreakerChanged(1.0, GateName("unit"), change, 3)
    assert read(journal(tmp_path / "j", [*story()[:1], event])).events == (event,)


def test_what_is_said_before_the_run_begins_is_read_too(tmp_path: Path) -> None:
    """As a resumed one does, one with workers elsewhere, and whoever warns of the configuration."""
    early = Noticed(0.0, "continues the run of yesterday")
    path = journal(tmp_path / "j", [early, *story()])
    part = read(path)
    assert part.events[0] == early
    assert len(part.events) == len(story()) - 1
    assert not is_whole(path)
    path.write_bytes(path.read_bytes().replace(b'"shard":{', b'"other":{', 1))
    assert is_whole(path)


def test_a_run_that_was_killed_is_read_as_far_as_it_came(tmp_path: Path) -> None:
    path = journal(tmp_path / "j", story())
    path.write_bytes(path.read_bytes()[:-20])
    part = read(path)
    assert part.result is None
    assert len(part.events) == len(story()) - 2


def broken(text: bytes) -> bytes:
    return text.replace(b'"event":"TestsWereRun"', b'"event":"TestsWereRun","results":7,"x":1', 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: b"", "there: nothing is known of the run, which ended as soon as it began"),
        (lambda text: text[:100], "there: nothing is known of the run"),
        (lambda text: b"{}\n" + text, "there: line 1 is not what this version writes (KeyError: 'event')"),
        (lambda text: b"[]\n" + text, "there: line 1 is not what this version writes (TypeError: no object)"),
        (lambda text: text.replace(b'"schema":1', b'"schema":2', 1), "it does not begin as a run does"),
        (lambda text: text.replace(b'"index":2', b'"index":4', 1), "no shard has such a number"),
        (lambda text: text.replace(b'"count":3', b'"count":1000000000', 1), "no shard has such a number"),
        (lambda text: text.replace(b'"facts":{', b'"facts":7,"x":{', 1), "line 1 is not what this version"),
        (lambda text: text.replace(b'"lint"', b'"../lint"'), "'../lint' is no gate's name"),
        (lambda text: text.replace(b'"gate":"lint"', b'"gate":"else"', 1), "the run has no gate 'else'"),
        (lambda text: text.replace(b'"shard":{', b'"other":{', 1), "there: this was no shard"),
        (lambda text: text.replace(b'"nodeid":"', b'"nodeid":"x', 1), "is not what this version writes"),
        (lambda text: text.replace(b'"state":"failed"', b'"state":"fallen"', 1), "is not what this version"),
        (lambda text: text.replace(b'"wall_s":0.9', b'"wall_s":true', 1), "True is no number"),
        (lambda text: text.replace(b'"name":"lint"', b'"name":7', 1), "7 is no str"),
        (lambda text: text.replace(b"\n", b"\n\xff\n", 1), "line 2 is not what this version writes"),
        (lambda text: text.replace(b'"at":0.2', b'"at":' + b"[" * 50_000, 1), "line 6 is not what"),
    ],
)
def test_what_is_no_such_file_is_told_in_one_line(tmp_path: Path, change: Any, words: str) -> None:
    path = journal(tmp_path / "j", story())
    text = path.read_bytes()
    path.write_bytes(change(text))
    assert path.read_bytes() != text
    with pytest.raises(ReportError) as caught:
        read(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_newer_version_tells_besides_is_passed_over(tmp_path: Path) -> None:
    path = journal(tmp_path / "j", story())
    lines = path.read_bytes().splitlines(keepends=True)
    told = json.loads(lines[1]) | {"more": 1}
    path.write_bytes(
        b"".join([lines[0], json.dumps(told).encode() + b"\n", b'{"event":"Later","at":1}\n', *lines[2:]])
    )
    assert len(read(path).events) == len(story()) - 2


def test_numbers_that_json_lacks() -> None:
    told = {"path": None, "line": 3, "column": None, "rule": "x", "severity": "note", "message": "m"}
    assert made(Finding, told).line == 3
    with pytest.raises(ValueError, match="loud"):
        made(Finding, {**told, "severity": "loud"})
    assert number("inf") == float("inf")
    with pytest.raises(TypeError):
        number("7")
