"""`batchgate`, the second command: it works on what runs leave behind, and looks at where they run.

`pytest --batch-gates` runs gates; nothing here does.  Exit codes: 0 good, 1 problems
found, 2 interrupted, 4 usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from pytest_batchgate import __version__
from pytest_batchgate.doctor.check import Check

_LATER = {
    "stats": "what earlier runs took",
    "monitor": "watch a run from outside",
    "logs": "show the logs of gates",
}

EXIT_GOOD, EXIT_PROBLEMS, EXIT_INTERRUPTED, EXIT_USAGE = 0, 1, 2, 4


class _Parser(argparse.ArgumentParser):
    """argparse ends with 2 for a mistake, which is pytest's code for an interrupt."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: error: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code.  A mistake in the arguments raises SystemExit, as in argparse."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in _LATER:  # whatever follows is of a command that is not there yet
        sys.stderr.write(f"batchgate {words[0]}: error: `batchgate {words[0]}` is not supported yet\n")
        return EXIT_USAGE
    options = _parser().parse_args(words)
    try:
        return _merge(options) if options.command == "merge" else _doctor(options)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read has gone; without this the interpreter would complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_GOOD


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="batchgate", description="Works on what `pytest --batch-gates` leaves behind.")
    parser.add_argument("--version", action="version", version=f"pytest-batchgate {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in _LATER.items():
        commands.add_parser(name, help=f"{text} (not yet)")
    doctor = commands.add_parser(
        "doctor",
        help="look at versions, configuration, tools and limits, and say what to do",
        description="Looks at what a run would find here. Changes nothing. Exit code 1: there are problems.",
    )
    doctor.add_argument("--rootdir", metavar="DIR", help="the repository (default: looked for from here)")
    doctor.add_argument("--config", metavar="FILE", help="as pytest's --batch-config")
    doctor.add_argument("--profile", metavar="NAME", help="as pytest's --batch-profile")
    doctor.add_argument("--json", action="store_true", help="for programs")
    merge = commands.add_parser(
        "merge",
        help="join the reports of shards, and judge the whole",
        description="Joins what `pytest --batch-gates --batch-shard=I/N --batch-report-dir=DIR` wrote."
        " Exit codes are those of the run that it was; 4 also if nothing can be joined.",
    )
    merge.add_argument(
        "folders", metavar="DIR", nargs="+", help="a shard's reports, or a folder of such folders"
    )
    merge.add_argument("--out", metavar="DIR", help="write every report of the whole run there")
    return parser


def _merge(options: argparse.Namespace) -> int:
    from pytest_batchgate.errors import BatchGateError
    from pytest_batchgate.plugin.merging import merge

    try:
        return merge(list(map(Path, options.folders)), Path(options.out) if options.out else None)
    except BatchGateError as problem:
        sys.stderr.write(f"batchgate merge: error: {problem}\n")
        return EXIT_USAGE


def _doctor(options: argparse.Namespace) -> int:
    from pytest_batchgate.doctor import telling
    from pytest_batchgate.doctor.examination import examine, find_rootdir

    try:
        rootdir = Path(os.path.abspath(options.rootdir)) if options.rootdir else find_rootdir(Path.cwd())  # noqa: PTH100
    except OSError as problem:
        sys.stderr.write(f"batchgate doctor: error: the working directory is gone: {problem.strerror}\n")
        return EXIT_USAGE
    if not rootdir.is_dir():
        sys.stderr.write(f"batchgate doctor: error: there is no folder {str(rootdir)!r}\n")
        return EXIT_USAGE
    config = Path(options.config) if options.config is not None else None
    found = examine(rootdir, config=config, profile=options.profile)
    checks: list[Check] = []
    if options.json:
        checks += found
        print(telling.as_json(rootdir, checks))
    else:
        unicode = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
        for line in telling.lines(rootdir, _kept(found, checks), unicode=unicode):
            print(line, flush=True)
    return EXIT_PROBLEMS if any(check.level == "problem" for check in checks) else EXIT_GOOD


def _kept(found: Iterable[Check], checks: list[Check]) -> Iterator[Check]:
    """``found``, each one also put into ``checks``."""
    for check in found:
        checks.append(check)
        yield check
