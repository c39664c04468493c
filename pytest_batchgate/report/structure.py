"""Values of ours from what `jsonable.plain` made of them, by their annotations."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

from pytest_batchgate.core.breaker import BreakerChange
from pytest_batchgate.core.model import Command, Tests

# Annotations that are only there for type checkers.
_NAMES = {"BreakerChange": BreakerChange}
_NUMBERS = {"nan", "inf", "-inf"}  # which JSON lacks


def made(kind: type[Any], told: object) -> Any:
    """An instance of the dataclass ``kind``; fields that are not told keep their defaults.

    Raises TypeError, ValueError or KeyError for what does not fit.
    """
    if not isinstance(told, dict):
        raise TypeError(f"{kind.__name__} is told as {type(told).__name__}")
    hints = _hints(typing.cast("Any", kind))
    values = {name: _value(hint, told[name]) for name, hint in hints.items() if name in told}
    return kind(**values)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, localns=_NAMES)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}


def _value(hint: Any, told: object) -> Any:
    hint = getattr(hint, "__supertype__", hint)  # of a NewType
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return _one_of(args, told)
    if origin is tuple:
        return tuple(_value(args[0], one) for one in _as(list, told))
    if origin is typing.Literal:
        if told not in args:
            raise ValueError(f"{told!r} is none of {args}")
        return told
    if origin is not None and issubclass(origin, Mapping):
        return {_value(args[0], name): _value(args[1], one) for name, one in _as(dict, told).items()}
    if dataclasses.is_dataclass(hint):
        return made(typing.cast("type[Any]", hint), told)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(told)
    if hint is float:
        return number(told)
    return _as(hint, told)


def _one_of(kinds: tuple[Any, ...], told: object) -> Any:
    if told is None and type(None) in kinds:
        return None
    if Command in kinds:
        return made(Command if isinstance(told, dict) and "argv" in told else Tests, told)
    return _value(next(kind for kind in kinds if kind is not type(None)), told)


def _as(kind: Any, told: object) -> Any:
    if not isinstance(told, kind) or (kind is int and isinstance(told, bool)):
        raise TypeError(f"{told!r} is no {kind.__name__}")
    return told


def number(told: object) -> float:
    """A number that may have been one that JSON lacks.  Raises TypeError."""
    if isinstance(told, (int, float)) and not isinstance(told, bool):
        return float(told)
    if isinstance(told, str) and told in _NUMBERS:
        return float(told)
    raise TypeError(f"{told!r} is no number")
