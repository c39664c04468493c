"""YAML into the tree, event by event.

PyYAML's own composer and constructor are not used: they recurse (a deep file
ends in a RecursionError), follow YAML 1.1 (`on` and `no` are booleans there,
`1:30` is ninety) and let a later duplicate win silently.  Its parser, which only
yields events, does none of that.
"""

from __future__ import annotations

import re
from dataclasses import field

import yaml
from yaml import events

from pytest_batchgate.config.tree import MAX_DEPTH, Entry, Node, check_text, shown
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import ConfigError

MAX_ALIAS_NODES = 10_000
"""How many values aliases may repeat in all: enough for any matrix, far below a bomb."""

MAX_NODES = 100_000
"""Values in one file: some seconds of parsing."""

_NULL = re.compile(r"|~|null|Null|NULL")
_INT = re.compile(r"[-+]?[0-9]{1,30}")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_HINTS = {
    "found character '\\t' that cannot start any token": "Indent with spaces, not tabs",
    "mapping values are not allowed here": "Quote values that contain `: `, and check the indentation",
    "found unknown escape character": "Use single quotes around a value with backslashes",
}


def read_yaml(text: str, display: str) -> Node | None:
    """The one document of ``text``, or None when it is empty.

    Raises ConfigError, with ``display:LINE``, for anything that is not plain YAML.
    """
    builder = _Builder(display)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.feed(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = (error.problem or error.context or "it cannot be parsed").replace(
            "'<stream end>'", "the end of the file"
        )
        hint = next((todo for start, todo in _HINTS.items() if problem.startswith(start)), None)
        began = error.context_mark
        if hint is None and mark is not None and began is not None and began.line < mark.line:
            hint = f"What is not finished there begins on line {began.line + 1}"
        where = f"{display}:{mark.line + 1}" if mark else display
        raise ConfigError(f"this is not YAML: {problem}", where=where, todo=hint) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(
            f"the character {error.character:#x} is not allowed in YAML",
            where=f"{display}:{line}",
            todo="Remove it, or write it as an escape in double quotes",
        ) from None
    return builder.root


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet."""

    where: str
    anchor: str | None
    items: list[Node] | None  # None for a mapping
    entries: dict[str, Entry] = field(default_factory=dict)
    key: tuple[str, str] | None = None  # text and where of a key that waits for its value
    size: int = 1
    height: int = 1


@dataclass(frozen=True, slots=True)
class _Anchored:
    node: Node
    size: int  # nodes, this one included
    height: int  # levels, this one included


class _Builder:
    def __init__(self, display: str) -> None:
        self._display = display
        self._stack: list[_Open] = []
        self._anchors: dict[str, _Anchored] = {}
        self._documents = 0
        self._nodes = 0
        self._alias_nodes = 0
        self.root: Node | None = None

    def feed(self, event: events.Event) -> None:
        if isinstance(event, events.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise ConfigError(
                    "a second document starts here",
                    where=self._where(event),
                    todo="Keep one document, without another `---`",
                )
        elif isinstance(event, events.AliasEvent):
            self._alias(str(event.anchor), self._where(event))
        elif isinstance(event, (events.ScalarEvent, events.CollectionStartEvent)):
            self._start(event)
        elif isinstance(event, events.CollectionEndEvent):
            self._end()

    def _where(self, event: events.Event) -> str:
        line = event.start_mark.line if event.start_mark is not None else 0
        return f"{self._display}:{line + 1}"

    def _start(self, event: events.ScalarEvent | events.CollectionStartEvent) -> None:
        where = self._where(event)
        tag = event.tag
        if tag is not None:
            raise ConfigError(
                f"the tag {shown(tag.replace('tag:yaml.org,2002:', '!!'))} is not allowed",
                where=where,
                todo="Remove it; quotes make a value a string",
            )
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ConfigError(f"more than {MAX_NODES} values in one file", where=where)
        if isinstance(event, events.ScalarEvent):
            plain = event.style is None
            check_text(event.value, where)
            if plain and event.value == "<<" and self._expects_key():
                raise ConfigError(
                    "merge keys (`<<`) are not part of YAML 1.2",
                    where=where,
                    todo="Use `defaults`, or an alias for a whole value",
                )
            value = _resolve(event.value) if plain else event.value
            node = Node(where=where, value=value, text=event.value)
            self._place(node, anchor=event.anchor, size=1, height=1)
            return
        if len(self._stack) >= MAX_DEPTH:
            raise ConfigError(f"nested deeper than {MAX_DEPTH} levels", where=where)
        if self._expects_key():
            raise ConfigError("a key must be a plain word", where=where)
        is_list = isinstance(event, events.SequenceStartEvent)
        anchor = event.anchor
        self._stack.append(_Open(where=where, anchor=anchor, items=[] if is_list else None))

    def _end(self) -> None:
        done = self._stack.pop()
        value = tuple(done.items) if done.items is not None else done.entries
        self._place(
            Node(where=done.where, value=value), anchor=done.anchor, size=done.size, height=done.height
        )

    def _alias(self, name: str, where: str) -> None:
        if any(opened.anchor == name for opened in self._stack):
            raise ConfigError(f"the alias `*{name}` contains itself", where=where)
        known = self._anchors.get(name)
        if known is None:
            raise ConfigError(f"the alias `*{name}` has no anchor `&{name}` before it", where=where)
        self._alias_nodes += known.size
        if self._alias_nodes > MAX_ALIAS_NODES:
            raise ConfigError(f"aliases expand to more than {MAX_ALIAS_NODES} values", where=where)
        if len(self._stack) + known.height > MAX_DEPTH:
            raise ConfigError(f"aliases nest deeper than {MAX_DEPTH} levels", where=where)
        self._place(known.node, anchor=None, size=known.size, height=known.height, key_where=where)

    def _expects_key(self) -> bool:
        return bool(self._stack) and self._stack[-1].items is None and self._stack[-1].key is None

    def _place(
        self, node: Node, *, anchor: str | None, size: int, height: int, key_where: str | None = None
    ) -> None:
        if anchor is not None:
            self._anchors[anchor] = _Anchored(node, size, height)
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        parent.size += size
        parent.height = max(parent.height, height + 1)
        if parent.items is not None:
            parent.items.append(node)
        elif parent.key is None:
            parent.key = self._key(parent, node, key_where or node.where)
        else:
            key, where = parent.key
            parent.entries[key] = Entry(where=where, node=node)
            parent.key = None

    @staticmethod
    def _key(parent: _Open, node: Node, where: str) -> tuple[str, str]:
        if node.entries is not None or node.items is not None:
            raise ConfigError("a key must be a plain word", where=where)
        if not node.text:
            raise ConfigError("an empty key", where=where, todo="Write a name before the colon")
        before = parent.entries.get(node.text)
        if before is not None:
            line = before.where.rpartition(":")[2]
            raise ConfigError(
                f"the key {shown(node.text)} is given twice",
                where=where,
                todo=f"Remove one; the first is on line {line}",
            )
        return node.text, where


def _resolve(text: str) -> bool | int | float | str | None:
    """A plain scalar by YAML 1.2's core schema.

    Two things are left strings because they surprise more than they help: octal
    and hexadecimal numbers, and `True`, which is refused where a boolean belongs.
    """
    if _NULL.fullmatch(text):
        return None
    if text in ("true", "false"):
        return text == "true"
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        # Python spells `-.inf` and `.nan` without their dot.
        return float(text.replace(".", "") if text.lstrip("+-.").isalpha() else text)
    return text
