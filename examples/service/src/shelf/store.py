"""Values under keys, safe to use from many threads."""

from __future__ import annotations

import re
import threading

_KEY = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class Store:
    """``requests`` counts what was asked of it, for whoever watches."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self.requests = 0

    def put(self, key: str, value: bytes) -> None:
        """Raises ValueError for a key that is none."""
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key")
        with self._lock:
            self._values[key] = value

    def get(self, key: str) -> bytes | None:
        return self._values.get(key)

    def remove(self, key: str) -> bool:
        """Whether it was there."""
        with self._lock:
            return self._values.pop(key, None) is not None

    def keys(self) -> list[str]:
        with self._lock:
            return sorted(self._values)

    def count_request(self) -> None:
        with self._lock:
            self.requests += 1
