"""Kinds of values: how each is read, what a message calls it, its JSON Schema.

A kind is one column of the table in `schema`.  Reading returns a plain value and
raises ConfigError, at the value's own place, for anything that does not fit.
"""

from __future__ import annotations

import posixpath
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pytest_batchgate.config.tree import Place, shown
from pytest_batchgate.config.units import (
    DURATION_PATTERN,
    MAX_DURATION_S,
    MAX_SIZE_BYTES,
    SIZE_PATTERN,
    parse_duration,
    parse_size,
)
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import did_you_mean

NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"

Json = dict[str, Any]


def is_name(text: str) -> bool:
    """Whether ``text`` may name a gate, a stage or a tag."""
    return re.fullmatch(NAME_PATTERN[1:-1], text) is not None


class Kind(ABC):
    """What a key's value may be."""

    expected: str  # completes "must be ..."

    @abstractmethod
    def read(self, place: Place) -> Any: ...

    @abstractmethod
    def json_schema(self) -> Json: ...

    def check(self, place: Place) -> None:
        """Refuse what could never fit, in a profile: a part that is merged over the rest later."""
        self.read(place)

    def partial_schema(self) -> Json:
        """The JSON Schema of what `check` accepts."""
        return self.json_schema()


class Flag(Kind):
    expected = "true or false"

    def read(self, place: Place) -> bool:
        if not isinstance(place.node.value, bool):
            written = place.node.text.lower()
            todo = None
            if isinstance(place.node.value, str) and written in _TRUE | _FALSE:
                todo = f"Write {'true' if written in _TRUE else 'false'}, in lower case and without quotes"
            raise place.wrong(self.expected, todo)
        return place.node.value

    def json_schema(self) -> Json:
        return {"type": "boolean"}


_TRUE = frozenset({"true", "yes", "on", "y"})
_FALSE = frozenset({"false", "no", "off", "n"})


@dataclass(frozen=True)
class Whole(Kind):
    """An integer within bounds, or ``word``, which reads as None."""

    minimum: int
    maximum: int = 2**31 - 1
    word: str | None = None

    @property
    def expected(self) -> str:  # type: ignore[override]
        if self.minimum == self.maximum:
            bounds = str(self.minimum)
        elif self.maximum == 2**31 - 1:
            bounds = f"a whole number, {self.minimum} or more"
        else:
            bounds = f"a whole number from {self.minimum} to {self.maximum}"
        return f"{self.word} or {bounds}" if self.word else bounds

    def read(self, place: Place) -> int | None:
        value = place.node.value
        if self.word is not None and value == self.word:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not self.minimum <= value <= self.maximum:
            quoted = isinstance(value, str) and len(value) < 20 and value.isdecimal()
            raise place.wrong(self.expected, "Remove the quotes" if quoted else None)
        return value

    def json_schema(self) -> Json:
        number: Json = {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}
        return {"oneOf": [{"const": self.word}, number]} if self.word else number


@dataclass(frozen=True)
class Number(Kind):
    minimum: float
    maximum: float

    @property
    def expected(self) -> str:  # type: ignore[override]
        return f"a number from {self.minimum:g} to {self.maximum:g}"

    def read(self, place: Place) -> float:
        value = place.node.value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise place.wrong(self.expected)
        if not self.minimum <= value <= self.maximum:  # no NaN is
            raise place.wrong(self.expected)
        return float(value)

    def json_schema(self) -> Json:
        return {"type": "number", "minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True)
class Choice(Kind):
    words: tuple[str, ...]

    @property
    def expected(self) -> str:  # type: ignore[override]
        return f"{', '.join(self.words[:-1])} or {self.words[-1]}"

    def read(self, place: Place) -> str:
        value = place.node.value
        if not isinstance(value, str) or value not in self.words:
            near = did_you_mean(value, self.words) if isinstance(value, str) else None
            raise place.wrong(self.expected, near)
        return value

    def json_schema(self) -> Json:
        return {"enum": list(self.words)}


@dataclass(frozen=True)
class Duration(Kind):
    """Seconds, read as a float."""

    positive: bool = True

    @property
    def expected(self) -> str:  # type: ignore[override]
        least = "above 0" if self.positive else "0 or more"
        return f"a duration such as 30s, 10m or 1.5h, {least} and at most a year"

    def read(self, place: Place) -> float:
        value = place.node.value
        if not isinstance(value, (str, int, float)):
            raise place.wrong(self.expected)
        try:
            seconds = parse_duration(value)
        except ValueError:
            todo = None
            if isinstance(value, str) and re.fullmatch(r"[0-9.]+", value):
                todo = "Remove the quotes, or add a unit: ms, s, m or h"
            raise place.wrong(self.expected, todo) from None
        if self.positive and not seconds:
            raise place.wrong(self.expected)
        return seconds

    def json_schema(self) -> Json:
        number: Json = {"type": "number", "maximum": MAX_DURATION_S}
        number |= {"exclusiveMinimum": 0} if self.positive else {"minimum": 0}
        return {"oneOf": [number, {"type": "string", "pattern": DURATION_PATTERN}]}


class Size(Kind):
    """Bytes."""

    expected = "a size such as 512MB or 2GiB, 1 byte or more"

    def read(self, place: Place) -> int:
        value = place.node.value
        if not isinstance(value, (str, int, float)):
            raise place.wrong(self.expected)
        try:
            return parse_size(value)
        except ValueError:
            raise place.wrong(self.expected) from None

    def json_schema(self) -> Json:
        return {
            "oneOf": [
                {"type": "integer", "minimum": 1, "maximum": MAX_SIZE_BYTES},
                {"type": "string", "pattern": SIZE_PATTERN},
            ]
        }


@dataclass(frozen=True)
class Text(Kind):
    """A string with something in it, matching ``pattern`` if there is one."""

    expected: str = "a string"
    pattern: str | None = None

    def read(self, place: Place) -> str:
        value = place.node.value
        if isinstance(value, (bool, int, float)):
            raise place.wrong(self.expected, "Put it in quotes")
        if not isinstance(value, str) or not value.strip():
            raise place.wrong(self.expected)
        if self.pattern is not None and re.fullmatch(self.pattern[1:-1], value) is None:
            raise place.wrong(self.expected)
        return value

    def json_schema(self) -> Json:
        return {"type": "string", "pattern": self.pattern or r"\S"}


def name(of: str) -> Text:
    """A gate's, stage's or tag's name."""
    return Text(f"{of} (letters, digits, `_`, `.` and `-`)", NAME_PATTERN)


class Regex(Kind):
    """A regular expression of Python's `re`, as text."""

    expected = "a regular expression"

    def read(self, place: Place) -> str:
        value = Text(self.expected).read(place)
        try:
            re.compile(value)
        except (re.error, RecursionError, OverflowError) as error:
            raise place.error(f"must be a regular expression, and {shown(value)} is none: {error}") from None
        return value

    def json_schema(self) -> Json:
        return {"type": "string", "pattern": r"\S"}


@dataclass(frozen=True)
class InsidePath(Kind):
    """A path inside the rootdir, read in its normal form with `/`."""

    expected: str = "a path inside the rootdir"

    def read(self, place: Place) -> str:
        written = Text(self.expected).read(place)
        if posixpath.isabs(written) or re.match(r"[A-Za-z]:[\\/]", written):
            raise place.wrong(f"{self.expected}, relative to it")
        path = posixpath.normpath(written)
        if path == ".." or path.startswith("../"):
            raise place.wrong(self.expected)
        return path

    def json_schema(self) -> Json:
        return {"type": "string", "pattern": r"^[^/]"}


class SuitePath(InsidePath):
    """A file or folder of tests."""

    def read(self, place: Place) -> str:
        path = super().read(place)
        if "::" in path:
            raise place.wrong("a file or folder", "Choose single tests by a marker, with `tests`")
        return path


class Url(Kind):
    expected = "an http:// or https:// address"

    def read(self, place: Place) -> str:
        value = Text(self.expected).read(place)
        try:
            parts = urlsplit(value)
            fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port out of range, a broken IPv6 address
            fits = False
        if not fits or any(char.isspace() for char in value):
            raise place.wrong(self.expected)
        return value

    def json_schema(self) -> Json:
        return {"type": "string", "pattern": r"^https?://\S+$"}


@dataclass(frozen=True)
class Items(Kind):
    """A list, each of its values once."""

    kind: Kind
    minimum: int = 0

    @property
    def expected(self) -> str:  # type: ignore[override]
        return "a list" if not self.minimum else "a list with at least one value"

    def read(self, place: Place) -> tuple[Any, ...]:
        items = place.node.items
        if items is None:
            scalar = place.node.value is not None and place.node.entries is None
            raise place.wrong(
                self.expected, f'Write ["{shown(place.node.text[:40])[1:-1]}"]' if scalar else None
            )
        if len(items) < self.minimum:
            raise place.wrong(self.expected)
        seen: dict[Any, None] = {}
        for index in range(len(items)):
            value = self.kind.read(place.item(index))
            if value in seen:
                raise place.item(index).error(f"repeats {shown(str(value))}", "Remove one of the two")
            seen[value] = None
        return tuple(seen)

    def json_schema(self) -> Json:
        schema: Json = {"type": "array", "items": self.kind.json_schema(), "uniqueItems": True}
        return schema | ({"minItems": self.minimum} if self.minimum else {})


class Env(Kind):
    """Environment variables.  Numbers and booleans are taken as they are written."""

    expected = "a mapping of variable names to strings"

    def read(self, place: Place) -> Mapping[str, str]:
        entries = place.node.entries
        if entries is None:
            raise place.wrong(self.expected)
        values = {}
        for key in entries:
            child = place.child(key)
            if "=" in key or "\0" in key:
                raise place.error(f"holds {shown(key)}, which no variable can be called")
            if not isinstance(child.node.value, (str, bool, int, float)):
                raise child.wrong("a string")
            values[key] = child.node.text
        return values

    def json_schema(self) -> Json:
        return {
            "type": "object",
            "propertyNames": {"pattern": "^[^=]+$"},
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        }
