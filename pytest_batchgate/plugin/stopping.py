"""How pytest's session ends for what ended the run."""

from __future__ import annotations

import pytest

from pytest_batchgate.core.protocol import StopAsked
from pytest_batchgate.core.state import RunState
from pytest_batchgate.plugin import rebuild
from pytest_batchgate.plugin.bridge import Bridge


def raise_stop(session: pytest.Session, asked: StopAsked | None, state: RunState, bridge: Bridge) -> None:
    """End the session the way pytest ends it for the same cause; return where nothing stopped the run."""
    if asked is not None:
        if asked.kind == "maxfail":
            raise session.Failed(asked.reason)
        if asked.kind == "exit":
            raise pytest.exit.Exception(asked.reason, asked.exit_code)
        if asked.kind == "interrupted":
            raise session.Interrupted(asked.reason) if session.shouldstop else KeyboardInterrupt
        if asked.kind == "internal":
            rebuild.tell_internal_error(session.config, bridge.internal_errors[0])
    if state.stop is not None and state.stop[0] == "collection":
        errors = session.testsfailed
        raise session.Interrupted(f"{errors} error{'s' if errors != 1 else ''} during collection")
