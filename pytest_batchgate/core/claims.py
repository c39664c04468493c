"""Which gate takes a test, as far as a path alone can tell.

A test belongs to its marker's gate, else to the first gate in claim order that
matches.  Before a file is collected only `paths` can be judged; what follows
from it is who *may* claim tests of the file, and so which environments must
collect it, and which gates wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_batchgate.core.agreed import path_matches
from pytest_batchgate.core.model import Gate, Tests


def claimants(path: str, claims: Sequence[Gate]) -> tuple[int, ...]:
    """Indexes into ``claims`` of the gates that may take an unmarked test of ``path``.

    In claim order, ending with the first gate that takes whatever is left: behind
    it nobody is asked.
    """
    found = []
    for index, gate in enumerate(claims):
        work = gate.work
        assert isinstance(work, Tests)
        if work.paths and not path_matches(path, work.paths):
            continue
        found.append(index)
        if work.expression is None:
            break
    return tuple(found)
