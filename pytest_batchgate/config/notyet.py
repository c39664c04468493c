"""Keys that are part of the schema and whose effect has not landed.

They are read and checked like all others, and refused when a gate that is about
to run asks for more than their default.  A feature that lands removes its line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pytest_batchgate.core.model import Config, Gate, GateName
from pytest_batchgate.errors import NotYetError

NOT_YET_IN_GATES: Mapping[str, Callable[[Gate], bool]] = {
    "cache": lambda gate: gate.cache == "on",
    "inputs": lambda gate: gate.inputs is not None,
}


def not_yet(config: Config, selected: Iterable[GateName]) -> NotYetError | None:
    """The first key, in file order, that asks for what this version cannot do; None if there is none.

    Gates that are not ``selected`` may ask for anything.
    """
    running = frozenset(selected)
    for gate in config.gates:
        if gate.name not in running:
            continue
        for key, wants in NOT_YET_IN_GATES.items():
            if wants(gate):
                where = config.places.get(("gates", gate.name, key), gate.where)
                return NotYetError(f"`{key}` (gate {gate.name!r})", where=where)
    return None
