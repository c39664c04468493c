"""What the controller and its workers must see alike.

Imports nothing: a worker loads it while a run waits for its first test.
"""

from __future__ import annotations

from collections.abc import Sequence

NO_GATE = -1
"""The gate index of a test that no gate takes."""

IN_COLLECTION = -1
"""The test index of a worker that is collecting a file."""


def path_matches(path: str, prefixes: Sequence[str]) -> bool:
    """Whether ``path`` ("/"-separated, relative to the rootdir) lies at or under a prefix."""
    for prefix in prefixes:
        stem = prefix.strip("/").removeprefix("./")
        if stem in {"", "."} or path == stem or path.startswith(stem + "/"):
            return True
    return False


# Names another folder for what outlives runs than pytest's cache; heeded by runs and by `batchgate`.
STATE_DIR = "BATCHGATE_STATE_DIR"
