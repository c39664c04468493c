"""The hooks that plugins and conftests may implement: docs/extending.md shows each at work.

All are called in the controller's main thread, never in a worker.  Each implementation
is asked by itself, in pluggy's order, so that a fault is told by the name of its plugin.
Loaded with every pytest run: nothing is imported here but what annotations name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from pytest_batchgate.core.bus import Subscriber
    from pytest_batchgate.core.events import Event
    from pytest_batchgate.core.model import Gate
    from pytest_batchgate.core.plan import Plan
    from pytest_batchgate.parsers import Parser


def pytest_batchgate_gates(config: pytest.Config) -> Iterable[Gate] | None:
    """Gates beside the configured (or detected) ones, which they follow in order.

    Called once options are final and the first conftests are loaded, before `pytest_configure`.
    """


def pytest_batchgate_modify_plan(plan: Plan) -> Plan | None:
    """The plan to run instead, made with `Plan.with_gates`; None to leave it as it is.

    Called after `pytest_batchgate_gates`, with the selected gates; the next
    implementation gets what this one gives.
    """


def pytest_batchgate_parser(name: str) -> Parser | None:
    """The parser called ``name``, if this plugin has it; the first answer counts.

    ``name`` is a gate's `parser`, or else the program that its command runs.  The
    parser itself is called in other threads, several at a time.
    """


def pytest_batchgate_worker_spec(config: pytest.Config) -> str | Iterable[str] | None:
    """Execnet specs for the pool, as `--batch-tx` takes them; the first answer counts.

    Called before conftests are loaded, while options are in ``config.known_args_namespace``
    alone: for installed plugins and `-p`.  Not called with `--batch-tx` or `--batch-workers`.
    """


def pytest_batchgate_subscribers(config: pytest.Config) -> Iterable[Subscriber] | None:
    """Objects with a ``name`` and ``handle(event)``, which hears of everything that happens.

    Called when the session has started.  One that raises is switched off and named.
    """


def pytest_batchgate_event(event: Event) -> None:
    """Called for every event of the run; an implementation that raises is switched off and named."""
