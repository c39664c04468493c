"""Why nothing goes on: the graph of who waits for whom, and its cycles.

Gates cannot wait for each other in a circle (the plan refuses that), but tests
can: by `depends_on`, by a marker's `needs`, or through the gate they belong to.
"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_batchgate.core.gating import is_open, its_turn, needs_met
from pytest_batchgate.core.model import GateName, GateState
from pytest_batchgate.core.specials import Special, Target
from pytest_batchgate.core.state import RunState

Node = Special | GateName


def explain(state: RunState) -> list[tuple[Special, str]]:
    """The tests to give up, each with the reason to show.  Empty: no test is to blame."""
    cycle = find_cycle(state)
    if cycle:
        names = [_name(node) for node in cycle]
        words = "dependency cycle: " + " -> ".join([*names, names[0]])
        return [(node, words) for node in cycle if isinstance(node, Special)]
    for special in sorted(state.specials, key=lambda special: (special.file.place, special.index)):
        run = state.run_of(special.gate)
        if run is None or run.state is not GateState.RUNNING:
            continue
        waits = [target.text for target in special.targets if not target.met]
        if waits:
            return [(special, f"waits for {', '.join(waits)}, which never ran")]
    return []


def bring_forward(state: RunState) -> bool:
    """In turn: let the gates that tests wait for go before their turn, with what those need."""
    if not state.options.sequential:
        return False
    asked: list[GateName] = []
    for special in state.specials:
        own = state.run_of(special.gate)
        if own is not None and (own.state is GateState.RUNNING or its_turn(state, own)):
            for target in special.targets:
                if not target.met:
                    asked += _gates_behind(state, target)
    before = len(state.forward)
    while asked:
        run = state.gates.get(asked.pop())
        if run is not None and not run.ended and run.name not in state.forward:
            state.forward.add(run.name)
            asked += run.needs
    return len(state.forward) > before


def _gates_behind(state: RunState, target: Target) -> list[GateName]:
    """Gates that have to go on before the target can be met."""
    if target.gate is not None:
        return [target.gate]
    if target.resolved:
        claims = {claim for file, index, claim in target.tests if (file, index) in state.watched}
    else:  # its file waits to be collected, with the gates that may have tests there
        claims = set(state.new_file(target.file).claimants)
    runs = [state.run_of(claim) for claim in sorted(claims)]
    return [run.name for run in runs if run is not None and not run.ended]


def _name(node: Node) -> str:
    return node.nodeid if isinstance(node, Special) else f"gate {node}"


def find_cycle(state: RunState) -> list[Node]:
    """One cycle that contains a test, in order, or an empty list.  Iterative: chains may be long."""
    # In the order of the files, so that the same tests give the same cycle in every run.
    specials = sorted(state.specials, key=lambda special: (special.file.place, special.index))
    by_test = {(special.file.name, special.index): special for special in specials}
    done: set[int | str] = set()
    for start in specials:
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
                cycle = path[on_path[key] :]
                if any(isinstance(member, Special) for member in cycle):
                    return cycle
                continue
            if key in done:
                continue
            on_path[key] = len(path)
            path.append(node)
            stack.append(iter(list(_waits_for(state, node, by_test))))
    return []


def _key(node: Node) -> int | str:
    return id(node) if isinstance(node, Special) else node


def _waits_for(state: RunState, node: Node, by_test: dict[tuple[str, int], Special]) -> Iterator[Node]:
    if isinstance(node, Special):
        for target in node.targets:
            if not target.met:
                yield from _behind_target(state, target, by_test)
        own = state.run_of(node.gate)
        if own is not None and own.state is GateState.WAITING and not is_open(state, own):
            yield own.name
        return
    run = state.gates[node]
    if run.state is GateState.WAITING:
        yield from (name for name in run.needs if not state.gates[name].ended)
        if needs_met(state, run):
            for name in run.gate.resources:
                holder = state.resources_held.get(name)
                if holder is not None and holder != run.name:
                    yield holder
            if not its_turn(state, run):
                yield from (
                    name
                    for name in state.plan.order
                    if not state.gates[name].ended and its_turn(state, state.gates[name])
                )
    yield from (special for special in by_test.values() if special.gate == run.claim)


def _behind_target(
    state: RunState, target: Target, by_test: dict[tuple[str, int], Special]
) -> Iterator[Node]:
    plain = target.gate is not None or not target.resolved
    for file, index, _ in target.tests:
        if (file, index) not in state.watched:
            continue  # it has ended
        if (file, index) in by_test:
            yield by_test[file, index]
        else:
            plain = True
    if plain:
        yield from (name for name in _gates_behind(state, target) if name in state.gates)
