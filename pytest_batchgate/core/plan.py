"""The graph of one run: which gates, in what order, and how long it must take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_batchgate.core.model import Config, Gate, GateName


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A checked graph.

    ``gates`` are those that run, in file order; ``claims`` every tests gate of the
    configuration in the order in which they claim tests (file order, ``tests: true``
    last), selected or not.  ``needs`` and ``dependents`` cover the selected gates
    only and include what stages imply.  ``order`` is a topological order that keeps
    file order among equals.
    """

    config: Config
    gates: tuple[Gate, ...]
    claims: tuple[Gate, ...]
    needs: Mapping[GateName, tuple[GateName, ...]]
    dependents: Mapping[GateName, tuple[GateName, ...]]
    order: tuple[GateName, ...]

    def gate(self, name: GateName) -> Gate:
        return next(gate for gate in self.gates if gate.name == name)
