"""`batchgate doctor`: looks at versions, configuration, tools and limits, and says what to do."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_batchgate.commands.base import EXIT_GOOD, EXIT_PROBLEMS, declare_rootdir, writes_unicode
from pytest_batchgate.doctor import telling
from pytest_batchgate.doctor.check import Check
from pytest_batchgate.doctor.examination import examine
from pytest_batchgate.doctor.place import rootdir_of


def declare(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Looks at what a run would find here. Changes nothing. Exit code 1: there are problems."
    )
    declare_rootdir(parser)
    parser.add_argument("--config", metavar="FILE", help="as pytest's --batch-config")
    parser.add_argument("--profile", metavar="NAME", help="as pytest's --batch-profile")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    rootdir = rootdir_of(options.rootdir)
    config = Path(options.config) if options.config is not None else None
    found = examine(rootdir, config=config, profile=options.profile)
    checks: list[Check] = []
    if options.json:
        checks += found
        print(telling.as_json(rootdir, checks))
    else:
        for line in telling.lines(rootdir, _kept(found, checks), unicode=writes_unicode()):
            print(line, flush=True)
    return EXIT_PROBLEMS if any(check.level == "problem" for check in checks) else EXIT_GOOD


def _kept(found: Iterable[Check], checks: list[Check]) -> Iterator[Check]:
    """``found``, each one also put into ``checks``."""
    for check in found:
        checks.append(check)
        yield check
