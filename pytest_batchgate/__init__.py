"""pytest-batchgate: a repository's quality gates as one graph in parallel workers.

PYTEST_DONT_REWRITE: workers import this package before pytest starts, and say so here.
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["__version__"]
