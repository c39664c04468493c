"""`--batch-shard`: which share of the run is this machine's."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pytest_batchgate.core.shards import MOST_SHARDS, Share
from pytest_batchgate.errors import OptionError
from pytest_batchgate.store import shardsfile

OPTION = "--batch-shard"


def read_shard(text: str, *, is_planned: bool) -> tuple[int, int]:
    """``I/N`` as (I, N).  A plan is for all shards: there ``N`` does, and I is 0.  Raises OptionError."""
    first, slash, second = text.partition("/")
    if is_planned and not slash:
        first, second = "1", first
    numbers = [part for part in (first, second) if part.isascii() and part.isdecimal() and len(part) < 9]
    if len(numbers) == 2:
        index, count = map(int, numbers)
        if 1 <= index <= count <= MOST_SHARDS:
            return (0, count) if is_planned else (index, count)
    form = "N" if is_planned and not slash else "I/N, such as 1/4"
    raise OptionError(
        f"{text!r} is no shard",
        where=OPTION,
        todo=f"Write it as {form}: I from 1 to N, and N at most {MOST_SHARDS}",
    )


def find_share(shard: tuple[int, int], folders: Iterable[Path | None]) -> Share:
    """By the first `shards.json` of ``folders``, else by path.  Raises OptionError."""
    for folder in folders:
        if folder is not None:
            found = shardsfile.read_share(folder / shardsfile.NAME, *shard)
            if found is not None:
                return found
    return Share(index=shard[0], count=shard[1])
