"""A shelf: values under keys, kept in memory and served over HTTP."""

from __future__ import annotations

from shelf.client import Client
from shelf.store import Store

__all__ = ["Client", "Store"]
