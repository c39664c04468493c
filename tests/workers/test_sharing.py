"""Threads of tools and libraries: each worker's share, and nothing that somebody has set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batchgate.workers.sharing import OPENMP, VARIABLES, share_of, shared_environment


@pytest.mark.parametrize(
    ("cpus", "workers", "weight", "share"),
    [
        (8, 2, 1, 4),
        (8, 3, 1, 2),
        (8, 8, 1, 1),
        (2, 8, 1, 1),  # more workers than CPUs, for gates that wait
        (8, 4, 3, 6),
        (8, 4, 9, 8),  # a weight is clamped to the pool
        (2, 1, 1, None),
        (8, 0, 1, None),
    ],
)
def test_the_share_is_the_part_of_the_slots(cpus: int, workers: int, weight: int, share: int | None) -> None:
    assert share_of(cpus, workers, weight) == share


@given(st.integers(1, 256), st.integers(2, 256), st.lists(st.integers(1, 9), max_size=20))
def test_the_shares_of_a_full_pool_are_no_more_than_the_cpus_or_one_each(
    cpus: int, workers: int, weights: list[int]
) -> None:
    shares = [share_of(cpus, workers, weight) for weight in weights]
    assert all(share is not None and share >= 1 for share in shares)
    if sum(weights) <= workers:
        assert sum(share for share in shares if share is not None) <= max(cpus, len(weights))


def test_what_is_set_stays_and_openmp_speaks_for_those_that_follow_it() -> None:
    added = shared_environment({"PATH": "/bin"}, 2)
    assert added == dict.fromkeys(VARIABLES, "2")
    assert shared_environment({}, None) == {}
    mine = shared_environment({"MKL_NUM_THREADS": "7", "GOMAXPROCS": ""}, 2)
    assert set(VARIABLES) - set(mine) == {"MKL_NUM_THREADS", "GOMAXPROCS"}
    followed = shared_environment({OPENMP: "7"}, 2)
    assert not {OPENMP, "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"} & set(followed)
    assert followed["RAYON_NUM_THREADS"] == "2"
