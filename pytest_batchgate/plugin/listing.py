"""`--collect-only`: the tests of each gate, and nothing run."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.events import Event, FilesListed, FileWasCollected, Noticed
from pytest_batchgate.core.plan import Plan

NOBODYS = "no gate takes these"


class Listing:
    """A subscriber that takes down what is collected; `show` writes it, in pytest's order of files."""

    name = "list of tests"

    def __init__(self, plan: Plan, terminal: Any, verbosity: int) -> None:
        """``verbosity``: of pytest; -1 leaves the gates out, -2 counts the tests of each file."""
        self._claims = [gate.name for gate in plan.claims]
        self._gates = [gate.name for gate in plan.gates if gate.kind == "tests"]
        self._terminal = terminal
        self._verbosity = verbosity
        self._files: dict[str, dict[str, list[str]]] = {}  # file -> gate -> node ids

    def handle(self, event: Event) -> None:
        if isinstance(event, FilesListed):
            for name in event.files:
                self._files.setdefault(name, {})
        elif isinstance(event, FileWasCollected):
            self._add(event)
        elif isinstance(event, Noticed):
            self._terminal.write_line(f"note: {event.text}")

    def _add(self, event: FileWasCollected) -> None:
        collected = event.collected
        by_gate = self._files.setdefault(collected.file, {})
        for index, claim in enumerate(collected.gates):
            name = NOBODYS if claim == NO_GATE else self._claims[claim]
            by_gate.setdefault(name, []).append(collected.nodeid(index))

    def show(self) -> None:
        by_gate = {name: self._of(name) for name in [*self._gates, NOBODYS]}
        if self._verbosity < -1:
            files = Counter(nodeid.partition("::")[0] for ids in by_gate.values() for nodeid in ids)
            for name, count in sorted(files.items()):
                self._terminal.write_line(f"{name}: {count}")
            return
        for name, ids in by_gate.items():
            if self._verbosity >= 0 and (ids or name != NOBODYS):
                self._terminal.write_line(f"{name}: {len(ids)} test{'s' if len(ids) != 1 else ''}")
            indent = "  " if self._verbosity >= 0 else ""
            for nodeid in ids:
                self._terminal.write_line(f"{indent}{nodeid}")

    def _of(self, gate: str) -> list[str]:
        return [nodeid for by_gate in self._files.values() for nodeid in by_gate.get(gate, ())]
