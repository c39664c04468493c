"""Empty the store and fill it again from a copy.  Nothing else may use it meanwhile."""

from __future__ import annotations

import os

from shelf import Client


def main() -> int:
    client = Client(os.environ["SHELF_URL"])
    client.put("backed-up", "precious")
    copy = {key: client.get(key) for key in client.names()}
    for key in copy:
        client.remove(key)
    assert client.names() == [], "something else is writing"
    for key, value in copy.items():
        client.put(key, value or "")
    assert {key: client.get(key) for key in client.names()} == copy
    client.remove("backed-up")
    print(f"{len(copy)} values there and back")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
