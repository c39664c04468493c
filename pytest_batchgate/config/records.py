"""Kinds that are made of keys, and the kinds only one key uses: `run`, `tests`, `window`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any, Literal

from pytest_batchgate.config.kinds import Json, Kind, Text, Whole
from pytest_batchgate.config.tree import Place, shown
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import ConfigError, did_you_mean

GateKind = Literal["command", "service", "tests"]
ANY: frozenset[GateKind] = frozenset({"command", "service", "tests"})


@dataclass(frozen=True, kw_only=True)
class Key:
    """One row of the schema.

    ``default`` is written as in a file; None when the key has none.  ``on`` are the
    kinds of gate it is for; a service is a command with `ready`.
    """

    name: str
    kind: Kind
    doc: str
    default: str | None = None
    on: frozenset[GateKind] = ANY


def check_keys(place: Place, keys: Mapping[str, Key], what: str, elsewhere: Mapping[str, str]) -> None:
    """Refuse unknown keys; ``elsewhere`` says of a key that belongs in another mapping where that is."""
    entries = place.node.entries
    if entries is None:
        raise place.wrong("a mapping")
    for key, entry in entries.items():
        if key in keys:
            continue
        hint = did_you_mean(key, keys)
        if key in elsewhere:
            hint = elsewhere[key]
        elif hint is None:
            hint = f"Known are {', '.join(keys)}"
        raise ConfigError(f"{shown(key)} is not a key of {what}", where=entry.where, todo=hint)


@dataclass(frozen=True)
class Record(Kind):
    """A mapping with known keys, turned into a value by ``build``.

    Of ``one_of``, when there are any, exactly one key is given; ``required`` are.
    """

    what: str
    keys: Mapping[str, Key]
    build: Callable[[dict[str, Any], Place], Any]
    one_of: tuple[str, ...] = ()
    required: tuple[str, ...] = ()

    @property
    def expected(self) -> str:  # type: ignore[override]
        return "a mapping"

    def read(self, place: Place) -> Any:
        check_keys(place, self.keys, self.what, {})
        assert place.node.entries is not None
        values = {key: self.keys[key].kind.read(place.child(key)) for key in place.node.entries}
        given = [key for key in self.one_of if key in values]
        if self.one_of and len(given) != 1:
            names = f"{', '.join(self.one_of[:-1])} and {self.one_of[-1]}"
            raise place.error(
                f"needs exactly one of {names}" + (f", not {' and '.join(given)}" if given else "")
            )
        for key in self.required:
            if key not in values:
                raise place.error(f"needs `{key}`")
        return self.build(values, place)

    def check(self, place: Place) -> None:
        check_keys(place, self.keys, self.what, {})
        assert place.node.entries is not None
        for key in place.node.entries:
            self.keys[key].kind.check(place.child(key))

    def partial_schema(self) -> Json:
        return {
            "type": "object",
            "properties": {key.name: described(key, key.kind.json_schema()) for key in self.keys.values()},
            "additionalProperties": False,
        }

    def json_schema(self) -> Json:
        schema = self.partial_schema()
        if self.one_of:
            schema["oneOf"] = [{"required": [key]} for key in self.one_of]
        if self.required:
            schema["required"] = list(self.required)
        return schema


def described(key: Key, schema: Json) -> Json:
    """``schema`` with what an editor shows beside it."""
    return {"description": key.doc.replace("`", "")} | schema


@dataclass(frozen=True)
class CountOrRecord(Kind):
    """A number that stands for a record with nothing else in it."""

    count: Whole
    record: Record
    of_count: Callable[[int], Any]

    @property
    def expected(self) -> str:  # type: ignore[override]
        return f"{self.count.expected}, or a mapping"

    def _is_record(self, place: Place) -> bool:
        if place.node.entries is not None:
            return True
        if isinstance(place.node.value, bool) or not isinstance(place.node.value, int):
            raise place.wrong(self.expected)
        return False

    def read(self, place: Place) -> Any:
        if self._is_record(place):
            return self.record.read(place)
        count = self.count.read(place)
        assert count is not None
        return self.of_count(count)

    def check(self, place: Place) -> None:
        (self.record if self._is_record(place) else self.count).check(place)

    def json_schema(self) -> Json:
        return {"oneOf": [self.count.json_schema(), self.record.json_schema()]}

    def partial_schema(self) -> Json:
        return {"oneOf": [self.count.json_schema(), self.record.partial_schema()]}


@dataclass(frozen=True, slots=True)
class RunValue:
    argv: tuple[str, ...] = ()
    shell: str | None = None


# Words that mean something to a shell, and would be arguments of the program here.
_SHELL_WORD = re.compile(r"(?<!\S)(&&|\|\||\||;|&|[0-9]?>>?|[0-9]?>&[0-9]|<|<<)(?!\S)")


class Run(Kind):
    """A command: a string of shell words, a list of arguments, or ``{shell: LINE}``."""

    expected = "a string, a list of arguments, or {shell: ...}"

    def read(self, place: Place) -> RunValue:
        if place.node.entries is not None:
            return self._shell(place)
        if place.node.items is not None:
            return self._argv(place)
        return self._words(Text(self.expected).read(place), place)

    def _shell(self, place: Place) -> RunValue:
        entries = place.node.entries
        assert entries is not None
        if tuple(entries) != ("shell",):
            raise place.error("has one key, `shell`, when it is a mapping")
        line = Text("a shell line").read(place.child("shell"))
        return RunValue(shell=line)  # nosec B604 (a value, not a call of a shell)

    def _argv(self, place: Place) -> RunValue:
        items = place.node.items
        assert items is not None
        for index, item in enumerate(items):
            if not isinstance(item.value, (str, bool, int, float)):
                raise place.item(index).wrong("a string")
        argv = tuple(item.text for item in items)
        if not argv or not argv[0].strip():
            raise place.error("needs a program to run")
        return RunValue(argv=argv)

    def _words(self, line: str, place: Place) -> RunValue:
        try:
            argv = tuple(shlex.split(line))
        except ValueError as error:
            closing = "quotation" in str(error)
            problem = "a quote that is not closed" if closing else "a backslash with nothing after it"
            raise place.error(
                f"has {problem}: {shown(line)}", "Mend it, or write a list of arguments"
            ) from None
        operator = next((found[1] for found in _SHELL_WORD.finditer(line) if found[1] in argv), None)
        if operator is not None:
            raise place.error(
                f"runs without a shell, and `{operator}` would be an argument of {shown(argv[0])}",
                'Write {shell: "..."} for a shell line, or a list of arguments',
            )
        if argv != _split_on_blanks(line.strip()):
            raise place.error(
                "is one command, and spans lines", "Write {shell: ...}, or `>-` to fold it into one line"
            )
        if not argv or not argv[0]:
            raise place.error("needs a program to run")
        if re.match(r"[A-Za-z_][A-Za-z0-9_]*=", argv[0]):
            raise place.error(
                f"names no program: {shown(argv[0])} sets a variable", "Use `env` for variables"
            )
        return RunValue(argv=argv)

    def json_schema(self) -> Json:
        text: Json = {"type": "string", "pattern": r"\S"}
        return {
            "oneOf": [
                text,
                {"type": "array", "items": {"type": ["string", "number", "boolean"]}, "minItems": 1},
                {
                    "type": "object",
                    "properties": {"shell": text},
                    "required": ["shell"],
                    "additionalProperties": False,
                },
            ]
        }


def _split_on_blanks(line: str) -> tuple[str, ...]:
    """Words as `shlex.split` finds them, but a newline outside quotes stays in its word."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    return tuple(lexer)


class Expression(Kind):
    """`true`, or a pytest `-m` expression.  Its grammar is pytest's to judge."""

    expected = "true or an expression as for pytest -m"

    def read(self, place: Place) -> str | Literal[True]:
        value = place.node.value
        if value is True:
            return True
        if value is False:
            raise place.wrong(self.expected, "Remove the gate to have none")
        if isinstance(value, str) and value.strip().lower() in ("true", "false"):
            raise place.wrong(self.expected, "Write true, in lower case and without quotes")
        return Text(self.expected).read(place)

    def json_schema(self) -> Json:
        return {"oneOf": [{"const": True}, {"type": "string", "pattern": r"\S"}]}


@dataclass(frozen=True, slots=True)
class WindowValue:
    """``failures`` within the last ``size`` outcomes; both None for consecutive ones."""

    failures: int | None = None
    size: int | None = None


class Window(Kind):
    expected = "consecutive, or N/M: N failures in the last M, N from 1 to M"

    def read(self, place: Place) -> WindowValue:
        value = place.node.value
        if value == "consecutive":
            return WindowValue()
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", value) if isinstance(value, str) else None
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise place.wrong(self.expected)
        return WindowValue(int(found[1]), int(found[2]))

    def json_schema(self) -> Json:
        return {
            "oneOf": [{"const": "consecutive"}, {"type": "string", "pattern": r"^[0-9]{1,6}/[0-9]{1,6}$"}]
        }
