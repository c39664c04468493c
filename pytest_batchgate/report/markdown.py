"""GitHub-flavoured Markdown in which text from tools and tests can do nothing but be read.

Such text stands in code only: inline, where entities keep it from being Markdown, HTML, a link or
a mention, or in a fence longer than any run of backticks in it.
"""

from __future__ import annotations

import re

from pytest_batchgate.report.words import clip, harmless, harmless_lines

_SPECIAL = re.compile(r"[^\w .,/()'=-]|_|(?<=www)\.", re.IGNORECASE)
_BACKTICKS = re.compile("`+")


def code(text: str, width: int = 300) -> str:
    """Inline, on one line, at most ``width`` characters as they are read."""
    shown = clip(harmless(text), width).strip() or "-"
    return f"<code>{_SPECIAL.sub(_entity, shown)}</code>"


def fenced(text: str, *, most_lines: int = 60, most: int = 4_000) -> str:
    """A block of its own: the end of ``text``, where failures say most."""
    lines = harmless_lines(text)
    kept: list[str] = []
    left = most
    for line in reversed(lines):
        shown = clip(line, 500)
        left -= len(shown) + 1
        if left < 0 or len(kept) == most_lines:
            break
        kept.append(shown)
    kept.reverse()
    hidden = len(lines) - len(kept)
    if hidden:
        kept.insert(0, f"[... {hidden:,} lines before this ...]")
    fence = "`" * max(3, 1 + max((len(run) for line in kept for run in _BACKTICKS.findall(line)), default=0))
    return "\n".join([f"{fence}text", *kept, fence])


def folded(summary: str, content: str) -> str:
    """``summary`` is HTML already, as `code` gives it; ``content`` is Markdown."""
    return f"<details><summary>{summary}</summary>\n\n{content}\n\n</details>"


def table(head: list[str], rows: list[list[str]], *, align: str) -> str:
    """``align``: ``<`` or ``>`` per column.  Cells are Markdown without bars or line ends."""
    rule = ["---:" if side == ">" else ":---" for side in align]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


def drawn(text: str, width: int = 300) -> str:
    """Text in a mermaid chart: all but letters, digits and a few signs as mermaid's own entities."""
    shown = clip(harmless(text), width)
    return "".join(char if char.isalnum() or char in " ._-" else f"#{ord(char)};" for char in shown)


def _entity(match: re.Match[str]) -> str:
    return f"&#{ord(match.group())};"
