"""From command line and configuration to a checked plan, before any test is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_batchgate.config import find_source, load_config, not_yet
from pytest_batchgate.core.model import Config, Tests
from pytest_batchgate.core.plan import Plan, build_plan
from pytest_batchgate.core.selection import parse_select
from pytest_batchgate.errors import ConfigError, OptionError
from pytest_batchgate.plugin.arguments import check_expressions
from pytest_batchgate.plugin.cpus import usable_cpus
from pytest_batchgate.plugin.findings import check_parsers
from pytest_batchgate.plugin.options import BatchOptions, Typed, plain_command
from pytest_batchgate.workers.environ import base_environment, worker_environment

if TYPE_CHECKING:
    from pytest_batchgate.config.detect import Detected


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """All that is known before collection.  ``specs``: one execnet spec per worker slot."""

    rootdir: Path
    options: BatchOptions
    typed: Typed
    config: Config
    plan: Plan
    specs: tuple[str, ...]
    sequential: bool
    run_id: str
    run_env: Mapping[str, str]
    detected: Detected | None = None  # what was found where nothing is configured

    @property
    def slots(self) -> int:
        return len(self.specs)

    @property
    def has_tests(self) -> bool:
        return any(isinstance(gate.work, Tests) for gate in self.plan.gates)

    def notices(self) -> list[str]:
        """What of the ini file's addopts does not hold."""
        expressive = [g.name for g in self.plan.gates if isinstance(g.work, Tests) and g.work.expression]
        given = [
            f"{flag} {text!r}"
            for flag, text in (("-m", self.typed.ini_markexpr), ("-k", self.typed.ini_keyword))
            if text
        ]
        if not expressive or not given:
            return []
        names = ", ".join(expressive)
        return [f"{' and '.join(given)} from addopts: the `tests` expression counts instead for {names}"]


def prepare(config: pytest.Config, options: BatchOptions, typed: Typed, run_id: str) -> Launch:
    """Read the configuration and build the plan.  Raises errors of `pytest_batchgate.errors`."""
    rootdir = config.rootpath
    detected = None
    source = find_source(rootdir, options.config)
    if source is None:
        from pytest_batchgate.plugin.detection import detect_gates

        detected = detect_gates(config)
        if options.profile is not None:
            raise OptionError(
                f"there is no configuration, and so no profile {options.profile!r}",
                where="--batch-profile",
                todo="Write the detected gates down with --batch-init, and add `profiles`",
            )
        settings = detected.config
    else:
        settings = load_config(source, profile=options.profile)
    selectors = parse_select(options.select) if options.select is not None else None
    plan = build_plan(settings, select=selectors, with_needs=options.with_needs)
    problem = not_yet(settings, [gate.name for gate in plan.gates])
    if problem is not None:
        raise problem
    _check_expressions(plan)
    check_parsers(plan, settings)
    check_expressions(typed.keyword or typed.ini_keyword, typed.markexpr or typed.ini_markexpr)
    specs, sequential = _slots(options, settings)
    return Launch(
        rootdir=rootdir,
        options=options,
        typed=typed,
        config=settings,
        plan=plan,
        specs=specs,
        sequential=sequential,
        run_id=run_id,
        run_env=base_environment(
            os.environ, executable=sys.executable, in_virtualenv=sys.prefix != sys.base_prefix
        ),
        detected=detected,
    )


def _check_expressions(plan: Plan) -> None:
    from pytest_batchgate.plugin.expressions import expression_problem

    for gate in plan.claims:
        assert isinstance(gate.work, Tests)
        if gate.work.expression is not None:
            problem = expression_problem(gate.work.expression)
            if problem is not None:
                raise ConfigError(
                    f"`tests: {gate.work.expression}` is no marker expression: {problem}",
                    where=gate.where,
                    todo="Write it as for pytest's -m",
                )


def _slots(options: BatchOptions, settings: Config) -> tuple[tuple[str, ...], bool]:
    if options.tx:
        return options.tx, False
    workers = options.workers if options.workers_given else settings.workers
    if workers == 0:
        return ("popen",), True
    return ("popen",) * (workers if workers is not None else usable_cpus()), False


def early_message(launch: Launch, config: pytest.Config, slot: int, env: Mapping[str, str]) -> dict[str, Any]:
    """What a worker needs to parse its command line and load conftests."""
    extra = {
        **env,
        "PYTEST_XDIST_WORKER": f"gw{slot}",
        "PYTEST_XDIST_WORKER_COUNT": str(launch.slots),
        "PYTEST_XDIST_TESTRUNUID": launch.run_id,
    }
    environment = worker_environment(launch.run_env, run_id=launch.run_id, slot=slot, extra=extra)
    return {
        "sys_path": list(sys.path),
        "cwd": str(config.invocation_params.dir),
        "args": [str(arg) for arg in config.invocation_params.args],
        "env": {name: value for name, value in environment.items() if os.environ.get(name) != value},
        "unset": [name for name in os.environ if name not in environment],
        "output": None,
    }


def refuse_conflicts(namespace: Any, typed: Typed, args: Sequence[str]) -> None:
    """Options of pytest and its plugins that cannot work across processes.  Raises OptionError.

    ``args``: the command line, for the command that can be typed instead.
    """
    plain = f"Use plain pytest for that: {plain_command(args)}"
    for dest, flag in (
        ("usepdb", "--pdb"),
        ("trace", "--trace"),
        ("setupshow", "--setup-show"),
        ("setuponly", "--setup-only"),
        ("setupplan", "--setup-plan"),
        ("stepwise", "--stepwise"),
        ("stepwise_skip", "--stepwise-skip"),
    ):
        if getattr(namespace, dest, False):
            raise OptionError("tests run in worker processes, where it cannot work", where=flag, todo=plain)
    from pytest_batchgate.plugin.foreign import refuse_options

    refuse_options(namespace, typed.given, plain)
