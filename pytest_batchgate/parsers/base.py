"""What every parser takes and gives, and the collector that keeps findings few, clean and unique.

Tools print file names and messages that come from the code they look at, so
everything here is taken for hostile: bounded in number and size, on one line,
without control characters.  Nothing here knows a tool's format.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable
from dataclasses import field, replace
from pathlib import Path
from typing import Literal, Protocol, TypeAlias
from urllib.parse import unquote, urlsplit

from pytest_batchgate.core.model import Finding, GateState
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.parsers.lines import plain

MAX_FINDINGS = 10_000
"""Findings kept of one gate; the others are counted."""

MAX_OUTPUT_BYTES = 16 * 1024 * 1024
"""How much of a log is looked at: three quarters from its start, the rest from its end."""

_MAX_MESSAGE = 2_000
_MAX_PATH = 4_096
_MAX_RULE = 200
_MAX_NUMBER = 2**31 - 1

Severity: TypeAlias = Literal["error", "warning", "note"]
Verdict: TypeAlias = tuple[GateState, str]

# Line breaks and what terminals obey, overrides of writing direction, halves of surrogate pairs.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParserInput:
    """What a command left: its words, its output (stdout and stderr as they came), its report.

    ``text`` should come from `read_output`, which bounds it.  ``rootdir`` and
    ``cwd`` (where the command ran, the rootdir by default) are absolute; paths in
    the output are relative to ``cwd``, those of findings to ``rootdir``.
    """

    argv: tuple[str, ...]
    text: str
    returncode: int
    rootdir: str
    report: bytes | None = None
    cwd: str | None = None

    @property
    def folder(self) -> str:
        return self.cwd or self.rootdir


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """``verdict`` turns a pass into a failure, with its reason.  ``more``: findings beyond the limit.

    ``note``: why the output was not understood, for the user; only `parse_output` sets it.
    """

    findings: tuple[Finding, ...] = ()
    verdict: Verdict | None = None
    more: int = 0
    note: str | None = None


class Parser(Protocol):
    """Reads what one tool prints.  One that does not understand it gives an empty `Parsed`."""

    @property
    def name(self) -> str: ...

    def parse(self, output: ParserInput) -> Parsed: ...


@dataclass(frozen=True, slots=True)
class ToolParser:
    """A parser made of a function that adds to a `Collector`; it sees the text without colours."""

    name: str
    read: Callable[[ParserInput, Collector], Verdict | None]

    def parse(self, output: ParserInput) -> Parsed:
        collector = Collector(output)
        verdict = self.read(replace(output, text=plain(output.text)), collector)
        return collector.parsed(verdict)


@dataclass(slots=True)
class Collector:
    """Gathers findings: each once, at most MAX_FINDINGS, paths relative to the rootdir."""

    output: ParserInput
    findings: list[Finding] = field(default_factory=list)
    more: int = 0
    _seen: set[int] = field(default_factory=set)
    _paths: dict[str, str | None] = field(default_factory=dict)

    def add(
        self,
        message: str,
        *,
        path: object = None,
        line: object = None,
        column: object = None,
        rule: object = None,
        severity: Severity = "error",
    ) -> None:
        """One finding.  What is no path, number or rule counts as not given."""
        number = one_based(line)
        finding = Finding(
            path=self._relative(path) if isinstance(path, str) and path else None,
            line=number,
            column=one_based(column) if number else None,
            rule=clean(rule, _MAX_RULE) or None if isinstance(rule, str) else None,
            severity=severity,
            message=clean(message, _MAX_MESSAGE),
        )
        # Hashes, not findings: a million repeated lines must not cost a million values.
        if (key := hash(finding)) in self._seen:
            return
        self._seen.add(key)
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(finding)
        else:
            self.more += 1

    def parsed(self, verdict: Verdict | None = None) -> Parsed:
        return Parsed(findings=tuple(self.findings), verdict=verdict, more=self.more)

    def _relative(self, path: str) -> str | None:
        if path not in self._paths:
            if len(self._paths) > MAX_FINDINGS:
                self._paths.clear()
            self._paths[path] = relative_path(path, self.output)
        return self._paths[path]


def clean(text: str, limit: int) -> str:
    """``text`` on one line of at most ``limit`` characters, what could move a cursor escaped."""
    text = text[: limit * 4]
    parts = (part.strip(" \t") for part in re.split(r"[\r\n]+", text.strip()))
    text = _UNSAFE.sub(_escape, " ".join(parts))
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if match[0] == "\t":
        return " "
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def one_based(value: object) -> int | None:
    """A line or column number as an integer, None for anything that is no such number."""
    if isinstance(value, str) and len(value) <= 10 and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MAX_NUMBER:
        return None
    return value


def relative_path(path: str, output: ParserInput) -> str | None:
    """``path`` as a tool printed it, "/"-separated, relative to the rootdir where it is inside."""
    if path.startswith("file:"):
        try:
            path = unquote(urlsplit(path).path)
        except ValueError:
            return None
    if not path or len(path) > _MAX_PATH:
        return None
    whole = os.path.normpath(os.path.join(output.folder, path))  # noqa: PTH118 (a name, maybe of no file)
    for root in dict.fromkeys((os.path.normpath(output.rootdir), _real(output.rootdir))):
        if whole == root or whole.startswith(root.rstrip(os.sep) + os.sep):
            whole = whole[len(root) :].lstrip(os.sep) or "."
            break
    whole = clean(whole.replace(os.sep, "/"), _MAX_PATH)
    # At the start of a line two colons would be a command to GitHub's runner.
    return f"./{whole}" if whole.startswith((":", "#")) else whole


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return path


def unreadable(output: ParserInput, kind: str) -> Verdict | None:
    """The verdict on a promised report that is no ``kind``: it says nothing, so that the pass is not earned.

    None for one of which only the start was looked at.
    """
    if output.report is None or len(output.report) >= MAX_OUTPUT_BYTES:
        return None
    return GateState.FAILED, f"the report it promised cannot be read as {kind}"


def read_output(path: Path, *, limit: int = MAX_OUTPUT_BYTES) -> str:
    """The text of a log file, ``limit`` bytes of it: its head and its tail, the middle left out.

    Whatever is not UTF-8 is replaced.  Raises OSError for a file that cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if size <= limit:
            return file.read(limit).decode("utf-8", "replace")
        head = file.read(limit * 3 // 4)
        file.seek(size - (limit - len(head)))
        tail = file.read(limit - len(head))
    # Cut at line ends, so that no half line is taken for a whole one.
    head, tail = head[: head.rfind(b"\n") + 1] or head, tail[tail.find(b"\n") + 1 :]
    return (head + b"\n" + tail).decode("utf-8", "replace")
