"""`batchgate merge`: joins the reports of shards, and judges the whole."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_batchgate.plugin.merging import merge


def declare(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Joins what `pytest --batch-gates --batch-shard=I/N --batch-report-dir=DIR` wrote."
        " Exit codes are those of the run that it was; 4 also if nothing can be joined."
    )
    parser.add_argument(
        "folders", metavar="DIR", nargs="+", help="a shard's reports, or a folder of such folders"
    )
    parser.add_argument("--out", metavar="DIR", help="write every report of the whole run there")


def run(options: argparse.Namespace) -> int:
    return merge(list(map(Path, options.folders)), Path(options.out) if options.out else None)
