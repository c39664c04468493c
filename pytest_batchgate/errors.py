"""Every error a user can meet: what happened, where, and what to do about it.

Each is shown as one message and ends the run with pytest's exit code 4; none
is ever shown as a traceback.  Programming errors are ordinary exceptions and
do not belong here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BatchGateError(Exception):
    """A mistake the user can mend.

    ``what`` happened (a sentence without its full stop), ``where`` (a file with
    its line, a TOML key path, an option) and ``todo``, what to do.
    """

    def __init__(self, what: str, *, where: str | None = None, todo: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.todo = todo

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}. {self.todo}" if self.todo else head


class ConfigError(BatchGateError):
    """The configuration cannot be read or does not fit the schema."""


class PlanError(BatchGateError):
    """The gates do not make a graph that could run: a cycle, an unknown need."""


class OptionError(BatchGateError):
    """Command-line options that contradict each other or name nothing."""


class ReportError(BatchGateError):
    """A report of an earlier run is missing, damaged or none of what it is taken for."""


class NotYetError(BatchGateError):
    """A documented key or option whose effect has not landed in this version."""

    def __init__(self, what: str, *, where: str | None = None) -> None:
        super().__init__(f"{what} is not supported yet", where=where, todo="Remove it for now")


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The sentence naming the nearest of ``known``, or None when nothing is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"Did you mean {near[0]!r}?" if near else None
