"""Random worlds for the simulator: Hypothesis strategies over everything a plan can hold."""

from __future__ import annotations

from hypothesis import strategies as st
from simworld import SimCommand, SimFile, SimTest, World

from pytest_batchgate.core.model import (
    Breaker,
    Command,
    Config,
    Estimates,
    Gate,
    GateName,
    GateState,
    Ready,
    Retries,
    Tests,
)
from pytest_batchgate.core.plan import Plan, build_plan, parse_select
from pytest_batchgate.core.protocol import StopAsked, Traits
from pytest_batchgate.core.state import RunOptions

DIRS = ("a", "b")
OUTCOMES = ("passed", "passed", "passed", "passed", "failed", "skipped", "xfailed", "xpassed", "error")
RETRIES = (
    Retries(),
    Retries(),
    Retries(count=1, delay_s=0.0),
    Retries(count=2, delay_s=0.3, max_delay_s=0.5),
    Retries(count=1, delay_s=0.1, on=("timed-out",)),
    Retries(count=1, match="no such words"),
)
BREAKERS = (
    Breaker(threshold=1),
    Breaker(threshold=2),
    Breaker(threshold=1, cooldown_s=0.3),
    Breaker(threshold=2, cooldown_s=0.5, probes=2),
    Breaker(threshold=2, window=4, cooldown_s=1.0, probes=4),
    Breaker(threshold=1, cooldown_s=0.2, probes=1, match="refused"),
)
DURATIONS = st.sampled_from((0.0, 0.01, 0.1, 0.1, 0.5, 3.0))


@st.composite
def gates(draw: st.DrawFn, *, mutexes: bool) -> list[Gate]:
    """``mutexes``: tests gates have them, too; with `depends_on` it is then chance who waits for whom."""
    count = draw(st.integers(0, 12))
    made: list[Gate] = []
    for number in range(count):
        name = GateName(f"g{number}")
        needs = (
            draw(st.lists(st.sampled_from([gate.name for gate in made]), max_size=3, unique=True))
            if made
            else []
        )
        kind = draw(st.sampled_from(("command", "tests", "tests", "service")))
        made.append(
            Gate(
                name=name,
                work=draw(work(kind, name)),
                needs=tuple(needs),
                required=draw(st.sampled_from((True, True, True, False))),
                when=draw(st.sampled_from(("needs-passed", "needs-passed", "needs-passed", "always"))),
                priority=draw(st.sampled_from((0, 0, 0, 5, -5))),
                resources=draw(st.sampled_from(((), (), (), ("db",), ("db", "net"))))
                if mutexes or kind == "command"
                else (),
                env=draw(st.sampled_from(({}, {}, {}, {"A": "1"}, {"A": "2"}))),
                timeout_s=draw(st.sampled_from((1800.0, 1800.0, 1800.0, 1.0))),
                memory_limit_bytes=draw(st.sampled_from((None, None, 500, 5000))),
                leaks=draw(st.sampled_from(("warn", "warn", "fail", "ignore"))),
                retries=draw(st.sampled_from(RETRIES)) if kind != "service" else RETRIES[0],
                breaker=draw(st.sampled_from((None, None, *BREAKERS)))
                if mutexes and kind != "service"  # what it lets through depends on the order
                else None,
            )
        )
    return draw(st.permutations(made))


@st.composite
def work(draw: st.DrawFn, kind: str, name: str) -> Command | Tests:
    if kind == "service":
        return Command(argv=("serve",), ready=Ready(port=1))
    if kind == "command":
        return Command(argv=("run",), weight=draw(st.sampled_from((1, 1, 1, 2, 9))))
    how = draw(st.sampled_from(("expression", "expression", "paths", "rest", "both")))
    return Tests(
        expression=name if how in {"expression", "both"} else None,
        rest=how == "rest",
        paths=(draw(st.sampled_from(DIRS)),) if how in {"paths", "both"} else (),
        max_workers=draw(st.sampled_from((None, None, None, 1, 2))),
        allow_empty=draw(st.booleans()),
        fail_on_flaky=draw(st.sampled_from((False, False, True))),
        test_timeout_s=draw(st.sampled_from((None, None, None, 0.3, 2.0))),
    )


@st.composite
def traits(draw: st.DrawFn, names: list[str], gate_names: list[str]) -> Traits:
    entries = [*names, *(f"gate:{name}" for name in gate_names), "test_0", "test_1", "TestK", "nope"]
    return Traits(
        depends_on=tuple(draw(st.lists(st.sampled_from(entries), max_size=2, unique=True))),
        serial=draw(st.sampled_from(((), (), ("",), ("db",), ("db", "net")))),
        group=draw(st.sampled_from((None, None, "one", "two"))),
        problem=draw(st.sampled_from((None,) * 9 + ("no such gate",))),
    )


@st.composite
def files(draw: st.DrawFn, config: Config, *, calm: bool) -> list[SimFile]:
    tests_gates = [gate.name for gate in config.gates if isinstance(gate.work, Tests)]
    made = []
    shapes = draw(
        st.lists(
            st.tuples(st.sampled_from((*DIRS, "c")), st.integers(0, 8)), max_size=8 if tests_gates else 1
        )
    )
    names = [
        f"{folder}/test_{number}.py::test_{index}"
        for number, (folder, count) in enumerate(shapes)
        for index in range(count)
    ]
    names += [f"{folder}/test_{number}.py" for number, (folder, _) in enumerate(shapes)]
    for number, (folder, count) in enumerate(shapes):
        constrained = draw(st.integers(0, 3)) == 0
        made.append(
            SimFile(
                name=f"{folder}/test_{number}.py",
                tests=[
                    SimTest(
                        name=f"TestK::test_{index}" if index % 4 == 3 else f"test_{index}",
                        outcome=draw(st.sampled_from(OUTCOMES)),
                        duration_s=draw(DURATIONS),
                        marker=draw(st.sampled_from((None, None, None, None, *tests_gates))),
                        labels=frozenset(draw(st.lists(st.sampled_from(tests_gates), max_size=3)))
                        if tests_gates
                        else frozenset(),
                        traits=draw(st.none() | traits(names, [gate.name for gate in config.gates]))
                        if constrained
                        else None,
                        crashes=not calm and draw(st.integers(0, 40)) == 0,
                        heals_after=draw(st.sampled_from((0, 0, 0, 0, 0, 1, 2, 3))),
                        rss_bytes=0 if calm else draw(st.sampled_from((0, 0, 0, 0, 0, 1000, 9000))),
                        leaves=draw(st.integers(0, 20)) == 0,
                        hangs=not calm and draw(st.integers(0, 40)) == 0,
                        timeout_s=None if calm else draw(st.sampled_from((None,) * 9 + (0.0, 0.2, 5.0))),
                    )
                    for index in range(count)
                ],
                errors=0 if calm else draw(st.sampled_from((0,) * 12 + (1,))),
                crashes=not calm and draw(st.integers(0, 30)) == 0,
                unstable=not calm and draw(st.integers(0, 10)) == 0,
                collect_s=draw(st.sampled_from((0.0, 0.01, 0.3))),
                deselected=draw(st.sampled_from(((), (), ("test_0",)))),
            )
        )
    return made


@st.composite
def worlds(draw: st.DrawFn, *, calm: bool = False) -> World:
    config = Config(gates=tuple(draw(gates(mutexes=not calm))))
    select = None
    if config.gates and draw(st.integers(0, 4)) == 0:
        chosen = draw(st.lists(st.sampled_from([gate.name for gate in config.gates]), min_size=1, max_size=4))
        select = parse_select(",".join(chosen))
    plan = build_plan(config, select=select, with_needs=draw(st.integers(0, 3)) > 0)
    sim_files = draw(files(config, calm=calm))
    estimated = draw(st.booleans())
    estimates = Estimates(
        files={file.name: sum(test.duration_s for test in file.tests) for file in sim_files if estimated},
        commands={gate.name: 2.0 for gate in plan.gates if estimated and gate.kind == "command"},
    )
    return World(
        plan=plan,
        options=RunOptions(
            slots=draw(st.integers(1, 4)),
            sequential=draw(st.integers(0, 4)) == 0,
            estimates=estimates,
            fail_fast=not calm and draw(st.integers(0, 4)) == 0,
            continue_on_collection_errors=draw(st.booleans()),
            collect_only=draw(st.integers(0, 15)) == 0,
            narrowed=draw(st.booleans()),
            max_restarts=draw(st.sampled_from((0, 2, 8))),
            first_workers=draw(st.sampled_from((None, 1))),
            first_files=tuple(file.name for file in sim_files[-1:]),
            test_limit_s=None if calm else draw(st.sampled_from((None, None, 1.0))),
            test_spare_s=draw(st.sampled_from((0.0, 0.5))),
            abreast=draw(st.integers(0, 7)) == 0,
        ),
        files=sim_files,
        commands={gate.name: draw(commands(calm=calm)) for gate in plan.gates if gate.kind == "command"},
        outages=draw(outages(plan)),
        stops=[] if calm else draw(st.lists(stops(), max_size=2)),
        loss_rate=0.0 if calm else draw(st.sampled_from((0.0, 0.0, 0.3, 0.8))),
        spawn_failures=0.0 if calm else draw(st.sampled_from((0.0, 0.0, 0.2, 1.0))),
        latency_s=draw(st.sampled_from((0.0, 0.001, 0.05))),
        taken_limit=draw(st.sampled_from((None, None, 2))),
        chatty=draw(st.booleans()),
        prompt=draw(st.booleans()),
        nameless=not calm and draw(st.integers(0, 5)) == 0,
    )


@st.composite
def outages(draw: st.DrawFn, plan: Plan) -> dict[GateName, tuple[float, float]]:
    """Of gates that have a breaker."""
    found = {}
    for gate in plan.gates:
        if gate.breaker is not None and isinstance(gate.work, Tests) and draw(st.booleans()):
            begins = draw(st.sampled_from((0.0, 0.5, 1.0)))
            found[gate.name] = (begins, begins + draw(st.sampled_from((0.3, 1.0, 5.0))))
    return found


def calm_worlds() -> st.SearchStrategy[World]:
    """Nothing is lost, nothing stops, and no time limit can be met by chance."""
    return worlds(calm=True).filter(
        lambda world: all(
            gate.timeout_s > 100 and getattr(gate.work, "test_timeout_s", None) is None
            for gate in world.plan.gates
        )
    )


@st.composite
def commands(draw: st.DrawFn, *, calm: bool) -> SimCommand:
    ends = (GateState.PASSED, GateState.PASSED, GateState.FAILED, GateState.CRASHED)
    return SimCommand(
        duration_s=draw(DURATIONS),
        state=draw(st.sampled_from(ends)),
        ready_s=draw(st.sampled_from((0.1, 0.1, 1.0, None))),
        dies_s=None if calm else draw(st.sampled_from((None, None, None, 0.2, 1.0))),
        outputs=draw(st.sampled_from(({}, {}, {"URL": "x"}))),
        stop_s=draw(st.sampled_from((0.0, 0.05, 1.0))),
        heals_after=draw(st.sampled_from((0, 0, 1, 2))),
    )


@st.composite
def stops(draw: st.DrawFn) -> tuple[float, StopAsked]:
    kind, code = draw(st.sampled_from((("maxfail", 1), ("interrupted", 2), ("interrupted", 2))))
    when_s = draw(st.sampled_from((0.0, 0.2, 0.5, 1.0, 2.0, 5.0)))
    return when_s, StopAsked(kind, f"{kind} asked", code)
