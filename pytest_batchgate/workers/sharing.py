"""Threads that tools and libraries start of their own: each worker's share of the CPUs, not all of them.

A numerical library, ruff or Polars takes every CPU that it sees.  Beside as many workers as there are
CPUs that makes CPUs squared threads, which get in each other's way.  What is set is what joblib sets for
its workers (``max(cpus // workers, 1)`` in the variables of OpenMP and the BLAS libraries), and the variables
of other runtimes that take all CPUs where nothing is said.  None is set whose runtime would take fewer.
"""

from __future__ import annotations

from collections.abc import Mapping

OPENMP = "OMP_NUM_THREADS"
# These ask for OMP_NUM_THREADS where their own is missing: whoever has set that has set them.
_FOLLOW_OPENMP = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_OTHERS = (
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",  # Accelerate, macOS
    "RAYON_NUM_THREADS",  # ruff, ty and other tools in Rust
    "POLARS_MAX_THREADS",
    "GOMAXPROCS",
    "PYTEST_XDIST_AUTO_NUM_WORKERS",  # of `pytest -n auto` inside a gate
)
VARIABLES = (OPENMP, *_FOLLOW_OPENMP, *_OTHERS)


def share_of(cpus: int, workers: int, weight: int = 1) -> int | None:
    """CPUs for what takes ``weight`` of ``workers`` slots, at least 1; None without others to share with."""
    if workers <= 1:
        return None
    return max(1, cpus * min(weight, workers) // workers)


def shared_environment(known: Mapping[str, str], share: int | None) -> dict[str, str]:
    """The variables to add, so that nothing takes more than its share; ``known`` holds what is set already.

    What is set, by the user, a gate or an outer run, is never overridden.
    """
    if share is None:
        return {}
    spared = {OPENMP, *_FOLLOW_OPENMP} if OPENMP in known else set()
    return {name: str(share) for name in VARIABLES if name not in known and name not in spared}
