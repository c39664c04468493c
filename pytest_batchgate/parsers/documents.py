"""JSON found in a tool's output: among other lines, several in a row, or cut off in the middle."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]

# A bracket that JSON may follow: decoding costs something even where it fails at once.
_OPENING = re.compile(r"^[ \t]{0,200}(\{(?=\s{0,200}[\"}])|\[(?=\s{0,200}[\[\]{\"\dtfn-]))", re.MULTILINE)
_DECODER = json.JSONDecoder()
_DEEP = 100_000  # characters that a document too deep to read may have cost at most


def objects(text: str) -> Iterator[Object]:
    """The outermost JSON objects that begin on a line of their own, and those in such lists.

    Of a document that is cut off, the objects inside that are whole are given
    instead.  Reads each character a few times at most.
    """
    end = 0
    budget = 3 * len(text) + _DEEP
    for match in _OPENING.finditer(text):
        start = match.start(1)
        if start < end:
            continue
        try:
            value, end = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError as error:
            # The error counts the lines before it, from the start of the text.
            budget -= max(error.pos - start, 1) + error.pos // 64
        except (ValueError, RecursionError):  # a number too long to convert; brackets without end
            budget -= _DEEP
        else:
            yield from _in(value)
        if budget < 0:
            return


def _in(value: object) -> Iterator[Object]:
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def child(value: object, *keys: str) -> Object:
    """The mapping at a path of keys; empty where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def children(value: object, *keys: str) -> list[Object]:
    """The mappings in the list at a path of keys."""
    found = child(value, *keys[:-1]).get(keys[-1])
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def text_of(value: object, key: str) -> str:
    """The string under ``key``, "" where there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""
