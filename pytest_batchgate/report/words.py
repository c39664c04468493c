"""Numbers as people read them, and text from tools made harmless.

What tools, tests and file names print may move a cursor, colour a terminal or give
orders to a CI service.  `harmless` is what stands between that and our output.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from pytest_batchgate.core.events import OUTCOMES

_MINUTE_S = 60
_HOUR_S = 3600


def duration(seconds: float) -> str:
    """``25ms`` below a tenth of a second, then ``3.2s``, ``1m 05s``, ``2h 03m``; ``0.0s`` for nothing."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 0.0005:
        return "0.0s"
    if round(seconds * 1000) < 100:
        return f"{round(seconds * 1000)}ms"
    if round(seconds, 1) < _MINUTE_S:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S}m {whole % _MINUTE_S:02}s"
    minutes = round(seconds / _MINUTE_S)
    return f"{minutes // 60}h {minutes % 60:02}m"


def plural(number: int, singular: str, plural_form: str | None = None) -> str:
    """``1 gate``, ``1,234 gates``."""
    word = singular if number == 1 else plural_form or f"{singular}s"
    return f"{number:,} {word}"


def counts(by_outcome: Mapping[str, int]) -> str:
    """``1,234 passed, 2 failed``; outcomes that did not occur are left out."""
    found = [(by_outcome.get(outcome, 0), outcome) for outcome in OUTCOMES]
    words = {"not_run": "not run", "error": "errors"}
    return ", ".join(
        f"{number:,} {words.get(outcome, outcome) if (outcome, number) != ('error', 1) else outcome}"
        for number, outcome in found
        if number
    )


def percent(share: float) -> str:
    """``0.784`` -> ``78%``."""
    return f"{share * 100:.0f}%"


def size(number: int) -> str:
    """``17 MiB``, ``1.4 GiB``."""
    return f"{number / 2**30:.1f} GiB" if number >= 1000 * 2**20 else f"{number / 2**20:.0f} MiB"


# CSI (colours, cursor), OSC (titles, links; ended by BEL or ST), other strings, two-character ones
_ESCAPES = re.compile(
    r"""
      (?: \x1b\[ | \x9b ) [0-?]* [ -/]* [@-~]
    | (?: \x1b\] | \x9d ) [^\x07\x1b\x9c\n]* (?: \x07 | \x1b\\ | \x9c )?
    | (?: \x1b[PX^_] | [\x90\x98\x9e\x9f] ) [^\x1b\x9c\n]* (?: \x1b\\ | \x9c )?
    | \x1b [ -/]* [0-~]
    """,
    re.VERBOSE,
)
# C0 but tab and newline, DEL, C1, line and paragraph separators, direction marks and
# overrides (they show a text in another order than it has), the byte order mark, surrogates
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_LINE_ENDS = re.compile("(?<!\r)\r+\n|[\r\x0b\x0c\x85\u2028\u2029]")


def harmless(text: str, *, unicode: bool = True) -> str:
    r"""``text`` as one line that can do nothing but be read.

    Escape sequences go, tabs and line ends become spaces, other control characters show as
    ``\x07``.  ``##[`` is broken up: GitHub's runner takes it for a command anywhere in a
    line.  Without ``unicode`` everything beyond ASCII shows as its code.
    """
    # Most lines are: of a worker that prints for minutes there are millions.
    if text.isprintable() and "##[" not in text and (unicode or text.isascii()):
        return text
    text = _ESCAPES.sub("", text)
    text = " ".join(_LINE_ENDS.sub("\n", text).expandtabs(4).split("\n"))
    text = _CONTROLS.sub(_code, text).replace("##[", "## [")
    return text if unicode else text.encode("ascii", "backslashreplace").decode("ascii")


def harmless_lines(text: str, *, unicode: bool = True) -> list[str]:
    """The lines of ``text``, each harmless; whatever a terminal or runner takes for a line's end is one."""
    lines = _LINE_ENDS.sub("\n", _ESCAPES.sub("", text)).split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return [harmless(line, unicode=unicode) for line in lines]


def _code(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")


def clip(text: str, width: int) -> str:
    """At most ``width`` characters, the cut marked with dots; ``width`` below 4 cuts silently."""
    if len(text) <= width:
        return text
    return text[: width - 3] + "..." if width > 3 else text[: max(0, width)]
