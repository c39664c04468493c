"""TOML into the tree.  Places are key paths: TOML's reader keeps no lines."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence

from pytest_batchgate.config.tree import MAX_DEPTH, Entry, Node, check_text
from pytest_batchgate.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_ENDLESS_KEY = re.compile(rf"(?<![A-Za-z0-9_.-])(?:{_PART}[ \t]*\.[ \t]*){{500}}")
_AT_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)$")

Keys = tuple[str, ...]


class _Written(float):
    """A float that remembers how it was written: 3.10 is not 3.1 where it becomes a string."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def read_toml(text: str, display: str) -> Mapping[str, object]:
    """The parsed file.  Raises ConfigError with ``display:LINE`` for bad TOML."""
    # The library's memory grows with the square of a dotted key's parts: 100,000 of them end the process.
    endless = _ENDLESS_KEY.search(text)
    if endless is not None:
        number = text.count("\n", 0, endless.start()) + 1
        raise ConfigError(f"nested deeper than {MAX_DEPTH} levels", where=f"{display}:{number}")
    try:
        return tomllib.loads(text, parse_float=_Written)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = _AT_LINE.search(message)
        # Without a line it is the end of the file where something is missing.
        line = found[1] if found else text.count("\n") + 1
        where = f"{display}:{line}"
        problem = _AT_LINE.sub("", message).replace(" (at end of document)", " at the end of the file")
        raise ConfigError(f"this is not TOML: {problem[:1].lower()}{problem[1:]}", where=where) from None
    except RecursionError:
        raise ConfigError(f"nested deeper than {MAX_DEPTH} levels", where=display) from None
    except ValueError:  # an integer longer than Python converts
        raise ConfigError("this is not TOML: a number has too many digits", where=display) from None


def locate(value: object, display: str, table: Keys) -> Node:
    """The tree of ``value``, which stands at the key path ``table``."""
    return _node(value, display, table, depth=0)


def _node(value: object, display: str, keys: Keys, depth: int) -> Node:
    where = _where(display, keys, is_table=isinstance(value, Mapping))
    if depth > MAX_DEPTH:
        raise ConfigError(f"nested deeper than {MAX_DEPTH} levels", where=display)
    if isinstance(value, Mapping):
        entries = {}
        for key, inner in value.items():
            check_text(key, where)
            if not key:
                raise ConfigError("an empty key", where=where, todo="Write a name before the equals sign")
            node = _node(inner, display, (*keys, key), depth + 1)
            entries[key] = Entry(where=node.where, node=node)
        return Node(where=where, value=entries)
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = tuple(_node(inner, display, keys, depth + 1) for inner in value)
        return Node(where=where, value=items)
    if isinstance(value, bool):
        return Node(where=where, value=value, text="true" if value else "false")
    if isinstance(value, str):
        check_text(value, where)
        return Node(where=where, value=value, text=value)
    if isinstance(value, _Written):
        return Node(where=where, value=float(value), text=value.text)
    if isinstance(value, int):
        return Node(where=where, value=value, text=str(value))
    raise ConfigError("dates and times are not used here", where=where, todo="Quotes make a value a string")


def _where(display: str, keys: Keys, *, is_table: bool) -> str:
    if is_table:
        table, key = keys, None
    else:
        table, key = keys[:-1], keys[-1] if keys else None
    parts = [display]
    if table:
        parts.append(f"[{'.'.join(map(_quoted, table))}]")
    if key is not None:
        parts.append(_quoted(key))
    return " ".join(parts)


def _quoted(key: str) -> str:
    return key if _BARE.fullmatch(key) else f'"{key.encode("unicode_escape").decode("ascii")}"'
