"""Remove what the tests left in the store, and say what it was.  Runs whatever became of them."""

from __future__ import annotations

import os

from shelf import Client


def main() -> int:
    url = os.environ.get("SHELF_URL")
    if url is None:
        print("the server never came up: nothing to clean")
        return 0
    client = Client(url)
    try:
        left = client.names()
        for key in left:
            client.remove(key)
    except OSError as error:
        print(f"the server is gone, and took everything with it: {error}")
        return 0
    print(f"removed {len(left)}: {', '.join(left) or 'nothing was left'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
