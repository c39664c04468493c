"""`events.jsonl`: golden, total, a line at a time."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import Any

from report_kit import RUN_ID, STARTED_UNIX_S, FakeTeller, Written, check, feed, hostile, story

from pytest_batchgate.core.events import Event, Noticed
from pytest_batchgate.report.journal import Journal
from pytest_batchgate.report.jsonable import plain, quoted, rendered, seconds


def written(events: list[Event]) -> str:
    appended = Written()
    feed(
        Journal(appended, FakeTeller(), run_id=RUN_ID, started_unix_s=STARTED_UNIX_S), events, attempts=False
    )
    assert len(appended.contents) == len(events), "each event is written before the next one"
    return b"".join(appended.contents).decode()


def strict(line: str) -> Any:
    """As a reader that takes no NaN and no half of a surrogate pair."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found = json.loads(line, parse_constant=refuse)
    json.dumps(found, ensure_ascii=False).encode("utf-8")
    return found


def test_the_run_as_it_happened() -> None:
    text = written(story())
    check("events.jsonl", text)
    lines = [strict(line) for line in text.splitlines()]
    assert [line["event"] for line in lines] == [type(event).__name__ for event in story()]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    assert "not for reports" not in text, "a gate's environment is not told"


def test_whatever_is_not_ours_stays_text() -> None:
    lines = [strict(line) for line in written(hostile()).splitlines()]
    results = next(line for line in lines if line["event"] == "TestsWereRun")["results"]
    assert results[0]["duration_s"] == 0.0
    assert results[0]["text"].endswith("</details>\\udc80"), "halves of pairs show as their code"
    assert "\x1b[31m" in results[0]["text"], "the rest is as it was"


def test_an_event_of_a_plugin_or_of_a_later_version_is_told_too() -> None:
    """What nobody knows is shown by its fields; unknown values by their repr, which may raise."""

    class Colour(enum.Enum):
        RED = "red"

    class Odd:
        def __repr__(self) -> str:
            raise ValueError("no")

    class Text(str):
        __slots__ = ()

    nested: Any = []
    for _ in range(500):
        nested = [nested]
    odd: Any = {1: {Colour.RED}, Colour.RED: Path("x"), "y": Odd(), "z": Text("\ud800"), "n": nested}
    told = strict(written([Noticed(float("inf"), odd)]))
    assert told["at"] == "inf"
    assert told["text"]["1"] == ["red"]
    assert "x" in told["text"]["red"]
    assert told["text"]["y"] == "<unpresentable Odd: ValueError>"
    assert told["text"]["z"] == "\\ud800"


def test_words_of_json() -> None:
    assert strict(quoted('a"\\\n\x00\u2028\udfff')) == 'a"\\\n\x00\u2028\\udfff'
    assert strict(rendered({"é": [1, 2.5, None, True, b"x"]})) == {"é": [1, 2.5, None, True, "b'x'"]}
    assert [seconds(value) for value in (0.1, -1.0, 1e300, float("nan"))] == [
        "0.100000",
        "-1.000000",
        "0.0",
        "0.0",
    ]
    assert plain((1, {2})) == [1, [2]]
