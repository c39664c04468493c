"""`report.html`: golden document, and the page around it as a file; what it does is `test_htmlpage.py`'s."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pytest
from report_kit import (
    FILE,
    HOSTILE,
    RUN_ID,
    FakeTeller,
    Written,
    check,
    ended,
    feed,
    gate_of_tests,
    many,
    result,
    story,
)
from report_kit import hostile as hostile_story

from pytest_batchgate.core.events import (
    Event,
    GateFinished,
    RunFinished,
    RunStarted,
    TestsWereCarried,
    TestsWereRun,
)
from pytest_batchgate.core.model import GateName, GateState
from pytest_batchgate.core.protocol import CollectedFile, TestResult
from pytest_batchgate.errors import BatchGateError
from pytest_batchgate.report.htmlfailures import ALL_TEXTS, MOST_FAILURES, MOST_TEXTS, clean
from pytest_batchgate.report.htmlpage import FOLDER, SCRIPTS, render_page, with_benchmark
from pytest_batchgate.report.htmlreport import HtmlReport
from pytest_batchgate.report.told import Told

BENCHMARK = {
    "schema": 1,
    "outcomes_equal": True,
    "projection": {
        "serial_fraction": 0.1,
        "points": [
            {"workers": n, "wall_s": None, "model_s": max(2.0, 8.0 / n), "fit_s": 8.0 * (0.1 + 0.9 / n)}
            for n in (1, 2, 4, 8)
        ],
    },
    "advice": [{"kind": "cache", "target": "lint", "saves_s": 0.5, "text": "lint from a cache"}],
    "levels": [
        {
            "workers": workers,
            "wall_s": 8.0 / speedup,
            "speedup": speedup,
            "efficiency": speedup / workers,
            "tests_per_s": 10.0 * speedup,
            "cpu_s": 8.5,
            "peak_rss_bytes": 90_000_000,
            "lower_bound_s": max(2.0, 8.0 / workers),
        }
        for workers, speedup in ((1, 1.0), (2, 1.9), (4, 3.1))
    ],
}


def page_of(events: list[Event]) -> bytes:
    file = Written()
    feed(HtmlReport(file, FakeTeller(), run_id=RUN_ID), events)
    assert len(file.contents) == 1
    return file.contents[0]


def document_of(page: bytes) -> Any:
    """What a browser would find in the element: everything up to the first end tag."""
    text = page.decode("utf-8")
    (begin,) = re.finditer(r'<script type="application/json" id="data">', text)
    return json.loads(text[begin.end() :].partition("</script")[0])


def test_the_whole_run() -> None:
    document = document_of(page_of(story()))
    check("page.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def test_the_verdict_is_the_first_that_the_page_says() -> None:
    text = page_of(story()).decode("utf-8")
    assert "<title>Failed: lint failed, unit failed, slow skipped</title>" in text
    heading = re.search("<h1>(.*?)</h1>", text, re.DOTALL)
    assert heading is not None
    said = re.sub("<[^>]*>", "", heading[1])
    assert said == "Failed: lint failed, unit failed, slow skipped"


@pytest.mark.parametrize("events", [story(), hostile_story(), many(3, 2), many(0, 0)])
def test_the_page_runs_its_own_script_alone_and_loads_nothing(events: list[Event]) -> None:
    text = page_of(events).decode("utf-8")
    policy = re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; ")
    for tag in ("script", "style"):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]
    assert len(re.findall("<script", text)) == 2
    assert set(re.findall(r"https?://[^\s\"']*", text)) == {"http://www.w3.org/2000/svg"}
    assert "{{" not in text


def test_nothing_hostile_leaves_the_data() -> None:
    """No angle bracket, no control or direction mark, no half of a pair: not even inside of a string."""
    advice = {"levels": [], "advice": [{"saves_s": 1.0, "text": HOSTILE}]}
    page = with_benchmark(page_of(hostile_story()), advice)
    raw = page.partition(b'id="data">')[2].partition(b"</script>")[0]
    assert b"<" not in raw
    said = json.dumps(document_of(page), ensure_ascii=False)
    assert "<b>@you" in said
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", said)


def test_a_carried_test_and_one_that_was_collected_twice() -> None:
    """What did not report is not shown; names that do not begin with their file are kept whole."""
    file = CollectedFile(
        file="t.py", keys=("t.py::a", "t.py::a\x001", "other.py::b", "t.py::c"), gates=(0, 0, 0, 0)
    )
    unit = ended("unit", GateState.CARRIED, kind="tests")
    document = document_of(
        page_of(
            [
                RunStarted(0.0, (gate_of_tests("unit"),), 1, (GateName("unit"),)),
                TestsWereCarried(0.1, file, (TestResult(0, "passed", 1.5), TestResult(2, "xfailed", 0.5))),
                TestsWereRun(0.2, "gw0", file, (TestResult(1, "passed", 0.25),)),
                GateFinished(0.3, unit),
                RunFinished(0.4, result(unit)),
            ]
        )
    )
    (block,) = document["files"]
    assert block["names"][:2] == ["a", "a"]
    assert block["elsewhere"] == {"2": "other.py::b"}
    assert (block["outcomes"], block["lanes"], block["gates"]) == ("ppx", [-1, 0, -1], 0)
    assert block["attempts"] == {"0": 0, "2": 0}
    assert block["durations"] == [1_500_000, 250_000, 500_000]


def test_many_failures_are_bounded_and_what_is_missing_is_counted() -> None:
    """A test that fails again takes the place of its earlier failure."""
    count = MOST_FAILURES + 50
    keys = tuple(f"t.py::t[{number}]" for number in range(count))
    file = CollectedFile(file="t.py", keys=keys, gates=(0,) * count)
    told = Told(message="m" * 5_000, text="begin" + "x" * 60_000 + "end", output=(("out", "y" * 9_000),) * 20)
    results = tuple(TestResult(number, "failed", 0.001, (0.0, told)) for number in range(count))
    unit = ended("unit", GateState.FAILED, kind="tests")
    page = page_of(
        [
            RunStarted(0.0, (gate_of_tests("unit"),), 1, (GateName("unit"),)),
            *(TestsWereRun(1.0, "gw0", file, results[at : at + 200]) for at in range(0, count, 200)),
            RunFinished(2.0, result(unit, verdict="failed", exit_code=1)),
        ]
    )
    document = document_of(page)
    failures = document["failures"]
    assert len(failures) == MOST_FAILURES
    assert len(document["files"][0]["names"]) == count
    with_text = [failure for failure in failures if failure["text"]]
    assert 0 < len(with_text) <= MOST_TEXTS
    assert len(page) < 2 * ALL_TEXTS
    first = with_text[0]
    assert first["text"].startswith("begin")
    assert first["text"].endswith("end")
    assert "characters left out" in first["text"]
    assert first["cut"] > 48_000 + 12 * 5_000
    assert failures[-1]["cut"] == len(told.text) + 20 * 9_000


def test_what_is_cut_keeps_begin_and_end() -> None:
    assert clean("as it is\n", 100) == ("as it is", 0)
    shown, cut = clean("a" * 50 + "z" * 50, 30)
    assert shown == "a" * 10 + "\n[... 70 characters left out ...]\n" + "z" * 20
    assert cut == 70


def test_a_benchmark_joins_the_page_of_a_run() -> None:
    page = page_of(story())
    joined = with_benchmark(page, BENCHMARK)
    assert document_of(joined) == {**document_of(page), "benchmark": BENCHMARK}
    assert with_benchmark(joined, BENCHMARK) == joined
    alone = render_page(None, benchmark=BENCHMARK)
    assert document_of(alone) == {"benchmark": BENCHMARK}
    assert b"<title>Benchmark: " in alone
    for other in (b"", b'<script type="application/json" id="data">[1</script>'):
        with pytest.raises(BatchGateError, match="holds no run"):
            with_benchmark(other, BENCHMARK)


def test_the_parts_of_the_page_are_small_and_all_used() -> None:
    files = sorted(path.name for path in FOLDER.iterdir() if path.is_file())
    assert files == sorted([*SCRIPTS, "page.html", "style.css"])
    for name in files:
        assert len((FOLDER / name).read_text(encoding="utf-8").splitlines()) < 400, name


def test_a_late_failure_of_a_fixture_is_an_error_of_its_test() -> None:
    document = document_of(page_of(story()))
    block = next(block for block in document["files"] if block["file"] == FILE.file)
    outcomes = dict(zip(block["names"], block["outcomes"], strict=True))
    assert outcomes["test_leaves_a_broken_fixture"] == "e"
    assert outcomes["test_flaky"] == "p"
    assert block["attempts"] == {"3": 2, "7": 2}
    assert [kind for *_, kind in document["earlier"]] == ["failed", "failed"]
