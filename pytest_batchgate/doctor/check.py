"""One thing that was looked at, and what was found."""

from __future__ import annotations

from typing import Literal

from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import BatchGateError

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """``level``: a problem fails a run or makes it unsafe, a note is good to know.

    ``text`` says what was found, ``todo`` what to do about it; every problem has one.
    """

    section: str
    name: str
    level: Level
    text: str
    todo: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Makes the checks of one section."""

    name: str

    def ok(self, name: str, text: str) -> Check:
        return Check(section=self.name, name=name, level="ok", text=text)

    def note(self, name: str, text: str, todo: str | None = None) -> Check:
        return Check(section=self.name, name=name, level="note", text=text, todo=todo)

    def problem(self, name: str, text: str, todo: str) -> Check:
        return Check(section=self.name, name=name, level="problem", text=text, todo=todo)

    def refused(self, name: str, error: BatchGateError) -> Check:
        """What a run would refuse, in the run's own words."""
        text = f"{error.where}: {error.what}" if error.where else error.what
        return self.problem(name, text, error.todo or "Correct it: a run is refused with exit code 4")
