"""Where the published schemas of SARIF and JUnit are, which are not copied into the project.

`BATCHGATE_SCHEMAS` names the folder; CI sets it, and then they must be there.  Otherwise they are
looked for beside the checkout; tests that find none are skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


def schema(name: str) -> Path:
    given = os.environ.get("BATCHGATE_SCHEMAS")
    if given:
        path = Path(given) / name
        assert path.is_file(), f"BATCHGATE_SCHEMAS has no {name}"
        return path
    beside = _ROOT.parent / "shared" / "schemas" / name
    if not beside.is_file():
        pytest.skip(f"no {name}: set BATCHGATE_SCHEMAS to a folder that has it")
    return beside
