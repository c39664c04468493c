"""Attempts of tests, each as a result of its own, and once."""

from __future__ import annotations

import json

from report_kit import FAILS, FILE, RUN_ID, TIMED_OUT, Written, again, feed, ran, story

from pytest_batchgate.core.events import Event, TestsWereRun, TestWasLost
from pytest_batchgate.core.protocol import TestResult
from pytest_batchgate.report.attempts import Attempts
from pytest_batchgate.report.jsonreport import JsonReport


class Heard:
    name = "heard"

    def __init__(self) -> None:
        self.events: list[Event] = []

    def handle(self, event: Event) -> None:
        self.events.append(event)


def heard(*events: Event) -> list[Event]:
    ear = Heard()
    feed(ear, events)
    return ear.events


def run(*results: TestResult) -> TestsWereRun:
    return TestsWereRun(1.0, "gw0", FILE, results)


def lost(words: str) -> TestWasLost:
    return TestWasLost(1.0, "gw0", FILE, 5, "failed", words)


def died(words: str) -> TestResult:
    return TestResult(5, "failed", 0.0, None, words)


def test_an_attempt_is_a_result() -> None:
    first, last = ran(3, "failed", 0.5, told=TIMED_OUT), ran(3, "failed", 0.5, told=TIMED_OUT)
    assert heard(again(1.0, first), run(last)) == [run(first), run(last)], "alike, and yet two"


def test_a_test_that_did_not_run_again_has_ended_as_told() -> None:
    first, other = ran(3, "failed", 0.5, told=FAILS), ran(4, "passed", 0.7)
    assert heard(again(1.0, first), run(other), run(first)) == [run(first), run(other)]


def test_a_worker_that_died_twice_in_the_same_words() -> None:
    """Told as lost; the end of a test that did not run again is the attempt that was told."""
    words = "worker gw0 killed by SIGKILL"
    other = " ".join(words.split())
    assert other == words
    assert other is not words
    assert heard(again(1.0, died(words), died=True), lost(words)) == [lost(words)]
    assert heard(again(1.0, died(words), died=True), lost(other)) == [lost(words), lost(words)]


def test_everything_else_passes() -> None:
    events = [event for event in story() if type(event).__name__ != "TestWillRetry"]
    assert heard(*events) == events
    assert Attempts(Heard()).name == "heard"


def test_attempts_of_a_test_that_was_given_up_are_counted_right() -> None:
    first = ran(3, "failed", 0.5, told=FAILS)
    begin, *_, end = story()
    file = Written()
    feed(JsonReport(file, run_id=RUN_ID), [begin, again(1.0, first), run(first), end])
    (test,) = json.loads(file.text)["tests"]
    assert (test["outcome"], test["attempts"], test["duration_s"]) == ("failed", 1, 0.25)
