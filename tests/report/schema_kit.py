"""Where the published schemas of SARIF and JUnit are, which are not copied into the project.

`.ci/schemas` gets them, by default to where they are looked for here.  `TESTS_SCHEMAS` names another
folder; CI sets it, and then they must be there.  Tests that find none are skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_USUAL = Path(__file__).parents[2] / ".ci" / ".work" / "schemas"


def schema(name: str) -> Path:
    given = os.environ.get("TESTS_SCHEMAS")
    if given:
        path = Path(given) / name
        assert path.is_file(), f"TESTS_SCHEMAS has no {name}"
        return path
    usual = _USUAL / name
    if not usual.is_file():
        pytest.skip(f"no {name}: .ci/schemas gets it")
    return usual
