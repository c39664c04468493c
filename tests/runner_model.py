"""GitHub's runner, as far as it reads what a step prints: written from its documented rules, not our code.

A line ends at a line feed or a carriage return.  `::name key=value,key=value::data` counts after leading
blanks, `##[name key=value;key=value]data` anywhere in a line; both only with a name that the runner knows.
After `::stop-commands::WORD` nothing counts but WORD itself, in either form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

KNOWN = frozenset(
    {"add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice"}
    | {"remove-matcher", "save-state", "set-env", "set-output", "stop-commands", "warning"}
)


@dataclass(frozen=True)
class Act:
    """A command that the runner obeyed."""

    name: str
    data: str
    properties: dict[str, str] = field(default_factory=dict)


def unescaped(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def unescaped_property(text: str) -> str:
    text = text.replace("%3A", ":").replace("%2C", ",")
    return unescaped(text)


def _colons(line: str, known: frozenset[str]) -> Act | None:
    line = line.lstrip()
    if not line.startswith("::"):
        return None
    head, end, data = line[2:].partition("::")
    name, _, properties = head.partition(" ")
    if not end or name not in known:
        return None
    return Act(name, unescaped(data), _properties(properties.strip(), ",", unescaped_property))


def _brackets(line: str, known: frozenset[str]) -> Act | None:
    _, begin, rest = line.partition("##[")
    head, end, data = rest.partition("]")
    name, _, properties = head.partition(" ")
    if not begin or not end or name not in known:
        return None
    return Act(name, data, _properties(properties.strip(), ";", str))


def _properties(text: str, between: str, read: object) -> dict[str, str]:
    assert callable(read)
    pairs = (each.partition("=") for each in text.split(between) if "=" in each)
    return {key: read(value) for key, _, value in pairs}


@dataclass
class Runner:
    """``acts``: what it obeyed, in order.  ``shown``: other lines.  ``stopped``: the word it waits for."""

    acts: list[Act] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    stopped: str | None = None

    def read(self, text: str) -> Runner:
        for line in re.split("\r\n|\r|\n", text):
            known = KNOWN | {self.stopped} if self.stopped is not None else KNOWN
            act = _colons(line, known) or _brackets(line, known)
            if act is None:
                self.shown.append(line)
            elif self.stopped is None:
                self.acts.append(act)
                if act.name == "stop-commands":
                    self.stopped = act.data
            elif act.name == self.stopped:
                self.stopped = None
            else:
                self.shown.append(line)
        return self

    def names(self, *, but: frozenset[str] = frozenset({"stop-commands"})) -> list[str]:
        return [act.name for act in self.acts if act.name not in but]

    @property
    def annotations(self) -> list[Act]:
        return [act for act in self.acts if act.name in {"error", "warning", "notice"}]
