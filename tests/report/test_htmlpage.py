"""`report.html` in a real browser: what it shows, by mouse and by keys, on a desk and on a phone.

One Chromium for all of it.  How long anything takes is asserted nowhere.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_kit import Browser, browser
from report_kit import ended, gate_of_tests, hostile, many, result, story
from test_htmlreport import BENCHMARK, page_of

from pytest_batchgate.core.events import (
    Event,
    FileWasCollected,
    GateFinished,
    Noticed,
    RunFinished,
    RunStarted,
    TestsWereRun,
)
from pytest_batchgate.core.model import Finding, GateName, GateState
from pytest_batchgate.core.protocol import CollectedFile, TestResult
from pytest_batchgate.report.htmlpage import with_benchmark
from pytest_batchgate.report.told import Told

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PATIENCE_S = 30.0
DOWN, ENTER, RIGHT, TAB = "\ue015", "\ue007", "\ue014", "\ue004"

EVIL = (
    "</script><script>hacked=1</script><img src=x onerror=hacked=1><svg onload=hacked=1>"
    "<a href=javascript:hacked=1>x</a>\"'--><!--\u202e\x00\ud800{{data}}"
)


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    yield from browser()


@pytest.fixture
def pages(tmp_path: Path) -> Any:
    def written(events: list[Event]) -> Path:
        path = tmp_path / "report.html"
        path.write_bytes(with_benchmark(page_of(events), BENCHMARK))
        return path

    return written


def until(chrome: Browser, script: str, wanted: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (found := chrome.run(script)) != wanted:
        assert time.monotonic() < deadline, f"{found!r} is not {wanted!r}"
        time.sleep(0.05)


def matches(chrome: Browser, wanted: str) -> None:
    until(chrome, "return document.getElementById('matches').textContent", wanted)


def names(chrome: Browser) -> list[str]:
    """Of the rows of the list of tests that are drawn."""
    script = "return [...document.querySelectorAll('.row .name')].map(name => name.textContent)"
    return list(chrome.run(script))


def test_what_the_page_shows(chrome: Browser, pages: Any) -> None:
    path = pages(story())
    chrome.open(path)
    assert chrome.run("return document.querySelector('h1').textContent") == (
        "Failed: lint failed, unit failed, slow skipped"
    )
    shown = chrome.text("main")
    for word in (
        "ruff check .",
        "needs lint, which failed",
        "passed on attempt 2",
        "Files that could not be collected",
        "at 2.00 s · gw0 was lost: killed by SIGSEGV",
    ):
        assert word in shown, word
    assert chrome.run("return [...document.querySelectorAll('section')].map(each => each.id)") == [
        "gates", "failures", "findings", "timeline", "slowest", "tests", "benchmark", "notices",
    ]  # fmt: skip
    boxes = "return [...document.querySelectorAll('.graph a')].map(each => each.getAttribute('aria-label'))"
    assert sorted(chrome.run(boxes)) == [
        "db: passed · 4.50 s",
        "docs: flaky · 2.50 s",
        "lint: failed · 0.90 s",
        "slow: skipped, needs lint",
        "unit: failed · 3.50 s",
    ]
    assert chrome.run("return document.querySelectorAll('.graph .edge').length") == 1
    lanes = (
        "return [...document.querySelectorAll('.lanes canvas')].map(each => each.getAttribute('aria-label'))"
    )
    critical, gw0, gw1, service = chrome.run(lanes)
    assert critical == "Critical path: unit"
    assert gw0.startswith("gw0: busy ")
    assert "idle" in gw0
    assert gw1 == "gw1: busy 57 %, idle 2.20 s, 3 slices"
    assert service == "db: a service"
    assert chrome.run("return document.querySelectorAll('#benchmark circle').length") == 3
    lines = (
        "return [...document.querySelectorAll('#benchmark polyline')].map(line => line.getAttribute('class'))"
    )
    assert chrome.run(lines) == ["model", "law", "measured"]
    assert "1.90\N{MULTIPLICATION SIGN}" in chrome.text("#benchmark")
    complaints, asked = chrome.told()
    assert complaints == []
    assert [address for address in asked if not address.startswith("data:")] == [path.as_uri()]


def test_search_and_filters(chrome: Browser, pages: Any) -> None:
    chrome.open(pages(story()))
    matches(chrome, "9 tests")
    assert names(chrome)[:3] == ["TestC::test_fails[a<b-&]", "test_crashes", "test_fails_twice"], (
        "worst first"
    )
    chrome.run("document.getElementById('search').focus()")
    chrome.press("TEST_ fails -twice")
    matches(chrome, "2 of 9 tests")
    assert names(chrome) == ["TestC::test_fails[a<b-&]", "test_xfails"]
    chrome.run("document.getElementById('search').select()")
    chrome.press("\ue003")  # backspace
    matches(chrome, "9 tests")
    chip = "[...document.querySelectorAll('.chip')].find(each => each.textContent.startsWith(arguments[0]))"
    for outcome in ("skipped", "xfailed"):
        chrome.run(f"{chip}.click()", outcome)
    matches(chrome, "3 of 9 tests")
    assert chrome.run(f"return {chip}.getAttribute('aria-pressed')", "xfailed") == "true"
    chrome.run(
        "const gate = document.querySelector('[aria-label=Gate]');"
        "gate.selectedIndex = 2; gate.dispatchEvent(new Event('change'))"
    )
    matches(chrome, "1 of 9 tests")
    assert names(chrome) == ["test_a"]


def test_everything_by_keys(chrome: Browser, pages: Any) -> None:
    """Skip link, search, list, a failure's text, the timeline, the graph."""
    chrome.open(pages(story()))
    focused = "return document.activeElement.className || document.activeElement.id"
    chrome.press(TAB)
    assert chrome.run(focused) == "skip"
    assert chrome.run("return document.activeElement.getBoundingClientRect().left >= 0"), "it is seen"
    chrome.press(ENTER)
    until(chrome, "return document.activeElement.id", "main")
    chrome.press("/")
    until(chrome, "return document.activeElement.id", "search")
    chrome.press("fails[")
    matches(chrome, "1 of 9 tests")
    chrome.press(DOWN)
    chrome.press(DOWN)
    active = "document.activeElement.getAttribute('aria-activedescendant')"
    assert "test_fails[a<b-&]" in chrome.run(f"return document.getElementById({active}).textContent")
    assert "unit · gw0" in chrome.text(".detail")
    chrome.press(ENTER)
    opened = "return document.activeElement.closest('details').open"
    assert chrome.run(opened)
    until(chrome, "return !!document.querySelector('#failures details[open] pre .e')", wanted=True)
    assert "E   assert 1 == 2" in chrome.text("#failures details[open]")
    assert "printed <this>" in chrome.text("#failures details[open]")
    chrome.press(ENTER)
    assert not chrome.run(opened)
    chrome.run("document.querySelectorAll('.lanes canvas')[2].focus()")
    chrome.press(RIGHT)
    assert chrome.text(".readout").startswith("lint · failed · 0.90 s · gw1 from 0.10 s")
    chrome.press(RIGHT)
    assert chrome.text(".readout").startswith("docs · timed-out")
    for selector in (
        "a[href]",
        "button:not([hidden])",
        "summary",
        "input",
        "select",
        "canvas[tabindex]",
        "pre",
    ):
        script = "return [...document.querySelectorAll(arguments[0])].every(each => each.tabIndex === 0)"
        assert chrome.run(script, selector), selector


CONTRAST = """
const probe = document.createElement("p");
document.body.append(probe);
const light = (name) => {
  probe.style.color = `var(--${name})`;
  const parts = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
  const [r, g, b] = parts.map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const pairs = [];
for (const ground of ["page", "card", "well", "good-wash", "bad-wash", "warn-wash"]) {
  for (const ink of ["ink", "soft", "accent", "good", "bad", "warn"]) {
    const [low, high] = [light(ground), light(ink)].sort((a, b) => a - b);
    pairs.push([ink, ground, (high + 0.05) / (low + 0.05)]);
  }
}
return pairs;
"""


def test_both_themes_can_be_read_and_chosen(chrome: Browser, pages: Any) -> None:
    """WCAG AA: 4.5 for every text on every ground."""
    path = pages(story())
    ground = "return getComputedStyle(document.body).backgroundColor"
    grounds = []
    for dark in (False, True):
        chrome.open(path, dark=dark)
        grounds.append(chrome.run(ground))
        assert [pair for pair in chrome.run(CONTRAST) if pair[2] < 4.5] == []
    assert grounds[0] != grounds[1]
    chrome.run("document.getElementById('theme').click()")
    assert chrome.run(ground) == grounds[0]
    assert chrome.run("return document.getElementById('theme').textContent") == "Dark"
    chrome.run("location.reload()")
    until(chrome, "return document.documentElement.dataset.theme", "light")
    chrome.run("localStorage.clear()")


@pytest.mark.parametrize("events", [story(), hostile()], ids=["story", "hostile"])
def test_a_phone_scrolls_no_page_sideways(chrome: Browser, pages: Any, events: list[Event]) -> None:
    chrome.open(pages(events), width=360)
    chrome.run("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    until(chrome, "return document.querySelectorAll('#failures pre').length > 0", wanted=True)
    assert chrome.run("return [innerWidth, document.documentElement.scrollWidth]") == [360, 360]
    wide = """return [...document.querySelectorAll("main *, header *")]
        .filter(each => each.getBoundingClientRect().right > 361)
        .filter(each => !each.closest(".scroll, pre, nav, .unseen"))
        .map(each => each.outerHTML)"""
    assert chrome.run(wide) == []


def test_hostile_texts_are_only_read(chrome: Browser, pages: Any) -> None:
    """Whoever names a test, prints, or writes a tool's message, gets no markup and no script."""
    keys = (f"t{EVIL}.py::t[{EVIL}]", "odd::t")
    file = CollectedFile(file=f"t{EVIL}.py", keys=keys, gates=(0, 0), errors=1, payload=EVIL)
    told = Told(message=EVIL, text=f"E  {EVIL}\n> {EVIL}", output=((EVIL, EVIL),))
    results = (
        TestResult(0, "failed", 0.1, (0.2, told)),
        TestResult(1, "skipped", 0.1, (0.3, Told(message=EVIL))),
    )
    found = Finding(path=EVIL, line=1, column=1, rule=EVIL, severity="error", message=EVIL)
    unit = ended("unit", GateState.FAILED, kind="tests", reason=EVIL, findings=(found,))
    chrome.open(
        pages(
            [
                RunStarted(0.0, (gate_of_tests("unit"),), 1, (GateName("unit"),)),
                Noticed(0.0, EVIL),
                FileWasCollected(0.1, "gw0", file),
                TestsWereRun(0.5, "gw0", file, results),
                GateFinished(1.0, unit),
                RunFinished(1.0, result(unit, verdict="failed", exit_code=1, stop_reason=EVIL)),
            ]
        )
    )  # fmt: skip
    chrome.run("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    until(chrome, "return document.querySelectorAll('#failures pre').length", 3)
    chrome.run("document.querySelectorAll('.row').forEach(each => each.click())")
    assert chrome.run("return typeof hacked") == "undefined"
    made = "img, main a:not(.graph a), main script, [onerror], [onload]"
    assert chrome.run("return document.querySelectorAll(arguments[0]).length", made) == 0
    assert chrome.run("return document.scripts.length") == 2
    said = chrome.text("body")
    assert "<script>hacked=1</script><img src=x onerror=hacked=1>" in said
    assert "\\u202e\\x00\\ud800{{data}}" in said
    complaints, asked = chrome.told()
    assert complaints == []
    assert len([address for address in asked if not address.startswith("data:")]) == 1


def test_sixty_thousand_tests(chrome: Browser, pages: Any) -> None:
    """All can be found, though only those in sight are elements."""
    chrome.open(pages(many(600, 100)))
    matches(chrome, "60,000 tests")
    assert 0 < len(names(chrome)) < 100
    chrome.run("document.querySelector('.list').focus()")
    chrome.press("\ue010")  # end
    until(
        chrome,
        "return document.querySelector('.detail code').textContent",
        "tests/test_99.py::test_number[599]",
    )
    assert names(chrome)[-1] == "test_number[599]"
    chrome.run("document.getElementById('search').focus()")
    chrome.press("test_7.py [59")
    matches(chrome, "11 of 60,000 tests")
    assert chrome.told()[0] == []
