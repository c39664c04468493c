"""Client and server together.  All of these share one server, and run beside one another."""

from __future__ import annotations

import pytest

from shelf import Client

pytestmark = pytest.mark.integration


def test_write(client: Client) -> None:
    client.put("written", "yes")
    assert client.get("written") == "yes"


@pytest.mark.depends_on("test_write")
def test_what_was_written_is_listed(client: Client) -> None:
    """On whatever worker it runs: the server is the same."""
    assert "written" in client.names()


@pytest.mark.depends_on("test_what_was_written_is_listed")
def test_what_was_written_can_be_removed(client: Client) -> None:
    assert client.remove("written")
    assert client.get("written") is None


@pytest.mark.serial("balance")
@pytest.mark.parametrize("amount", [1, 10, 100])
def test_deposits_are_not_lost(client: Client, amount: int) -> None:
    """Reads, adds, writes: two at once would lose one."""
    before = int(client.get("balance") or 0)
    client.put("balance", str(before + amount))
    assert int(client.get("balance") or 0) == before + amount


@pytest.mark.serial
def test_each_request_is_counted(client: Client) -> None:
    """Any other test of the run would be counted too."""
    before = client.requests()
    client.put("counted", "1")
    client.get("counted")
    assert client.requests() == before + 2
