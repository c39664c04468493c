"""What each worker is told when it starts, and orders on their way to it."""

from __future__ import annotations

import math
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pytest_batchgate.core.model import Estimates, Gate, Retries, Tests
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
    StopCommand,
)
from pytest_batchgate.plugin import garbage
from pytest_batchgate.plugin.foreign import notices_about
from pytest_batchgate.plugin.lastfailed import LastFailed, read_last_failed
from pytest_batchgate.plugin.launch import Launch, early_message
from pytest_batchgate.plugin.nodes import Nodes
from pytest_batchgate.plugin.planning import recorded_estimates
from pytest_batchgate.plugin.timeouts import Limits, read_limits
from pytest_batchgate.plugin.whole import plugins_that_need_all
from pytest_batchgate.workers import wire
from pytest_batchgate.workers.overhearing import Overhearing
from pytest_batchgate.workers.pool import WorkerPool

if TYPE_CHECKING:  # what not every run needs is imported when it does
    from pytest_batchgate.plugin.failcount import FailureCount

# Options that are decided here for the whole run, or have no place in a worker.
_WORKER_OPTIONS: Mapping[str, Any] = {
    "lf": False,
    "failedfirst": False,
    "newfirst": False,
    "cacheclear": False,
    "usepdb": False,
    "numprocesses": None,
    "maxprocesses": None,
    "dist": "no",
    "distload": False,
    "looponfail": False,
    "tx": [],
    "collectonly": False,
}


def is_local(spec: str) -> bool:
    """Whether the workers of this execnet spec run on this machine."""
    return any(part.partition("=")[0] == "popen" for part in spec.split("//"))


UNCAPTURED = frozenset({"no", "tee-sys"})  # values of --capture with which output comes as it is printed
# A second after the polite SIGINT the workers that still run are killed (faults: all within 7 s).
INTERRUPT_GRACE_S = 4.0


# A worker costs about this much CPU to start; less recorded work than this is not shared.
SMALL_RUN_S = 0.5


def expected_work_s(estimates: Estimates) -> float:
    """Seconds of tests and collection by record; infinite without one."""
    if not estimates.files:
        return math.inf
    return sum(estimates.files.values()) + sum(estimates.collects.values())


def searches_failures(gate: Gate) -> bool:
    """Whether a `match` of the gate is searched in the text of its failures."""
    breaker, retries = gate.breaker, gate.retries
    return bool((breaker and breaker.match) or (retries.count and retries.match))


def _of_failures(retries: Retries) -> tuple[int, str | None]:
    """How often a test that failed is tried again, and what its text must hold then."""
    return (retries.count if "failed" in retries.on else 0), retries.match


class Crewing:
    """Composes worker set-ups; `order` translates actions to messages."""

    def __init__(self, launch: Launch, pool: WorkerPool, overhearing: Overhearing) -> None:
        self.launch = launch
        self.overhearing = overhearing
        self.pool = pool
        self.nodes = Nodes(pool.xspecs(), launch.run_id)
        self.config: pytest.Config | None = None
        self.last_failed = LastFailed()
        self.notices: list[str] = []
        self.whole = False
        self.limits = Limits()
        self.failures: FailureCount | None = None
        self._live: set[Any] = set()
        self.small = False
        self.met: list[tuple[str, str, int, float]] = []  # the tests that a first signal met
        self._early: dict[int, dict[str, Any]] = {}

    def warm_up(self, config: pytest.Config) -> None:
        """As early as the plugin may: processes start while pytest still configures itself."""
        estimates, notices = recorded_estimates(config)
        self.notices += notices
        self.small = expected_work_s(estimates) < SMALL_RUN_S
        for slot in range(min(self.first_workers() or self.launch.slots, self.launch.slots)):
            early = self._early[slot] = self._early_message(config, slot, {})
            self.pool.warm(slot, early)

    def _early_message(self, config: pytest.Config, slot: int, env: Mapping[str, str]) -> dict[str, Any]:
        if not is_local(self.launch.specs[slot]):
            from pytest_batchgate.plugin import elsewhere

            return elsewhere.early_message(self.launch, config, slot, env)
        early = early_message(self.launch, config, slot, env)
        if self._is_overheard(config, slot):
            early["output"] = self.overhearing.pipe(f"gw{slot}")
        return early

    def _is_overheard(self, config: pytest.Config, slot: int) -> bool:
        """Whether the worker's own output comes through us: where pytest does not capture it, and
        where not even what escapes the capture may be seen, or taken for orders, as it is.
        """
        capture = getattr(config.known_args_namespace, "capture", "no")  # absent with -p no:capture
        wanted = capture in UNCAPTURED or bool(self.launch.masks) or self.launch.is_github
        return wanted and is_local(self.launch.specs[slot])

    def first_workers(self) -> int | None:
        """How many workers to start unasked: no more than typed files could employ."""
        if self.launch.options.script is not None:
            return None
        if self.small:
            return 1
        paths = self.launch.typed.paths
        if not paths or any("::" not in path and not path.endswith(".py") for path in paths):
            return None
        return len({path.partition("::")[0] for path in paths})

    def configure(self, config: pytest.Config) -> None:
        """Once options are final: what the whole run decides for its workers."""
        self.config = config
        self.limits = read_limits(config)
        self.last_failed = self._selection(config)
        if self.last_failed.notice:
            self.notices.append(self.last_failed.notice)
        self.notices += self.launch.notices()
        self.whole = self.launch.config.collect == "whole"
        self.notices += notices_about(config)
        if not all(map(is_local, self.launch.specs)):
            from pytest_batchgate.plugin import elsewhere

            self.notices.append(elsewhere.NOTICE)
        needy = plugins_that_need_all(config) if self.launch.config.collect == "auto" else []
        if needy:
            self.whole = True
            self.notices.append(
                "every worker collects all tests (`collect: whole`): "
                f"{', '.join(needy)} must see them at once"
            )

    def count_failures(self, run_dir: Path) -> FailureCount | None:
        """With `-x` or `--maxfail`: who is to hear of what workers cannot count themselves."""
        assert self.config is not None
        most = self.config.option.maxfail or 0
        if most <= 0:
            return None
        from pytest_batchgate.plugin.failcount import FailureCount

        self.failures = FailureCount(run_dir / "failures", self.launch.slots, most)
        return self.failures

    def _selection(self, config: pytest.Config) -> LastFailed:
        script = self.launch.options.script
        if script is None:
            return read_last_failed(config)
        from pytest_batchgate.plugin.scripted import scripted_selection

        return scripted_selection(script)

    def spawn(self, action: SpawnWorker) -> None:
        assert self.config is not None
        slot = action.slot
        warm = not action.env and slot in self._early
        early = self._early.pop(slot) if warm else self._early_message(self.config, slot, action.env)
        self._live.add(action.worker)
        self.pool.spawn(action.worker, slot, early, self.setup(slot), warm=warm)

    def setup(self, slot: int) -> dict[str, Any]:
        config, launch = self.config, self.launch
        assert config is not None
        claims = []
        for gate in launch.plan.claims:
            work = gate.work
            assert isinstance(work, Tests)
            claims.append((str(gate.name), work.expression, work.paths))
        typed = launch.typed
        matching = [index for index, gate in enumerate(launch.plan.claims) if searches_failures(gate)]
        return {
            "protocol": wire.PROTOCOL,
            "gates": claims,
            "gate_names": [name for name, _, _ in claims],
            "matching": matching,
            "all_gates": [str(gate.name) for gate in launch.config.gates],
            "ini_markexpr": typed.ini_markexpr,
            "ini_keyword": typed.ini_keyword,
            "only_ids": self.last_failed.only,
            "first_ids": list(self.last_failed.first),
            "whole": self.whole,
            "func_only": self.limits.func_only,
            "manage_gc": garbage.is_managed(),
            "failures": self.failures.place(slot) if self.failures is not None else None,
            "basetemp": self._basetemp(slot) if is_local(launch.specs[slot]) else None,
            "announce": not is_local(launch.specs[slot]),
            "retries": {index: _of_failures(gate.retries) for index, gate in enumerate(launch.plan.claims)},
            # With retries `Failures` alone counts: pytest would count attempts that are not the last.
            "options": {
                **_WORKER_OPTIONS,
                "keyword": typed.keyword,
                "markexpr": typed.markexpr,
                **({"maxfail": 0} if any(gate.retries.count for gate in launch.plan.claims) else {}),
            },
            "workerinput": self.nodes.configure(config, slot, self.workerinput(slot)),
        }

    def workerinput(self, slot: int) -> dict[str, Any]:
        """What xdist's workers find in ``config.workerinput``."""
        return {
            "workerid": f"gw{slot}",
            "workercount": self.launch.slots,
            "testrunuid": self.launch.run_id,
            "mainargv": list(sys.argv),
        }

    def _basetemp(self, slot: int) -> str | None:
        factory = getattr(self.config, "_tmp_path_factory", None)
        return str(factory.getbasetemp() / f"popen-gw{slot}") if factory is not None else None

    def order(self, action: Action) -> None:
        """Any action for a worker that is not its start."""
        match action:
            case AssignFile(worker, unit, file, open_gates):
                self.pool.send(worker, wire.FILE, unit, file, tuple(open_gates))
            case AssignTests(worker, unit, file, indexes, keys, gates, attempts):
                self.pool.send(worker, wire.TESTS, unit, file, indexes, keys, gates, attempts)
            case ReleaseTests(worker, unit, count):
                self.pool.send(worker, wire.RELEASE, unit, count)
            case ParkWorker(worker):
                self.pool.send(worker, wire.PARK)
            case FinishWorker(worker):
                self.pool.send(worker, wire.FINISH)
            case HaltWorker(worker):
                self.pool.send(worker, wire.HALT)
            case KillWorker(worker, grace_s, reason):
                self.pool.kill(worker, grace_s, reason=reason)
            case SpawnWorker() | StartCommand() | StopCommand():
                raise AssertionError(action)
            case _:
                assert_never(action)

    def interrupt(self, *, at_once: bool) -> None:
        """Ctrl-C for the workers: fixtures are torn down, then the rest is killed."""
        self.met = self.met or self.pool.at_work()
        for worker in self._live:
            self.pool.kill(worker, 0.0 if at_once else INTERRUPT_GRACE_S, first=signal.SIGINT)


def assert_never(value: NoReturn) -> NoReturn:
    """As typing's, which Python 3.10 lacks."""
    raise AssertionError(value)
