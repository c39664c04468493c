"""Gates that a program made, checked by the schema that judges those in files.

They are written down as the tree a file would give, and read from there: what
no file could say, no plugin can either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

from pytest_batchgate.config.build import build_config
from pytest_batchgate.config.tree import Entry, Node, Place, check_text
from pytest_batchgate.core.model import Breaker, Command, Gate, Ready, Retries, Tests
from pytest_batchgate.errors import ConfigError

# Fields that a file calls otherwise than by their name with dashes.
_KEYS = {
    "timeout_s": "timeout",
    "grace_s": "grace",
    "memory_limit_bytes": "memory-limit",
    "test_timeout_s": "test-timeout",
    "delay_s": "delay",
    "max_delay_s": "max-delay",
    "cooldown_s": "cooldown",
}
_NOT_KEYS = frozenset({"name", "work", "where"})


def checked_gates(gates: Iterable[Gate], where: str) -> tuple[Gate, ...]:
    """The gates as the schema reads them.  ``where``: who made them, for messages.

    Names must differ.  Raises ConfigError for what fits no key.
    """
    entries = {str(gate.name): Entry(where=where, node=_gate(gate, where)) for gate in gates}
    if not entries:
        return ()
    top = Node(where=where, value={"gates": Entry(where=where, node=Node(where=where, value=entries))})
    return build_config(Place(node=top, path=""), where).gates


def _gate(gate: Gate, where: str) -> Node:
    name: object = gate.name
    if not isinstance(name, str):
        raise ConfigError(f"a gate's name must be a string, not {type(name).__name__}", where=where)
    keys = _given(gate, where, skip=_NOT_KEYS)
    match gate.work:
        case Command() as work:
            keys |= _given(work, where, skip=frozenset({"argv", "shell"}))
            if work.shell is None:
                if not isinstance(work.argv, (tuple, list)):
                    raise ConfigError(f"`gates.{gate.name}`: argv must be a tuple of strings", where=where)
                keys["run"] = _node(work.argv, where)
            elif work.argv:
                raise ConfigError(f"`gates.{gate.name}` has both argv and shell", where=where)
            else:
                keys["run"] = Node(where=where, value={"shell": _entry(work.shell, where)})
        case Tests() as work:
            keys |= _given(work, where, skip=frozenset({"expression", "rest"}))
            if work.rest and work.expression is not None:
                raise ConfigError(f"`gates.{gate.name}` has both expression and rest", where=where)
            if work.rest or work.expression is not None:
                keys["tests"] = _node(True if work.rest else work.expression, where)
        case other:
            raise ConfigError(
                f"`gates.{gate.name}`: work must be a Command or Tests, not {type(other).__name__}",
                where=where,
            )
    return Node(where=where, value={key: Entry(where=where, node=node) for key, node in keys.items()})


def _given(value: Any, where: str, skip: frozenset[str]) -> dict[str, Node]:
    """By key, the fields that are not at their defaults."""
    return {
        _KEYS.get(field.name, field.name.replace("_", "-")): _node(getattr(value, field.name), where)
        for field in fields(value)
        if field.name not in skip and getattr(value, field.name) != _default(field)
    }


def _default(field: Field[Any]) -> object:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _node(value: Any, where: str) -> Node:
    """Anything else than a file's values is a scalar that fits no key, shown as it is."""
    if isinstance(value, (Ready, Retries)):
        keys = _given(value, where, frozenset())
        if isinstance(value, Retries):
            keys["count"] = _node(value.count, where)
        return Node(where=where, value={key: Entry(where=where, node=node) for key, node in keys.items()})
    if isinstance(value, Breaker):
        keys = _given(value, where, frozenset({"window"})) | {"threshold": _node(value.threshold, where)}
        if value.window is not None:
            keys["window"] = _node(f"{value.threshold}/{value.window}", where)
        return Node(where=where, value={key: Entry(where=where, node=node) for key, node in keys.items()})
    if isinstance(value, Mapping):
        return Node(where=where, value={str(key): _entry(each, where) for key, each in value.items()})
    if isinstance(value, (tuple, list)):
        return Node(where=where, value=tuple(_node(each, where) for each in value))
    if isinstance(value, str):
        check_text(value, where)
    return Node(where=where, value=value, text=str(value))


def _entry(value: Any, where: str) -> Entry:
    return Entry(where=where, node=_node(value, where))
