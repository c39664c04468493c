"""Retries: what is tried again, and after what pause."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batchgate.core.model import GateState, Retries
from pytest_batchgate.core.retrying import chance_of, is_retried, pause_s


def pauses(retries: Retries, *, chance: float = 0.0, count: int = 5) -> list[float]:
    return [pause_s(retries, attempt=attempt, chance=chance) for attempt in range(1, count + 1)]


def test_pauses_double_up_to_the_cap() -> None:
    assert pauses(Retries(count=5, max_delay_s=5.0, jitter=False)) == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert pauses(Retries(count=5, delay_s=0.5, factor=3.0, jitter=False)) == [0.5, 1.5, 4.5, 13.5, 40.5]


def test_constant_pauses_do_not_grow() -> None:
    assert pauses(Retries(delay_s=3.0, backoff="constant", jitter=False), count=3) == [3.0] * 3
    assert pauses(Retries(delay_s=90.0, backoff="constant", jitter=False), count=2) == [60.0] * 2


def test_jitter_takes_up_to_half_of_a_pause_away() -> None:
    retries = Retries(count=5, max_delay_s=5.0)
    assert pauses(retries, chance=0.0) == [0.5, 1.0, 2.0, 2.5, 2.5]
    assert pauses(retries, chance=0.5) == [0.75, 1.5, 3.0, 3.75, 3.75]
    constant = Retries(delay_s=4.0, backoff="constant")
    assert pauses(constant, chance=0.25, count=2) == [2.5, 2.5]


@pytest.mark.parametrize(
    ("retries", "expected"),
    [
        (Retries(jitter=False), 60.0),
        (Retries(jitter=False, factor=100), 60.0),
        (Retries(jitter=False, factor=1.0), 1.0),
        (Retries(jitter=False, factor=1.0, delay_s=0.0), 0.0),
        (Retries(jitter=False, delay_s=0.0), 0.0),
        (Retries(jitter=False, max_delay_s=0.0), 0.0),
        (Retries(jitter=False, backoff="constant"), 1.0),
    ],
)
def test_no_count_is_too_large(retries: Retries, expected: float) -> None:
    for attempt in (1025, 10**6, 10**400):
        assert pause_s(retries, attempt=attempt, chance=0.9) == expected


@given(
    retries=st.builds(
        Retries,
        delay_s=st.floats(0.0, 1e9),
        factor=st.floats(1.0, 100.0) | st.integers(1, 100),
        max_delay_s=st.floats(0.0, 1e9),
        backoff=st.sampled_from(("exponential", "constant")),
        jitter=st.booleans(),
    ),
    attempt=st.integers(1, 10**30),
    chance=st.floats(0.0, 1.0, exclude_max=True),
)
def test_any_pause_stays_within_its_bounds(retries: Retries, attempt: int, chance: float) -> None:
    """From half of the delay (or cap) to the cap; longer with each attempt and with more chance."""
    pause = pause_s(retries, attempt=attempt, chance=chance)
    least = min(retries.delay_s, retries.max_delay_s) / (2 if retries.jitter else 1)
    assert least <= pause <= retries.max_delay_s
    assert pause <= pause_s(retries, attempt=attempt + 1, chance=chance)
    assert pause_s(retries, attempt=attempt, chance=0.0) <= pause
    if retries.backoff == "constant" or attempt == 1:
        assert pause <= retries.delay_s


def test_a_gate_is_retried_as_often_as_it_says() -> None:
    retries = Retries(count=2)
    asked = [is_retried(retries, attempt=attempt, state=GateState.FAILED) for attempt in (1, 2, 3)]
    assert asked == [True, True, False]
    assert not is_retried(Retries(), attempt=1, state=GateState.FAILED)


def test_only_the_states_it_names_are_retried_and_no_other_ever() -> None:
    everything, crashes = Retries(count=1), Retries(count=1, on=("crashed",))
    retried = {state for state in GateState if is_retried(everything, attempt=1, state=state)}
    assert retried == {GateState.FAILED, GateState.TIMED_OUT, GateState.CRASHED}
    assert [state for state in GateState if is_retried(crashes, attempt=1, state=state)] == [
        GateState.CRASHED
    ]


def test_match_is_searched_in_the_text() -> None:
    retries = Retries(count=1, match=r"refused|reset")
    texts = {"E  OSError: connection reset by peer": True, "assert 1 == 2": False, "": False}
    for text, expected in texts.items():
        assert is_retried(retries, attempt=1, state=GateState.FAILED, text=text) is expected


def test_chance_depends_on_the_words_alone_and_is_spread() -> None:
    assert chance_of("run", "gate", "1") == chance_of("run", "gate", "1")
    drawn = [chance_of("run", f"gate{n}", "1") for n in range(1000)]
    assert all(0 <= chance < 1 for chance in drawn)
    assert len(set(drawn)) > 990
    assert 400 < sum(chance < 0.5 for chance in drawn) < 600
