"""The client: mostly by itself."""

from __future__ import annotations

import pytest

from shelf import Client


def test_keys_are_quoted() -> None:
    assert Client.path("a/b c") == "/values/a%2Fb%20c"


@pytest.mark.parametrize("url", ["", "localhost:80", "https://localhost"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="no http URL"):
        Client(url)


# Belongs here by what it is about, and to the gate `integration` by what it needs.
@pytest.mark.gate("integration")
def test_a_refused_key_is_an_error(client: Client) -> None:
    with pytest.raises(ValueError, match="is no key"):
        client.put("no key", "1")
