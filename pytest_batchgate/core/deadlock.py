"""Why nothing goes on: the graph of who waits for whom, and its cycles.

Gates cannot wait for each other in a circle (the plan refuses that), but tests
can: by `depends_on`, by a marker's `needs`, or through the gate they belong to.
"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_batchgate.core.gating import needs_met
from pytest_batchgate.core.model import GateName, GateState
from pytest_batchgate.core.state import RunState, Special, Target

Node = Special | GateName


def explain(state: RunState) -> list[tuple[Special, str]]:
    """The tests to give up, each with the reason to show.  Empty: no test is to blame."""
    cycle = find_cycle(state)
    if cycle:
        names = [_name(node) for node in cycle]
        words = "dependency cycle: " + " -> ".join([*names, names[0]])
        return [(node, words) for node in cycle if isinstance(node, Special)]
    for special in state.specials:
        run = state.run_of(special.gate)
        if run is None or run.state is not GateState.RUNNING:
            continue
        waits = [target.text for target in special.targets if not target.met]
        if waits:
            return [(special, f"waits for {', '.join(waits)}, which never ran")]
    return []


def _name(node: Node) -> str:
    return node.nodeid if isinstance(node, Special) else f"gate {node}"


def find_cycle(state: RunState) -> list[Node]:
    """One cycle that contains a test, in order, or an empty list.  Iterative: chains may be long."""
    done: set[int | str] = set()
    for start in list(state.specials):
        path: list[Node] = []
        on_path: dict[int | str, int] = {}
        stack: list[Iterator[Node]] = [iter([start])]
        while stack:
            node = next(stack[-1], None)
            if node is None:
                stack.pop()
                if path:
                    gone = path.pop()
                    on_path.pop(_key(gone), None)
                    done.add(_key(gone))
                continue
            key = _key(node)
            if key in on_path:
                return path[on_path[key] :]
            if key in done:
                continue
            on_path[key] = len(path)
            path.append(node)
            stack.append(iter(list(_waits_for(state, node))))
    return []


def _key(node: Node) -> int | str:
    return id(node) if isinstance(node, Special) else node


def _waits_for(state: RunState, node: Node) -> Iterator[Node]:
    if isinstance(node, Special):
        for target in node.targets:
            if not target.met:
                yield from _behind_target(state, target)
        own = state.run_of(node.gate)
        if own is not None and own.state is GateState.WAITING:
            yield own.name
        return
    run = state.gates[node]
    if run.state is GateState.WAITING:
        yield from (name for name in run.needs if not state.gates[name].ended)
        if needs_met(state, run):
            yield from {
                state.resources_held[name] for name in run.gate.resources if name in state.resources_held
            }
    yield from (special for special in state.specials if special.gate == run.claim)


def _behind_target(state: RunState, target: Target) -> Iterator[Node]:
    if target.gate is not None:
        if target.gate in state.gates:
            yield target.gate
        return
    for special in state.specials:
        watching = state.watched.get((special.file.name, special.index), ())
        if any(other is target for other in watching):
            yield special
