"""The store by itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from shelf import Store


@pytest.fixture
def store() -> Store:
    return Store()


def test_a_value_is_kept(store: Store) -> None:
    store.put("a", b"1")
    assert (store.get("a"), store.get("b")) == (b"1", None)


def test_the_last_value_counts(store: Store) -> None:
    store.put("a", b"1")
    store.put("a", b"2")
    assert store.get("a") == b"2"


def test_removed_once(store: Store) -> None:
    store.put("a", b"1")
    assert [store.remove("a"), store.remove("a")] == [True, False]


@pytest.mark.parametrize("key", ["", "a b", "a/b", "x" * 101])
def test_keys_that_are_none(store: Store, key: str) -> None:
    with pytest.raises(ValueError, match="is no key"):
        store.put(key, b"")


def test_many_threads(store: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: (store.put(f"k{n}", b""), store.count_request()), range(200)))
    assert (len(store.keys()), store.requests) == (200, 200)
