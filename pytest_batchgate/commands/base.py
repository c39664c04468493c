"""What commands share: exit codes, the options that all have, and the streams they write to."""

from __future__ import annotations

import argparse
import os
import sys

EXIT_GOOD, EXIT_PROBLEMS, EXIT_INTERRUPTED, EXIT_USAGE = 0, 1, 2, 4


def declare_rootdir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rootdir", metavar="DIR", help="the repository (default: looked for from here)")


def writes_unicode() -> bool:
    """Whether standard output can take characters beyond ASCII."""
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"


def is_terminal() -> bool:
    """Whether standard output is a terminal whose cursor can be moved."""
    if os.environ.get("TERM", "dumb") in {"", "dumb", "unknown"}:
        return False
    try:
        return sys.stdout.isatty()
    except (AttributeError, ValueError):
        return False


def wants_colour() -> bool:
    """Colours on a terminal, unless NO_COLOR; FORCE_COLOR asks for them anywhere."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_terminal()


_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def styled(text: str, *styles: str, colour: bool) -> str:
    """``styles``: any of bold, dim, red, green, yellow, cyan."""
    codes = ";".join(_CODES[style] for style in styles if style)
    return f"\x1b[{codes}m{text}\x1b[0m" if colour and codes and text else text
