"""`shards.json`: which shard runs which file, written once for all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_batchgate.core.shards import MOST_SHARDS, Share
from pytest_batchgate.errors import OptionError

NAME = "shards.json"
SCHEMA = 1
_MOST_BYTES = 64 * 1024 * 1024
_WRITE_ANEW = "Write it anew with --batch-plan=matrix, or remove it"


def document(assigned: Mapping[str, int], count: int) -> str:
    """The file's text.  ``assigned``: shards from 1 by path."""
    files = dict(sorted(assigned.items()))
    return json.dumps({"schema": SCHEMA, "count": count, "files": files}, indent=0) + "\n"


def read_share(path: Path, index: int, count: int) -> Share | None:
    """What shard ``index`` of ``count`` runs by the file, None where there is none.

    Raises OptionError for a file that is none of these, or of another number of shards.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as problem:
        words = problem.strerror or str(problem)
        raise OptionError(f"it cannot be read: {words}", where=str(path), todo=_WRITE_ANEW) from None
    try:
        if len(content) > _MOST_BYTES:
            raise ValueError
        told: Any = json.loads(content)
        planned, files = told["count"], told["files"]
        if told["schema"] != SCHEMA or not (type(planned) is int and 0 < planned <= MOST_SHARDS):
            raise ValueError
        if not all(type(shard) is int and 0 < shard <= planned for shard in files.values()):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise OptionError("it says of no shards", where=str(path), todo=_WRITE_ANEW) from None
    if planned != count:
        raise OptionError(
            f"it plans {planned} shards, and this is one of {count}", where=str(path), todo=_WRITE_ANEW
        )
    digest = hashlib.blake2b(document(files, planned).encode("utf-8", "surrogateescape"), digest_size=6)
    return Share(index=index, count=count, assigned=files, split=f"{NAME} {digest.hexdigest()}")
