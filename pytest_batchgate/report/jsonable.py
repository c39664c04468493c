r"""JSON of whatever events carry: total, one line, nothing in it that a strict reader refuses.

Enums become their values, dataclasses objects, unknown types their repr.  Lone surrogates,
which are no text, show as ``\udc80``; numbers that JSON lacks show as strings.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from json.encoder import encode_basestring_ascii
from typing import Any

_SURROGATES = re.compile("[\ud800-\udfff]")
_DEEPEST = 60
_ENDLESS_S = 1e12
_LONGEST_REPR = 10_000  # characters


def quoted(text: str) -> str:
    """``text`` as a JSON string, quotes included, in ASCII."""
    return encode_basestring_ascii(text if text.isascii() else _SURROGATES.sub(_shown, text))


def seconds(value: float) -> str:
    """A time or duration as a JSON number, to the microsecond; 0 for what is no number."""
    return f"{value:.6f}" if -_ENDLESS_S < value < _ENDLESS_S else "0.0"


def rendered(value: Any) -> str:
    """Any value as one line of JSON."""
    return json.dumps(plain(value), separators=(",", ":"), allow_nan=False)


def plain(value: Any, depth: int = 0) -> Any:
    """``value`` made of what JSON knows."""
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _SURROGATES.sub(_shown, value)
    if kind in {int, bool, type(None)}:
        return value
    if kind is float:
        return value if math.isfinite(value) else repr(value)
    if depth > _DEEPEST:
        return "<nested too deeply>"
    if isinstance(value, enum.Enum):
        return plain(value.value, depth + 1)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: plain(entry, depth + 1) for name, entry in named.items()}
    if isinstance(value, Mapping):
        return {_key(name, depth): plain(entry, depth + 1) for name, entry in value.items()}
    if isinstance(value, (list, tuple, AbstractSet)):
        return [plain(entry, depth + 1) for entry in value]
    return _represented(value)


def _key(name: Any, depth: int) -> str:
    known = plain(name, depth + 1)
    return known if isinstance(known, str) else _represented(known)


def _represented(value: Any) -> str:
    try:
        text = str.__str__(value) if isinstance(value, str) else repr(value)[:_LONGEST_REPR]
    except Exception as exc:  # noqa: BLE001 (a repr may raise anything)
        return f"<unpresentable {type(value).__name__}: {type(exc).__name__}>"
    return _SURROGATES.sub(_shown, text)


def _shown(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"
