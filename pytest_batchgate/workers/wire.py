"""What controller and worker say to each other, as one bytes object per batch.

Messages are tuples of builtins that begin with a one-letter kind.  They travel as
one marshalled list, which bypasses execnet's serializer (one call per object)
and is the same for every CPython that this package supports, version 4 being
pinned.  Whatever comes from tests (report contents, warnings) goes through
`plain` first: nothing a test attaches to a report can break the wire, and the
controller never imports a class that a worker names.
"""

from __future__ import annotations

import functools
import marshal
import re
import struct
import time
from typing import Any, Final

MARSHAL_VERSION: Final = 4
PROTOCOL: Final = 3  # raised whenever a message changes; both sides must agree

# How a worker keeps its running test in a shared mapping: unit, index, when it began (`steady_s`).
# Without a beginning it does not run any more, or not yet.
STANDSTILL: Final = struct.Struct("<qqd")
STANDSTILL_BEGAN: Final = struct.Struct("<d")

# Seconds on a clock that all processes of the machine share, and that nothing which freezes or moves
# the time for tests touches: `time.monotonic` itself is replaced by some.
steady_s: Final = functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC)

Message = tuple[Any, ...]

# worker -> controller
INFO: Final = "G"  # (dict,): the worker's interpreter and platform
LISTED: Final = "L"  # (files, those whose text names a gate marker)
COLLECTED: Final = "C"  # (unit, dict of CollectedFile fields, taken | None)
RESULTS: Final = "R"  # (unit, [(index, outcome, duration_s, payload[, text]), ...], cpu_s, peak_rss_bytes)
UNIT_DONE: Final = "U"  # (unit,)
RELEASED: Final = "V"  # (unit, indexes, whole)
MISSING: Final = "M"  # (unit, indexes)
HUNGRY: Final = "H"  # ()
KEYWORDS: Final = "K"  # (number, names): report keywords, sent once and then named by number
WARNING: Final = "W"  # (dict,)
JUNIT: Final = "J"  # (node id | None, name, value): an attribute of a test's case, or a property of the suite
REPORTS: Final = "P"  # ([serialized report, ...]): collect reports outside of any file
INTERNAL: Final = "I"  # (text,)
USAGE: Final = "E"  # (text,)
EXIT: Final = "X"  # (reason, returncode | None): pytest.exit, KeyboardInterrupt
SHOULDSTOP: Final = "S"  # (kind, reason)
RUNNING: Final = "B"  # (unit, index, whether it runs): of a worker elsewhere, which shares no mapping with us
ENDED: Final = "F"  # (workeroutput,)

# controller -> worker
SETUP: Final = "setup"  # (dict,)
FILE: Final = "file"  # (unit, file, open gate indexes)
TESTS: Final = "tests"  # (unit, file, indexes, keys, gates, attempts | ())
RELEASE: Final = "release"  # (unit, count | None)
PARK: Final = "park"
FINISH: Final = "finish"
HALT: Final = "halt"
INTERRUPT: Final = "interrupt"  # as by Ctrl-C, for a worker that no signal of ours reaches

SUBTESTS: Final = "$batchgate_subtests"  # of a call's report: how many of its subtests failed
SHOWN: Final = "$batchgate_shown"  # a key of serialized reports whose text is a thing that shows itself

# Stands before each message in a pipe that we read ourselves, and is as long as execnet's header.
MAGIC: Final = b"\xffbatchgat"

_SURROGATES = re.compile("[\ud800-\udfff]")

_BUILTIN = (str, int, float, bool, bytes, type(None))


def encode(messages: list[Message]) -> bytes:
    return marshal.dumps(messages, MARSHAL_VERSION)


def decode(data: bytes) -> list[Message]:
    """Raises ValueError (EOFError, TypeError) for what `encode` did not write."""
    # Of a worker of our own, which could run any code anyway.
    messages = marshal.loads(data)  # noqa: S302  # nosec B302
    if type(messages) is not list:
        raise ValueError("not a batch of messages")
    return messages


def mark_messages(io: Any) -> None:
    """In a worker: let each message of execnet's begin with `MAGIC`, in one write with it."""
    write = io.write
    io.write = lambda data: write(MAGIC + data)


def plain(value: Any, depth: int = 0) -> Any:
    """``value`` rebuilt from exact builtins; what has no such form becomes its repr, bounded.

    Subclasses of str, int and so on lose their class; lone surrogates are escaped.
    """
    kind = type(value)
    if kind is str:
        return _text(value)
    if kind in {int, float, bool, bytes, type(None)}:
        return value
    if depth > 60:
        return "<nested too deeply>"
    if kind is list or isinstance(value, list):
        return [plain(entry, depth + 1) for entry in value]
    if isinstance(value, tuple):
        return tuple(plain(entry, depth + 1) for entry in value)
    if isinstance(value, dict):
        return {_key(name): plain(entry, depth + 1) for name, entry in value.items()}
    if isinstance(value, (set, frozenset)):
        return [plain(entry, depth + 1) for entry in value]
    return _as_base(value)


def property_value(value: Any) -> Any:
    """A value given to ``record_property``: as it is, or as the text that pytest writes into the report."""
    if type(value) in {int, float, bool, type(None)}:
        return value
    try:
        text = str(value)
    except Exception:  # noqa: BLE001 (it may raise anything)
        return plain(value)
    return _SURROGATES.sub(lambda found: f"#x{ord(found.group()):04X}", text)


def _key(name: Any) -> Any:
    plain_name = plain(name, 59)
    return plain_name if isinstance(plain_name, _BUILTIN) else str(plain_name)


def _as_base(value: Any) -> Any:
    """Enums, str and int subclasses, paths, numbers of other libraries."""
    try:
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value)
        if isinstance(value, (bytes, bytearray)):
            return bytes(value)
        if isinstance(value, str):
            return _text(str.__str__(value))
        if hasattr(value, "__fspath__"):
            return plain(value.__fspath__(), 59)
        return _text(repr(value)[:10_000])
    except Exception as exc:  # noqa: BLE001 (a repr may raise anything)
        return f"<unpresentable {type(value).__name__}: {type(exc).__name__}>"


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def derived_domain(nodeid: str) -> str:
    """What pytest's ``location[2]`` is for a test, as far as its node id tells."""
    names, bracket, parameters = nodeid.partition("[")
    return names.partition("::")[2].replace("::", ".") + bracket + parameters
