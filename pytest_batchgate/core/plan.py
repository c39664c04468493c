"""The graph of one run: which gates, in what order, and how long it must take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from itertools import pairwise

from pytest_batchgate.core.graph import find_cycle, inverted, longest_paths, topological_order
from pytest_batchgate.core.model import Config, Gate, GateName, Tests
from pytest_batchgate.core.selection import Selection, Selector, choose, parse_select
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import PlanError, did_you_mean

__all__ = [
    "Plan",
    "Selector",
    "build_plan",
    "critical_path",
    "lower_bound",
    "parse_select",
    "remaining_path",
]

Needs = Mapping[GateName, tuple[GateName, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A checked graph.

    ``gates`` are those that run, in file order; ``claims`` every tests gate of the
    configuration in the order in which they claim tests (file order, ``tests: true``
    last), selected or not.  ``needs`` and ``dependents`` cover the selected gates
    only and include what stages imply.  ``order`` is a topological order that keeps
    file order among equals.

    ``left_out`` says of each other gate why it does not run, ``pulled_in`` for which
    gate one runs that was not selected itself, ``dropped`` which of a gate's own
    needs do not hold because those gates do not run.
    """

    config: Config
    gates: tuple[Gate, ...]
    claims: tuple[Gate, ...]
    needs: Needs
    dependents: Needs
    order: tuple[GateName, ...]
    left_out: Mapping[GateName, str] = field(default_factory=dict)
    pulled_in: Mapping[GateName, GateName] = field(default_factory=dict)
    dropped: Needs = field(default_factory=dict)

    def gate(self, name: GateName) -> Gate:
        return next(gate for gate in self.gates if gate.name == name)

    def with_gates(self, gates: Iterable[Gate]) -> Plan:
        """The plan in which exactly ``gates`` run, checked anew.

        One with a known name takes that gate's place, one with a new name comes after all
        others, and one that is missing is left out as by `--batch-select`: its tests stay
        claimed, and what needs it runs without it.  Raises PlanError for a graph that cannot run.
        """
        return _with_gates(self, tuple(gates))


def build_plan(config: Config, *, select: Sequence[Selector] | None = None, with_needs: bool = True) -> Plan:
    """Check all gates of ``config`` against one another, then keep those that ``select`` asks for.

    Mistakes are mistakes whether or not their gates are selected.  Raises PlanError
    for a graph that cannot run, OptionError for selectors that name nothing.
    """
    needs, order = _checked(config)
    return _selected(config, needs, order, choose(config, needs, select, with_needs=with_needs))


def _checked(config: Config) -> tuple[Needs, tuple[GateName, ...]]:
    """The needs of all gates, and an order that keeps to them."""
    _check_names(config)
    _check_stages(config)
    needs = _all_needs(config)
    order = topological_order(tuple(needs), needs)
    if order is None:
        raise _cycle_error(config, needs)
    return needs, order


def _selected(config: Config, needs: Needs, order: Sequence[GateName], selection: Selection) -> Plan:
    running = selection.running
    gates = tuple(gate for gate in config.gates if gate.name in running)
    kept = _restricted(needs, running)
    lost = {gate.name: tuple(need for need in gate.needs if need not in running) for gate in gates}
    return Plan(
        config=config,
        gates=gates,
        claims=_claims(config),
        needs=kept,
        dependents=inverted(kept, kept),
        order=tuple(name for name in order if name in running),
        left_out=selection.left_out,
        pulled_in=selection.pulled_in,
        dropped={name: missing for name, missing in lost.items() if missing},
    )


def _with_gates(plan: Plan, gates: tuple[Gate, ...]) -> Plan:
    twice = [name for name, count in Counter(gate.name for gate in gates).items() if count > 1]
    if twice:
        raise PlanError(f"two gates are called {twice[0]!r}", todo="Rename one of them")
    given = {gate.name: gate for gate in gates}
    known = {gate.name for gate in plan.config.gates}
    replaced = tuple(given.get(gate.name, gate) for gate in plan.config.gates)
    added = tuple(gate for gate in gates if gate.name not in known)
    config = replace(plan.config, gates=replaced + added)
    needs, order = _checked(config)
    left_out = {name: plan.left_out.get(name, "left out by a plugin") for name in needs if name not in given}
    pulled_in = {name: by for name, by in plan.pulled_in.items() if name in given and by in given}
    selection = Selection(running=frozenset(given), left_out=left_out, pulled_in=pulled_in)
    return _selected(config, needs, order, selection)


def critical_path(plan: Plan, durations: Mapping[GateName, float]) -> tuple[float, tuple[GateName, ...]]:
    """The longest chain of gates that must follow one another; (0.0, ()) without gates.

    A gate without a duration takes 0.  Of equal chains the one whose end comes first in the order.
    """
    longest = longest_paths(plan.order, plan.needs, durations)
    if not longest:
        return 0.0, ()
    name: GateName | None = max(longest, key=lambda name: longest[name][0])
    length = longest[name][0] if name is not None else 0.0
    path: list[GateName] = []
    while name is not None:
        path.append(name)
        name = longest[name][1]
    return length, tuple(reversed(path))


def remaining_path(plan: Plan, durations: Mapping[GateName, float]) -> Mapping[GateName, float]:
    """Each gate's duration plus the longest path of its dependents: what is still ahead when it starts."""
    longest = longest_paths(reversed(plan.order), plan.dependents, durations)
    return {name: longest[name][0] for name in plan.order}


def lower_bound(
    plan: Plan, work: Mapping[GateName, float], span: Mapping[GateName, float], workers: int
) -> float:
    """The time below which no schedule can come: max(critical path, work / workers).

    ``work`` is worker time, ``span`` the shortest wall time of a gate alone: tests
    spread over workers, so that theirs may be shorter than their work.  0 workers
    count as 1: the sequential mode has one.
    """
    total = sum(work.get(name, 0.0) for name in plan.order)
    return max(critical_path(plan, span)[0], total / max(1, workers))


def _check_names(config: Config) -> None:
    gates: dict[GateName, Gate] = {}
    for gate in config.gates:
        if gate.name in gates:
            raise PlanError(
                f"two gates are called {gate.name!r}", where=gate.where, todo="Rename one of them"
            )
        gates[gate.name] = gate
    for gate in config.gates:
        for need in gate.needs:
            where = _where_needed(config, gate, need)
            if need == gate.name:
                raise PlanError(
                    f"gate {gate.name!r} needs itself", where=where, todo="Remove it from its `needs`"
                )
            if need not in gates:
                todo = did_you_mean(need, gates) or f"Known are {', '.join(gates)}"
                raise PlanError(
                    f"gate {gate.name!r} needs {need!r}, which is no gate", where=where, todo=todo
                )


def _check_stages(config: Config) -> None:
    if not config.stages:  # then `stage` is a mere label
        return
    for gate in config.gates:
        if gate.stage is not None and gate.stage not in config.stages:
            raise PlanError(
                f"gate {gate.name!r} is in the stage {gate.stage!r}, which is not one of `stages`",
                where=config.places.get(("gates", gate.name, "stage"), gate.where),
                todo=did_you_mean(gate.stage, config.stages) or f"Known are {', '.join(config.stages)}",
            )


def _where_needed(config: Config, gate: Gate, need: GateName) -> str | None:
    return config.places.get(("gates", gate.name, "needs", need), gate.where)


def _all_needs(config: Config) -> Needs:
    """What each gate waits for: its own needs, then what its stage implies.

    A stage never waits for the services of another: those run as long as
    somebody needs them, and a stage is no such need.
    """
    before: dict[str, tuple[GateName, ...]] = {}
    so_far: tuple[GateName, ...] = ()
    for stage in config.stages:
        before[stage] = so_far
        so_far += tuple(gate.name for gate in config.gates if gate.stage == stage and not gate.is_service)
    needs: dict[GateName, tuple[GateName, ...]] = {}
    for gate in config.gates:
        own = tuple(dict.fromkeys(gate.needs))
        implied = before.get(gate.stage, ()) if gate.stage is not None else ()
        # Gates of one stage share one tuple: with a thousand of them, copies would cost a million slots.
        needs[gate.name] = own + tuple(name for name in implied if name not in own) if own else implied
    return needs


def _cycle_error(config: Config, needs: Needs) -> PlanError:
    cycle = find_cycle(tuple(needs), needs)
    assert cycle is not None
    gates = {gate.name: gate for gate in config.gates}
    by_stage = [gates[name] for name, need in pairwise(cycle) if need not in gates[name].needs]
    todo = "Remove one of these needs"
    if by_stage:
        named = ", ".join(f"{gate.name!r} ({gate.stage})" for gate in by_stage)
        todo += f", or change the stage of {named}: a stage needs every gate of the stages before it"
    first = gates[cycle[0]]
    where = _where_needed(config, first, cycle[1])
    return PlanError(f"gates need one another in a circle: {' -> '.join(cycle)}", where=where, todo=todo)


def _restricted(needs: Needs, running: frozenset[GateName]) -> Needs:
    shared: dict[tuple[GateName, ...], tuple[GateName, ...]] = {}
    kept: dict[GateName, tuple[GateName, ...]] = {}
    for name, before in needs.items():
        if name in running:
            if before not in shared:
                shared[before] = tuple(need for need in before if need in running)
            kept[name] = shared[before]
    return kept


def _claims(config: Config) -> tuple[Gate, ...]:
    tests = [gate for gate in config.gates if isinstance(gate.work, Tests)]
    # Sorting is stable: file order, and those that take the rest after all others.
    return tuple(sorted(tests, key=lambda gate: isinstance(gate.work, Tests) and gate.work.rest))
