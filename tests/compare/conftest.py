from __future__ import annotations

import sys
from pathlib import Path

# The benchmarks are tools of the checkout and in no distribution.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
