"""Fixtures of all tests."""

from __future__ import annotations

import os

import pytest

from shelf import Client


@pytest.fixture(scope="session")
def client() -> Client:
    """Talks to the server that the gate `server` runs."""
    return Client(os.environ["SHELF_URL"])
