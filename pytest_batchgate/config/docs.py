"""Writes what is generated from the schema: `python -m pytest_batchgate.config.docs`.

The tables of docs/configuration.md, between their markers, and the JSON Schema
beside this module.  `--check` writes nothing and exits 1 if either is out of date.
For work on the project itself: an installed package has no docs folder.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pytest_batchgate.config.jsonschema import SCHEMA_PATH, rendered
from pytest_batchgate.config.kinds import Items, Kind
from pytest_batchgate.config.notyet import NOT_YET_IN_GATES
from pytest_batchgate.config.records import ANY, GateKind, Key
from pytest_batchgate.config.schema import (
    BREAKER_KEYS,
    CONTAINERS,
    GATE_KEYS,
    READY_KEYS,
    RETRIES_KEYS,
    TOP_KEYS,
)

DOCS_PATH = Path(__file__).parents[2] / "docs" / "configuration.md"

_MARKED = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_GATE_WORDS: Mapping[frozenset[GateKind], str] = {
    ANY: "any",
    frozenset[GateKind]({"command", "service"}): "commands",
    frozenset[GateKind]({"command"}): "commands, not services",
    frozenset[GateKind]({"tests"}): "tests",
    frozenset[GateKind]({"command", "tests"}): "any but services",
}


def main(arguments: Sequence[str]) -> int:
    """The exit code: 1 for ``--check`` when a file would change, else 0."""
    wanted = {
        DOCS_PATH: filled(DOCS_PATH.read_text(encoding="utf-8")),
        SCHEMA_PATH: rendered(),
    }
    stale = [
        path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.name} is out of date: run python -m pytest_batchgate.config.docs")
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
        print(f"wrote {path.name}")
    return 0


def filled(text: str) -> str:
    """``text`` with the part between each pair of markers generated anew."""
    return _MARKED.sub(lambda found: f"{found[1]}{_TABLES[found[2]]()}\n{found[3]}", text)


def _file_table() -> str:
    rows = [(_name(key), _default(key), f"{key.doc}.") for key in TOP_KEYS.values()]
    rows += [(f"`{name}`", "", f"{doc}.") for name, doc in CONTAINERS.items()]
    return _table(("Key", "Default", "Meaning"), rows)


def _gate_table() -> str:
    keys = GATE_KEYS.values()
    rows = [(_name(key), _GATE_WORDS[key.on], _default(key), _doc(key)) for key in keys]
    return _table(("Key", "Gates", "Default", "Meaning"), rows)


def _record_table(keys: Mapping[str, Key]) -> str:
    rows = [(_name(key), _default(key), f"{key.doc}.") for key in keys.values()]
    return _table(("Key", "Default", "Meaning"), rows)


def _values_table() -> str:
    rows = [(_name(key), f"{_value(key.kind)}.") for key in (*TOP_KEYS.values(), *GATE_KEYS.values())]
    return _table(("Key", "Value"), rows)


_TABLES: Mapping[str, Callable[[], str]] = {
    "file": _file_table,
    "gate": _gate_table,
    "ready": lambda: _record_table(READY_KEYS),
    "retries": lambda: _record_table(RETRIES_KEYS),
    "breaker": lambda: _record_table(BREAKER_KEYS),
    "values": _values_table,
}


def _name(key: Key) -> str:
    return f"`{key.name}`"


def _default(key: Key) -> str:
    return f"`{key.default}`" if key.default is not None else ""


def _value(kind: Kind) -> str:
    return f"{kind.expected}, each {kind.kind.expected}" if isinstance(kind, Items) else kind.expected


def _doc(key: Key) -> str:
    if key.name not in NOT_YET_IN_GATES:
        return f"{key.doc}."
    return f"{key.doc}. *Not yet.*"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_line(head), _line(["---"] * len(head))]
    lines += [_line([cell.replace("|", r"\|") for cell in row]) for row in rows]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
