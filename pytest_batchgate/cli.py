"""`batchgate`, the second command: it works on what runs leave behind, and looks at where they run.

`pytest --batch-gates` runs gates; nothing here does.  Exit codes: 0 good, 1 problems
found, 2 interrupted, 4 usage.  Each command is a module of `pytest_batchgate.commands`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from pytest_batchgate import __version__
from pytest_batchgate.commands.base import EXIT_GOOD, EXIT_INTERRUPTED, EXIT_PROBLEMS, EXIT_USAGE
from pytest_batchgate.errors import BatchGateError

_COMMANDS = {
    "monitor": "follow a run from another terminal",
    "logs": "show the logs of gates, and what tests that failed have said",
    "stats": "what earlier runs took, which tests are flaky, what has changed",
    "merge": "join the reports of shards, and judge the whole",
    "doctor": "look at versions, configuration, tools and limits, and say what to do",
}


class _Parser(argparse.ArgumentParser):
    """argparse ends with 2 for a mistake, which is pytest's code for an interrupt."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: error: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code.  A mistake in the arguments raises SystemExit, as in argparse."""
    if sys.stdout is None:  # closed by whoever started us
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - till the end
    words = list(sys.argv[1:] if argv is None else argv)
    name = words[0] if words and words[0] in _COMMANDS else None
    command = importlib.import_module(f"pytest_batchgate.commands.{name}") if name else None
    parser = _Parser(prog="batchgate", description="Works on what `pytest --batch-gates` leaves behind.")
    parser.add_argument("--version", action="version", version=f"pytest-batchgate {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for known, text in _COMMANDS.items():
        added = commands.add_parser(known, help=text)
        if command is not None and known == name:
            command.declare(added)
    options = parser.parse_args(words)
    assert command is not None  # argparse takes no other word
    code = EXIT_GOOD
    try:
        code = command.run(options)
        sys.stdout.flush()
    except BatchGateError as problem:
        sys.stderr.write(f"batchgate {name}: error: {problem}\n")
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read has gone; a verdict stands
        _forget_output()
    except OSError as problem:
        if not _is_full():
            raise
        _forget_output()
        sys.stderr.write(f"batchgate {name}: error: the output cannot be written: {problem.strerror}\n")
        return code or EXIT_PROBLEMS
    return code


def _is_full() -> bool:
    """Whether it is standard output that cannot take more."""
    try:
        sys.stdout.flush()
    except OSError:
        return True
    return False


def _forget_output() -> None:
    """Without this the interpreter would complain about what is left at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
