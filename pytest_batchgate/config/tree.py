"""One tree for YAML and TOML: values that know where they were written.

Both readers produce it, the schema reads it, and profiles are merged in it, so
that a message names the line (TOML: the key path) a value came from whatever
way it took to its gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TypeAlias

from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import ConfigError

MAX_DEPTH = 32
"""Levels of nesting.  The schema needs seven; this keeps every walk's recursion shallow."""

Value: TypeAlias = "bool | int | float | str | tuple[Node, ...] | Mapping[str, Entry] | None"

_SHOWN = 60  # characters of a user's value repeated in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value and where it stands.  ``text`` is a scalar as it was written, unquoted."""

    where: str
    value: Value
    text: str = ""

    @property
    def entries(self) -> Mapping[str, Entry] | None:
        return self.value if isinstance(self.value, Mapping) else None

    @property
    def items(self) -> tuple[Node, ...] | None:
        return self.value if isinstance(self.value, tuple) else None

    def describe(self) -> str:
        """The value as a message repeats it."""
        if self.value is None:
            return "nothing"
        if isinstance(self.value, str):
            return shown(self.value)
        if isinstance(self.value, tuple):
            return "a list" if self.value else "an empty list"
        if isinstance(self.value, Mapping):
            return "a mapping" if self.value else "an empty mapping"
        return self.text[:_SHOWN]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One key of a mapping with its value; ``where`` is the place of the key."""

    where: str
    node: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A node under the dotted path by which messages call it, such as ``gates.unit.timeout``."""

    node: Node
    path: str
    where: str = field(default="")  # of the key; falls back to the node's own

    def error(self, problem: str, todo: str | None = None) -> ConfigError:
        """``problem`` follows the path: "must be ...", "has ..."."""
        # A block below its key begins on a later line; the key's is the one to look at.
        scalar = isinstance(self.node.value, (bool, int, float, str))
        where = self.node.where if scalar or not self.where else self.where
        return ConfigError(f"`{self.path}` {problem}", where=where, todo=todo)

    def wrong(self, expected: str, todo: str | None = None) -> ConfigError:
        if self.node.value is None:
            return self.error(f"has no value: it must be {expected}", todo)
        return self.error(f"must be {expected}, not {self.node.describe()}", todo)

    def child(self, key: str) -> Place:
        assert self.node.entries is not None
        entry = self.node.entries[key]
        name = key if key.isprintable() and len(key) <= _SHOWN else shown(key)
        return Place(node=entry.node, path=f"{self.path}.{name}" if self.path else name, where=entry.where)

    def item(self, index: int) -> Place:
        assert self.node.items is not None
        return Place(node=self.node.items[index], path=f"{self.path}[{index}]")


def shown(text: str) -> str:
    """``text`` quoted, control characters escaped, shortened."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


def merge(base: Node, over: Node, exclusive: Mapping[str, tuple[str, ...]]) -> Node:
    """``over`` laid over ``base``: mappings key by key, everything else replaced whole.

    ``exclusive`` names, for the mapping under a key, keys of which there is only one:
    one of them in ``over`` replaces whichever ``base`` has.
    """
    if base.entries is None or over.entries is None:
        return over
    merged = dict(base.entries)
    for key, entry in over.entries.items():
        below = merged.get(key)
        if below is None:
            merged[key] = entry
            continue
        kept = _without_rivals(below.node, entry.node, exclusive.get(key, ()))
        node = merge(kept, entry.node, exclusive)
        # A mapping that both define keeps the place where it was first defined.
        merged[key] = Entry(where=below.where if node.entries is not None else entry.where, node=node)
    return Node(where=base.where, value=merged)


def _without_rivals(base: Node, over: Node, rivals: tuple[str, ...]) -> Node:
    if base.entries is None or over.entries is None or not any(key in over.entries for key in rivals):
        return base
    return Node(
        where=base.where, value={key: entry for key, entry in base.entries.items() if key not in rivals}
    )


def check_text(text: str, where: str) -> None:
    """Refuse characters that no file name, argument or report can carry."""
    if "\0" in text:
        raise ConfigError("a value holds a NUL character", where=where, todo="Remove it")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ConfigError(
            f"{shown(text)} holds half a character (a lone surrogate)", where=where, todo="Remove it"
        )
