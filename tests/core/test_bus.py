"""Every subscriber hears every event in one order, whatever another one does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_batchgate.core.bus import Bus
from pytest_batchgate.core.events import Event, Noticed


def said(text: str) -> Noticed:
    return Noticed(1.5, text)


class Listener:
    """Writes down what it hears, then does what it was given to do."""

    def __init__(self, name: str, log: list[str], do: Callable[[Event], object] = lambda _: None) -> None:
        self.name = name
        self._log = log
        self._do = do

    def handle(self, event: Event) -> None:
        assert isinstance(event, Noticed)
        self._log.append(f"{self.name} {event.text}")
        self._do(event)


def raise_(error: BaseException) -> Callable[[Event], object]:
    def do(event: Event) -> None:
        raise error

    return do


def test_subscribers_hear_events_in_the_order_they_came() -> None:
    log: list[str] = []
    bus = Bus()
    for name in "ab":
        bus.subscribe(Listener(name, log))
    bus.publish(said("1"))
    bus.subscribe(Listener("c", log))
    bus.publish(said("2"))
    assert log == ["a 1", "b 1", "a 2", "b 2", "c 2"]


def test_what_a_subscriber_publishes_comes_after_for_everyone() -> None:
    log: list[str] = []
    bus = Bus()

    def answer(event: Event) -> None:
        if event == said("1"):
            bus.publish(said("answer"))

    bus.subscribe(Listener("a", log, answer))
    bus.subscribe(Listener("b", log))
    bus.publish(said("1"))
    assert log == ["a 1", "b 1", "a answer", "b answer"]


def test_one_that_raises_is_switched_off_and_named_to_the_others() -> None:
    log: list[str] = []
    bus = Bus()
    bus.subscribe(Listener("a", log))
    bus.subscribe(Listener("junit", log, raise_(ValueError("two\nlines"))), owed="junit.xml")
    bus.subscribe(Listener("z", log))
    bus.publish(said("1"))
    bus.publish(said("2"))
    notice = "junit failed and was switched off: ValueError: two lines; junit.xml is missing or incomplete"
    assert log == ["a 1", "junit 1", "z 1", f"a {notice}", f"z {notice}", "a 2", "z 2"]
    (failure,) = bus.failures
    assert (failure.name, failure.owed, type(failure.error)) == ("junit", "junit.xml", ValueError)
    assert bus.owed == ("junit.xml",)


def test_one_that_owes_nothing_leaves_nothing_owed() -> None:
    bus = Bus()
    bus.subscribe(Listener("live", [], raise_(OSError())))
    bus.publish(said("1"))
    assert [(failure.name, failure.owed) for failure in bus.failures] == [("live", None)]
    assert bus.owed == ()


def test_all_may_fail_even_on_the_notice_of_a_failure() -> None:
    log: list[str] = []
    bus = Bus()
    for name in "abc":
        bus.subscribe(Listener(name, log, raise_(RuntimeError(name))))
    bus.publish(said("1"))
    bus.publish(said("2"))
    assert log == ["a 1", "b 1", "c 1"]
    assert [failure.name for failure in bus.failures] == ["a", "b", "c"]


def test_an_error_that_cannot_be_shown_is_still_named() -> None:
    class Unspeakable(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise ValueError

    log: list[str] = []
    bus = Bus()
    bus.subscribe(Listener("a", log, raise_(Unspeakable())))
    bus.subscribe(Listener("b", log))
    bus.publish(said("1"))
    assert log == ["a 1", "b 1", "b a failed and was switched off: Unspeakable"]


class PleaseExitError(Exception):
    """As pytest's Exit: an Exception that ends the run."""


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), PleaseExitError()])
def test_the_end_of_the_run_passes_through_and_costs_nobody_an_event(error: BaseException) -> None:
    log: list[str] = []
    bus = Bus(through=(PleaseExitError,))
    bus.subscribe(Listener("a", log, lambda event: event == said("1") and raise_(error)(event)))
    bus.subscribe(Listener("b", log))
    with pytest.raises(type(error)):
        bus.publish(said("1"))
    assert bus.failures == []
    bus.publish(said("2"))
    assert log == ["a 1", "b 1", "a 2", "b 2"]


def test_a_vital_subscriber_is_not_done_without() -> None:
    log: list[str] = []
    bus = Bus()
    bus.subscribe(Listener("bridge", log, raise_(ValueError("boom"))), vital=True)
    bus.subscribe(Listener("b", log))
    with pytest.raises(ValueError, match="boom"):
        bus.publish(said("1"))
    assert bus.failures == []
