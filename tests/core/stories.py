"""A simulated run as a list of short sentences, for tests to compare and people to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from simulator import Simulator
from simworld import SimCommand, SimFile, SimTest, World

from pytest_batchgate.core.events import (
    BreakerChanged,
    Event,
    GateBecameReady,
    GateFinished,
    GateStarted,
    Noticed,
    TestsWereRun,
    TestWasLost,
    TestWillRetry,
    WorkerStopped,
)
from pytest_batchgate.core.model import Command, Config, Estimates, Gate, GateName, Ready, Tests
from pytest_batchgate.core.plan import build_plan, parse_select
from pytest_batchgate.core.protocol import (
    Action,
    AssignFile,
    AssignTests,
    FinishWorker,
    HaltWorker,
    KillWorker,
    ParkWorker,
    ReleaseTests,
    SpawnWorker,
    StartCommand,
    StopAsked,
    StopCommand,
    Traits,
    WorkerId,
)
from pytest_batchgate.core.state import RunOptions


def command(name: str, *needs: str, weight: int = 1, **more: object) -> Gate:
    work = Command(argv=(name,), weight=weight)
    return Gate(name=GateName(name), work=work, needs=tuple(map(GateName, needs)), **more)  # type: ignore[arg-type]


def service(name: str, *needs: str, **more: object) -> Gate:
    work = Command(argv=(name,), ready=Ready(port=1))
    return Gate(name=GateName(name), work=work, needs=tuple(map(GateName, needs)), **more)  # type: ignore[arg-type]


def suite(
    name: str,
    *needs: str,
    paths: Sequence[str] = (),
    max_workers: int | None = None,
    test_timeout_s: float | None = None,
    **more: object,
) -> Gate:
    """By ``paths``, else every test of the run."""
    work = Tests(paths=tuple(paths), rest=not paths, max_workers=max_workers, test_timeout_s=test_timeout_s)
    return Gate(name=GateName(name), work=work, needs=tuple(map(GateName, needs)), **more)  # type: ignore[arg-type]


def file(
    name: str, *names: str | SimTest, each_s: float = 1.0, errors: int = 0, collect_s: float = 0.0
) -> SimFile:
    made = [SimTest(name=one, duration_s=each_s) if isinstance(one, str) else one for one in names]
    return SimFile(name=name, tests=made, errors=errors, collect_s=collect_s)


def case(name: str, outcome: str = "passed", duration_s: float = 1.0, **traits: object) -> SimTest:
    """Keywords are traits, but for what the test itself does: crash, heal, hang, leave processes."""
    own = {
        key: traits.pop(key)
        for key in ("crashes", "heals_after", "hangs", "timeout_s", "leaves", "rss_bytes")
        if key in traits
    }
    constrained = Traits(**traits) if traits else None  # type: ignore[arg-type]
    return SimTest(name=name, outcome=outcome, duration_s=duration_s, traits=constrained, **own)  # type: ignore[arg-type]


def play(
    gates: Sequence[Gate],
    files: Sequence[SimFile] = (),
    *,
    slots: int = 1,
    commands: Mapping[str, SimCommand] | None = None,
    record: Mapping[str, float] | None = None,
    stops: Sequence[tuple[float, StopAsked]] = (),
    select: str | None = None,
    spawn_s: float = 0.0,
    outages: Mapping[str, tuple[float, float]] | None = None,
    failing: Mapping[int, int] | None = None,
    **options: object,
) -> Simulator:
    """Run the world without chance: every message and every start takes no time."""
    plan = build_plan(Config(gates=tuple(gates)), select=parse_select(select) if select else None)
    seconds = dict(record or {})
    names = {gate.name for gate in gates}
    estimates = Estimates(
        files={name: value for name, value in seconds.items() if name not in names},
        commands={name: value for name, value in seconds.items() if name in names},
    )
    world = World(
        plan=plan,
        options=RunOptions(slots=slots, estimates=estimates, **options),  # type: ignore[arg-type]
        files=list(files),
        commands=dict(commands or {}),
        stops=list(stops),
        outages={GateName(name): span for name, span in (outages or {}).items()},
        failing=dict(failing or {}),
        latency_s=0.0,
        spawn_s=spawn_s,
        jitter=False,
        flush_all=True,
    )
    return Simulator(world).run()


def story(sim: Simulator, *, times: bool = False, only: str = "") -> list[str]:
    """What was told and ordered, in order; ``only``: letters of "gates", "tests", "orders" by initial."""
    lines = []
    for now, step in sim.steps:
        for kind, line in [*_told(step.events), *_ordered(sim, step.actions)]:
            if not only or kind in only:
                lines.append(f"{now:g} {line}" if times else line)
    return lines


def _told(events: Sequence[Event]) -> Iterator[tuple[str, str]]:
    for event in events:
        match event:
            case GateStarted(_, gate, slots):
                yield "g", f"{gate} starts" + (f" in {', '.join(map(str, slots))}" if slots else "")
            case GateBecameReady(_, gate):
                yield "g", f"{gate} is ready"
            case BreakerChanged(_, gate, change, held):
                yield "g", f"{gate} breaker {change.after.value}: {change.reason} ({held} held)"
            case GateFinished(_, report):
                yield (
                    "g",
                    f"{report.name} {report.state.value}" + (f": {report.reason}" if report.reason else ""),
                )
            case TestsWereRun(_, worker, collected, results):
                for result in results:
                    yield "t", f"{worker} ran {collected.nodeid(result.index)}: {result.outcome}"
            case TestWasLost(_, _, collected, index, outcome, reason):
                yield "t", f"{collected.nodeid(index)} {outcome}: {reason}"
            case TestWillRetry():
                test = event.collected.nodeid(event.result.index)
                which = f"attempt {event.attempt} of {event.most} {event.state.value}"
                yield "t", f"{event.worker} will retry {test}: {which}, pause {event.pause_s:g}"
            case WorkerStopped(_, worker, reason):
                yield "o", f"{worker} ended" + (f": {reason}" if reason else "")
            case Noticed(_, text):
                yield "g", f"notice: {text}"


def _ordered(sim: Simulator, actions: Sequence[Action]) -> Iterator[tuple[str, str]]:
    def name(worker: WorkerId) -> str:
        return f"gw{sim.workers[worker].spawn.slot}"

    for action in actions:
        match action:
            case SpawnWorker(_, slot, env):
                yield "o", f"spawn gw{slot}" + (f" {dict(env)}" if env else "")
            case AssignFile(worker, _, file_name, _):
                yield "o", f"{name(worker)} collects {file_name}"
            case AssignTests(worker, _, file_name, indexes):
                yield "o", f"{name(worker)} gets {', '.join(map(str, indexes))} of {file_name}"
            case ReleaseTests(worker, _, count):
                yield "o", f"{name(worker)} gives back {'all' if count is None else count}"
            case ParkWorker(worker):
                yield "o", f"{name(worker)} parks"
            case FinishWorker(worker):
                yield "o", f"{name(worker)} finishes"
            case HaltWorker(worker):
                yield "o", f"{name(worker)} halts"
            case KillWorker(worker, _, reason):
                yield "o", f"kill {name(worker)}: {reason}"
            case StartCommand(gate, _, env):
                yield "o", f"run {gate}" + (f" {dict(env)}" if env else "")
            case StopCommand(gate, state, reason, _):
                yield "o", f"stop {gate} ({state.value}: {reason})"
