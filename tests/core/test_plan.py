"""The graph of a run: needs, stages, selection, and the longest paths through it."""

from __future__ import annotations

import graphlib
from collections.abc import Mapping, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batchgate.core.graph import find_cycle, topological_order
from pytest_batchgate.core.model import Command, Config, Gate, GateName, Ready, Tests
from pytest_batchgate.core.plan import (
    Plan,
    build_plan,
    critical_path,
    lower_bound,
    parse_select,
    remaining_path,
)
from pytest_batchgate.errors import BatchGateError, OptionError, PlanError


def gate(line: str) -> Gate:
    """``name[*|?][@stage][#tag] < need need``: ``*`` is a service, ``?`` a tests gate."""
    head, _, needs = line.partition("<")
    head, _, tag = head.strip().partition("#")
    head, _, stage = head.partition("@")
    name = head.rstrip("*?")
    work: Command | Tests = Command(argv=("x",), ready=Ready(port=1) if head.endswith("*") else None)
    return Gate(
        name=GateName(name),
        work=Tests(expression=name) if head.endswith("?") else work,
        needs=tuple(map(GateName, needs.split())),
        stage=stage or None,
        tags=(tag,) if tag else (),
        where=f"batchgate.yaml:{name}",
    )


def config(*lines: str, stages: str = "") -> Config:
    return Config(gates=tuple(map(gate, lines)), stages=tuple(stages.split()))


def plan(*lines: str, stages: str = "", select: str | None = None, with_needs: bool = True) -> Plan:
    selectors = parse_select(select) if select is not None else None
    return build_plan(config(*lines, stages=stages), select=selectors, with_needs=with_needs)


def graph(made: Plan) -> dict[str, str]:
    return {name: " ".join(made.needs[name]) for name in made.order}


def refusal(*lines: str, stages: str = "", select: str | None = None) -> str:
    with pytest.raises(BatchGateError) as caught:
        plan(*lines, stages=stages, select=select)
    return str(caught.value)


# --- the graph ------------------------------------------------------------------


def test_order_is_topological_and_keeps_file_order_among_equals() -> None:
    made = plan("c < a", "b", "a", "d")
    assert made.order == ("b", "a", "c", "d")
    assert [g.name for g in made.gates] == ["c", "b", "a", "d"]
    assert made.dependents == {"c": (), "b": (), "a": ("c",), "d": ()}
    assert made.gate(GateName("a")).name == "a"


def test_every_tests_gate_claims_the_rest_last() -> None:
    rest = Gate(name=GateName("rest"), work=Tests(rest=True))
    gates = (rest, gate("unit?"), gate("lint"), gate("slow?"))
    made = build_plan(Config(gates=gates), select=parse_select("lint"))
    assert [g.name for g in made.claims] == ["unit", "slow", "rest"]
    assert [g.name for g in made.gates] == ["lint"]


def test_stages_make_needs() -> None:
    made = plan(
        "e2e@last < unit", "lint@static", "unit@test", "types@static", "free", stages="static test last"
    )
    assert graph(made) == {
        "lint": "",
        "types": "",
        "unit": "lint types",
        "e2e": "unit lint types",
        "free": "",
    }


def test_a_stage_does_not_wait_for_services_but_services_wait_for_stages() -> None:
    made = plan("lint@a", "db1*@a", "db2*@b", "unit@b < db1 db2", stages="a b")
    assert graph(made) == {"lint": "", "db1": "", "db2": "lint", "unit": "db1 db2 lint"}


def test_without_stages_a_stage_is_a_label() -> None:
    assert graph(plan("unit@test", "lint@static")) == {"unit": "", "lint": ""}


# --- mistakes -------------------------------------------------------------------


WHERE = "batchgate.yaml:"
CIRCLE = "gates need one another in a circle"
MISTAKES = {
    "unknown": (["a < b"], "", "a: gate 'a' needs 'b', which is no gate. Known are a"),
    "nearly": (["a < lnt", "lint"], "", "a: gate 'a' needs 'lnt', which is no gate. Did you mean 'lint'?"),
    "itself": (["a < a"], "", "a: gate 'a' needs itself. Remove it from its `needs`"),
    "twice": (["a", "a"], "", "a: two gates are called 'a'. Rename one of them"),
    "circle": (
        ["x < a", "b < c", "a < b", "c < a"],
        "",
        f"b: {CIRCLE}: b -> c -> a -> b. Remove one of these needs",
    ),
    "circle by stage": (
        ["lint@static < unit", "unit@test"],
        "static test",
        (
            f"lint: {CIRCLE}: lint -> unit -> lint. Remove one of these needs, or change the stage of "
            "'unit' (test): a stage needs every gate of the stages before it"
        ),
    ),
    "stage nearly": (
        ["lint@statc"],
        "static test",
        "lint: gate 'lint' is in the stage 'statc', which is not one of `stages`. Did you mean 'static'?",
    ),
    "stage unknown": (
        ["lint@q"],
        "static test",
        "lint: gate 'lint' is in the stage 'q', which is not one of `stages`. Known are static, test",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    lines, stages, message = MISTAKES[name]
    assert refusal(*lines, stages=stages) == WHERE + message
    # A mistake is one whether or not its gates are selected.
    selected = refusal(*lines, "other", stages=stages, select="other")
    assert selected.startswith((WHERE + message).partition(" Known")[0])


def test_a_need_is_refused_where_it_is_written() -> None:
    places: dict[tuple[str, ...], str] = {("gates", "a", "needs", "b"): "batchgate.yaml:7"}
    with pytest.raises(PlanError, match=r"batchgate.yaml:7: gate 'a' needs 'b'"):
        build_plan(Config(gates=(gate("a < b"),), places=places))


def test_long_chains_and_circles_do_not_recurse() -> None:
    names = [f"g{index}" for index in range(20_000)]
    lines = ["g0", *(f"{name} < {need}" for need, name in pairwise(names))]
    made = plan(*lines)
    assert critical_path(made, dict.fromkeys(made.order, 1.0))[0] == 20_000
    message = refusal(f"g0 < {names[-1]}", *lines[1:])
    assert message.count(" -> ") == 20_000


def test_two_stages_of_a_thousand() -> None:
    """A million implied needs."""
    lines = [f"a{index}@a" for index in range(1000)] + [f"b{index}@b" for index in range(1000)]
    made = plan(*lines, stages="a b")
    assert len(made.needs[GateName("b7")]) == len(made.dependents[GateName("a7")]) == 1000
    assert critical_path(made, dict.fromkeys(made.order, 2.0)) == (4.0, ("a0", "b0"))


# --- selection ------------------------------------------------------------------

REPOSITORY = ["lint@a", "docs@a#slow", "unit?@b", "db*@b", "it?@b#slow < unit db", "cache*"]


@pytest.mark.parametrize(
    ("select", "with_needs", "order"),
    [
        (None, True, "lint docs unit db it"),
        (None, False, "lint docs unit db it"),
        ("lint", True, "lint"),
        ("unit", True, "lint docs unit"),
        ("unit", False, "unit"),
        ("it", True, "lint docs unit db it"),
        ("it", False, "it"),
        ("it,db", False, "db it"),
        ("tag:slow", True, "lint docs unit db it"),
        ("tag:slow", False, "docs it"),
        ("stage:a", True, "lint docs"),
        ("stage:b", False, "unit db it"),
        (" lint , docs,", True, "lint docs"),
        ("no:docs", True, "lint unit db it"),
        ("no:it", True, "lint docs unit"),
        ("no:db,no:docs", True, "lint unit it"),
        ("stage:b,no:docs", True, "lint unit db it"),
        ("it,no:unit", True, "lint docs db it"),
        ("cache", True, "cache"),
        ("cache,lint", True, "lint cache"),
        ("stage:b,no:it", False, "unit"),
    ],
)
def test_selection(select: str | None, with_needs: bool, order: str) -> None:
    made = plan(*REPOSITORY, stages="a b", select=select, with_needs=with_needs)
    assert " ".join(made.order) == order
    names = {g.name for g in made.gates}
    assert names | set(made.left_out) == {g.name for g in made.config.gates}
    assert not names & set(made.left_out)


def test_why_gates_run_or_not() -> None:
    made = plan(*REPOSITORY, stages="a b", select="it,no:docs,no:db")
    assert made.pulled_in == {"unit": "it", "lint": "it"}
    assert made.dropped == {"it": ("db",)}
    assert made.left_out == {
        "docs": "left out by no:docs",
        "db": "left out by no:db",
        "cache": "a service that nothing selected needs",
    }
    assert plan(*REPOSITORY, select="lint").left_out[GateName("unit")] == "not selected"
    assert plan(*REPOSITORY).left_out == {"cache": "a service that nothing needs"}


def test_only_services() -> None:
    """Nothing needs them, so nothing runs: the caller's exit 5, not a mistake."""
    made = plan("db*")
    assert made.gates == ()
    assert made.order == ()
    assert critical_path(made, {}) == (0.0, ())


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("", "an empty list selects nothing. Name a gate, or leave the option out"),
        (" , ", "an empty list selects nothing. Name a gate, or leave the option out"),
        ("lnt", "there is no gate 'lnt'. Did you mean 'lint'?"),
        ("no:lnt", "there is no gate 'lnt'. Did you mean 'lint'?"),
        ("qqqqq", "there is no gate 'qqqqq'. Known are cache, db, docs, it, lint, unit"),
        ("tag:slo", "there is no tag 'slo'. Did you mean 'slow'?"),
        ("stage:z", "there is no stage 'z'. Known are a, b"),
        ("stag:a", "'stag:a' begins with no known word. Did you mean 'stage'?"),
        ("q:a", "'q:a' begins with no known word. Known are tag:NAME, stage:NAME and no:NAME"),
        ("tag:", "'tag:' has no name after the colon"),
        ("lint,no:lint", "lint,no:lint leaves no gate to run"),
    ],
)
def test_selectors_that_name_nothing(select: str, message: str) -> None:
    assert refusal(*REPOSITORY, stages="a b", select=select) == f"--batch-select: {message}"


def test_a_tag_nobody_has() -> None:
    assert refusal("a", select="tag:x") == "--batch-select: there is no tag 'x'. No gate has a tag"


def test_an_empty_list_is_an_option_error() -> None:
    with pytest.raises(OptionError):
        parse_select("")


# --- lengths --------------------------------------------------------------------


def test_paths() -> None:
    #   lint 1 --> unit 5 --> e2e 2
    #   types 4 ------------> e2e
    made = plan("lint", "types", "unit < lint", "e2e < types unit")
    took = {
        GateName(name): value for name, value in {"lint": 1.0, "types": 4.0, "unit": 5.0, "e2e": 2.0}.items()
    }
    assert critical_path(made, took) == (8.0, ("lint", "unit", "e2e"))
    assert remaining_path(made, took) == {"lint": 8.0, "types": 6.0, "unit": 7.0, "e2e": 2.0}
    assert lower_bound(made, took, took, 4) == 8.0
    assert lower_bound(made, took, took, 1) == lower_bound(made, took, took, 0) == 12.0
    # Tests spread: unit's five seconds of work take two of wall time.
    assert lower_bound(made, took, took | {GateName("unit"): 2.0}, 3) == 6.0


# --- any graph ------------------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn) -> dict[GateName, tuple[GateName, ...]]:
    """Up to twelve gates with any needs, circles included."""
    names = [GateName(f"g{index}") for index in range(draw(st.integers(1, 12)))]
    one = st.lists(st.sampled_from(names), unique=True, max_size=3).map(tuple)
    return {name: tuple(need for need in draw(one) if need != name) for name in names}


def acyclic(needs: Mapping[GateName, Sequence[GateName]]) -> bool:
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError:
        return False
    return True


@given(graphs())
def test_circles_are_found_where_graphlib_finds_them(needs: dict[GateName, tuple[GateName, ...]]) -> None:
    names = tuple(needs)
    cycle, order = find_cycle(names, needs), topological_order(names, needs)
    assert (cycle is None) == (order is not None) == acyclic(needs)
    if order is not None:
        assert sorted(order) == sorted(names)
        assert all(order.index(need) < order.index(name) for name in names for need in needs[name])
    if cycle is not None:
        assert cycle[0] == cycle[-1]
        assert len(set(cycle)) == len(cycle) - 1
        assert all(need in needs[name] for name, need in pairwise(cycle))


@st.composite
def configs(draw: st.DrawFn) -> Config:
    needs = draw(graphs())
    kinds = st.sampled_from(["", "*", "?"])
    stages = st.sampled_from(["", "@s0", "@s1", "@s2"])
    lines = [f"{name}{draw(kinds)}{draw(stages)} < {' '.join(needs[name])}" for name in needs]
    return config(*lines, stages=draw(st.sampled_from(["", "s0 s1 s2"])))


def what_holds(made_from: Config) -> dict[GateName, tuple[GateName, ...]]:
    """Needs and stages, spelled out pair by pair."""
    rank = {stage: index for index, stage in enumerate(made_from.stages)}

    def waits(one: Gate, other: Gate) -> bool:
        staged = one.stage in rank and other.stage in rank and not other.is_service
        return other.name in one.needs or (staged and rank[str(other.stage)] < rank[str(one.stage)])

    gates = made_from.gates
    return {one.name: tuple(other.name for other in gates if waits(one, other)) for one in gates}


SELECTORS = st.none() | st.lists(
    st.sampled_from(["g0", "g1", "g2", "no:g0", "no:g1", "stage:s0", "stage:s2"]), min_size=1, max_size=3
).map(",".join)


@given(configs(), SELECTORS, st.booleans())
def test_any_plan_holds_together(made_from: Config, select: str | None, with_needs: bool) -> None:
    try:
        made = build_plan(made_from, select=parse_select(select) if select else None, with_needs=with_needs)
    except PlanError:
        assert not acyclic(what_holds(made_from))
        return
    except OptionError:
        assert select
        return
    needs = what_holds(made_from)
    assert acyclic(needs)
    place = {name: index for index, name in enumerate(made.order)}
    assert set(place) == {g.name for g in made.gates} == set(made.needs) == set(made.dependents)
    left_out = {part.removeprefix("no:") for part in (select or "").split(",") if part.startswith("no:")}
    assert not left_out & set(place)
    for name in made.order:
        assert all(place[need] < place[name] for need in made.needs[name])
        assert sorted(made.needs[name]) == sorted(need for need in needs[name] if need in place)
        assert all(name in made.needs[later] for later in made.dependents[name])
        asked = made.gate(name).needs
        assert all(need in made.needs[name] or need in made.dropped[name] for need in asked)
    if with_needs:
        assert {need for lost in made.dropped.values() for need in lost} <= left_out
    for g in made.gates:
        wanted = select is not None and g.name in select.split(",")
        assert wanted or made.dependents[g.name] or not g.is_service


@given(configs(), st.data())
def test_lengths_agree(made_from: Config, data: st.DataObject) -> None:
    """Whole numbers, so that sums are exact in any order."""
    try:
        made = build_plan(made_from)
    except PlanError:
        return
    took = {name: float(data.draw(st.integers(0, 9))) for name in made.order}
    length, path = critical_path(made, took)
    ahead = remaining_path(made, took)
    assert length == sum(took[name] for name in path) == max(ahead.values(), default=0.0)
    assert all(need in made.needs[name] for need, name in pairwise(path))
    assert lower_bound(made, took, took, 1) == sum(took.values())
    assert lower_bound(made, took, took, 1000) == max(length, sum(took.values()) / 1000)
