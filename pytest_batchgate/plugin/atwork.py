"""Names what runs at a moment: for the words of a run that is interrupted."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_batchgate.core.agreed import IN_COLLECTION
from pytest_batchgate.core.model import GateState
from pytest_batchgate.core.state import RunState
from pytest_batchgate.report.words import duration

MOST_SHOWN = 10


def what_runs(state: RunState, tests: Iterable[tuple[str, str, int, float]]) -> list[str]:
    """Commands, and tests with their worker, longest first, each with how long it has run.

    ``tests``: worker, file, index in it and seconds, as the pool tells them.
    """
    commands = [
        (state.now - run.began_s, run.name)
        for run in state.alive
        if run.claim is None and run.state is GateState.RUNNING and not run.gate.is_service
    ]
    running = [
        (seconds, f"{_named(state, file, index)} ({worker})") for worker, file, index, seconds in tests
    ]
    return [f"{name} {duration(seconds)}" for seconds, name in sorted([*commands, *running], reverse=True)]


def _named(state: RunState, name: str, index: int) -> str:
    if index == IN_COLLECTION:
        return f"the collection of {name}"
    for realm in state.realms.values():
        file = realm.files.get(name)
        if file is not None and file.collected is not None and index < len(file.collected.keys):
            return file.collected.nodeid(index)
    return name


def interruption(reason: str, running: list[str]) -> str:
    """One line: what came, and what it met."""
    more = len(running) - MOST_SHOWN
    rest = f" and {more} more" if more > 0 else ""
    return f"{reason} while these ran: {', '.join(running[:MOST_SHOWN])}{rest}"
