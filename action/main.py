"""What the steps of `action.yml` run: ``main.py prepare`` and ``main.py gates``.

With the interpreter of the input `python`, isolated (`-I`): nothing in the repository that is judged may
stand in for a module of ours.  Standard library only.
"""

from __future__ import annotations

import sys
from pathlib import Path

if sys.version_info < (3, 10):  # noqa: UP036 -- the input python may name any
    print(
        "::error title=batchgate::The input python names Python {}.{}; 3.10 is the oldest".format(
            *sys.version_info
        )
    )
    sys.exit(1)

sys.path.insert(0, str(Path(__file__).resolve().parent))

from batchgate_action.steps import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
