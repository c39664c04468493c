"""From command line and configuration to a checked plan, before any test is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_batchgate.config import find_source, load_config, not_yet
from pytest_batchgate.core.masking import Masks
from pytest_batchgate.core.model import Config, Tests
from pytest_batchgate.core.plan import Plan, build_plan
from pytest_batchgate.core.selection import parse_select
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import BatchGateError, ConfigError, OptionError
from pytest_batchgate.plugin.arguments import check_expressions
from pytest_batchgate.plugin.cpus import usable_cpus
from pytest_batchgate.plugin.findings import check_parsers
from pytest_batchgate.plugin.options import BatchOptions, Typed, plain_command
from pytest_batchgate.workers.environ import base_environment, worker_environment

if TYPE_CHECKING:
    from pytest_batchgate.config.detect import Detected
    from pytest_batchgate.core.shards import Share
    from pytest_batchgate.core.state import RunOptions
    from pytest_batchgate.parsers import Parser


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """All that is known before collection.  ``specs``: one execnet spec per worker slot.

    With a ``problem`` the plan is empty: plugins may still add the gates that are missing.
    """

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
    problem: BatchGateError | None = None
    parsers: Mapping[str, Parser] = field(default_factory=dict)  # of plugins
    added: tuple[str, ...] = ()  # lines that say which gates are of plugins
    remarks: tuple[str, ...] = ()  # of `settle`, for the user
    masks: Masks = field(default_factory=Masks)  # what no output shows
    share: Share | None = None  # of the files, with `--batch-shard`

    @property
    def is_github(self) -> bool:
        """Whether GitHub's runner reads what is printed."""
        return self.run_env.get("GITHUB_ACTIONS") == "true"

    @property
    def slots(self) -> int:
        return len(self.specs)

    @property
    def has_tests(self) -> bool:
        return any(isinstance(gate.work, Tests) for gate in self.plan.gates)

    def thread_variables(self, known: Mapping[str, str], weight: int = 1) -> Mapping[str, str]:
        """What keeps threads that something starts of its own within its part of the CPUs.

        ``known``: its environment so far, which goes before.  ``weight``: the worker slots it takes.
        """
        if self.config.nested_threads == "leave":
            return {}
        from pytest_batchgate.workers.sharing import share_of, shared_environment

        return shared_environment(known, share_of(usable_cpus(), self.slots, weight))

    def directed(self, options: RunOptions) -> RunOptions:
        """With what `--batch-verify` wants of the run, if that is what started it, and this shard's share."""
        if self.share is not None:
            from pytest_batchgate.core.shards import spared

            return replace(options, share=self.share, spare=spared(self.plan, self.share))
        if self.options.script is None:
            return options
        from pytest_batchgate.plugin.scripted import scripted_options

        return scripted_options(options, self.options.script)

    def notices(self) -> list[str]:
        """What of the ini file's addopts does not hold."""
        expressive = [g.name for g in self.plan.gates if isinstance(g.work, Tests) and g.work.expression]
        given = [
            f"{flag} {text!r}"
            for flag, text in (("-m", self.typed.ini_markexpr), ("-k", self.typed.ini_keyword))
            if text
        ]
        if not expressive or not given or self.detected is not None:  # detection has heeded them
            return list(self.remarks)
        names = ", ".join(expressive)
        return [
            *self.remarks,
            f"{' and '.join(given)} from addopts: the `tests` expression counts instead for {names}",
        ]


def prepare(
    config: pytest.Config,
    options: BatchOptions,
    typed: Typed,
    run_id: str,
    hidden: Mapping[str, str] | None = None,
) -> Launch:
    """Read the configuration and build the plan.  Raises errors of `pytest_batchgate.errors`.

    ``hidden``: variables that are kept from tests, to be masked like others.

    What plugins could still mend is no error yet but the `problem` of the launch, which
    `settle` or its caller raises.
    """
    rootdir = config.rootpath
    detected = None
    problem: BatchGateError | None = None
    source = find_source(rootdir, options.config)
    if source is None:
        detected, problem = _detect(config, options)
        settings = detected.config if detected is not None else Config(gates=())
    else:
        settings = load_config(source, profile=options.profile)
    plan = Plan(config=settings, gates=(), claims=(), needs={}, dependents={}, order=())
    if problem is None:
        try:
            built = _build(settings, options)
            _check(built)
            check_parsers(built, settings)
            plan = _final(built, options)
        except BatchGateError as exc:
            problem = exc
    check_expressions(typed.keyword or typed.ini_keyword, typed.markexpr or typed.ini_markexpr)
    specs, sequential = _slots(options, settings)
    masks = Masks(settings.mask)
    for variables in (os.environ, hidden or {}, *(gate.env for gate in settings.gates)):
        masks.learn(variables)
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
        problem=problem,
        masks=masks,
        share=_share(options, rootdir),
    )


def _share(options: BatchOptions, rootdir: Path) -> Share | None:
    if options.shard is None or options.plan is not None:
        return None
    from pytest_batchgate.plugin.share import find_share

    return find_share(options.shard, [options.report_dir, rootdir])


def settle(config: pytest.Config, launch: Launch) -> Launch:
    """The launch once conftests are loaded: with the gates, the plan and the parsers of plugins.

    Raises errors of `pytest_batchgate.errors`, that of a problem which no plugin mended among them.
    """
    from pytest_batchgate.plugin import hooks

    gates, added = hooks.added_gates(config, launch.config)
    if launch.problem is not None and not launch.config.gates and not gates:
        raise launch.problem  # nothing was detected, and nothing added
    source = launch.config.source
    if launch.detected is None and source is None:
        source = "plugins"
    settings = replace(launch.config, gates=(*launch.config.gates, *gates), source=source)
    plan = hooks.modified_plan(config, _build(settings, launch.options))
    _check(plan)
    parsers = hooks.parsers(config, plan)
    check_parsers(plan, plan.config, parsers)
    for gate in plan.config.gates:
        launch.masks.learn(gate.env)
    return replace(
        launch,
        config=plan.config,
        plan=_final(plan, launch.options),
        parsers=parsers,
        problem=None,
        added=added,
        remarks=hooks.asked_too_late(config),
    )


def _detect(config: pytest.Config, options: BatchOptions) -> tuple[Detected | None, BatchGateError | None]:
    """What was detected, or else the problem that nothing was."""
    from pytest_batchgate.config.detect import NothingFoundError
    from pytest_batchgate.plugin.detection import detect_gates

    detected, problem = None, None
    try:
        detected = detect_gates(config)
    except NothingFoundError as exc:
        problem = exc
    if options.profile is not None:
        raise OptionError(
            f"there is no configuration, and so no profile {options.profile!r}",
            where="--batch-profile",
            todo="Write the detected gates down with --batch-init, and add `profiles`",
        )
    return detected, problem


def _build(settings: Config, options: BatchOptions) -> Plan:
    selectors = parse_select(options.select) if options.select is not None else None
    if options.script is not None:
        from pytest_batchgate.plugin.scripted import scripted_plan

        return scripted_plan(settings, options.script, selectors, with_needs=options.with_needs)
    return build_plan(settings, select=selectors, with_needs=options.with_needs)


def _final(plan: Plan, options: BatchOptions) -> Plan:
    if options.script is None:
        return plan
    from pytest_batchgate.plugin.scripted import steadied

    return steadied(plan)


def _check(plan: Plan) -> None:
    """What the graph says nothing about: keys whose effect has not landed, marker expressions."""
    problem = not_yet(plan.config, [gate.name for gate in plan.gates])
    if problem is not None:
        raise problem
    _check_expressions(plan)


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
    if options.script is not None:
        from pytest_batchgate.plugin.scripted import scripted_specs

        return scripted_specs(options.tx or ("popen",), options.script.workers), options.script.workers == 0
    if options.measured is not None and options.tx:
        from pytest_batchgate.plugin.scripted import scripted_specs

        return scripted_specs(options.tx, options.measured.workers), options.measured.workers == 0
    if options.tx:
        return options.tx, False
    workers = options.workers if options.workers_given else settings.workers
    if workers == 0:
        return ("popen",), True
    return ("popen",) * (workers if workers is not None else usable_cpus()), False


def early_message(launch: Launch, config: pytest.Config, slot: int, env: Mapping[str, str]) -> dict[str, Any]:
    """What a worker needs to parse its command line and load conftests."""
    extra = {
        **launch.thread_variables({**launch.run_env, **env}),
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
