"""Asking plugins: each implementation by itself, its answer checked, its faults told by its name.

Only imported where somebody implements a hook.  What plugins give is taken for a
user's mistake wherever it does not fit: one message, exit code 4, no traceback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_batchgate.config.values import checked_gates
from pytest_batchgate.core.bus import Subscriber
from pytest_batchgate.core.events import Event
from pytest_batchgate.core.model import Command, Config, Gate
from pytest_batchgate.core.plan import Plan
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import BatchGateError, ConfigError
from pytest_batchgate.parsers import Parser
from pytest_batchgate.parsers.program import programs
from pytest_batchgate.plugin.checkedparser import CheckedParser
from pytest_batchgate.plugin.options import expand_tx
from pytest_batchgate.report.words import harmless

_SHOWN = 300  # characters of what a plugin raised


@dataclass(frozen=True, slots=True)
class Implementation:
    """One plugin's implementation of one hook.  ``where``: how messages call it."""

    where: str
    call: Callable[..., list[Any]]
    function: Callable[..., Any]
    rootdir: Path

    def ask(self, **arguments: Any) -> Any:
        """Its answer, a generator's as a list, or None.  Raises ConfigError for whatever it raises."""
        try:
            answers = self.call(**arguments)
            answer = answers[0] if answers else None
            return list(answer) if isinstance(answer, Iterator) else answer
        except (pytest.UsageError, pytest.exit.Exception):
            raise
        except BatchGateError as exc:
            raise ConfigError(exc.what, where=self.where, todo=exc.todo) from None
        except (Exception, SystemExit, pytest.fail.Exception, pytest.skip.Exception) as exc:  # noqa: BLE001
            raise ConfigError(f"it raised {_words(exc)}", where=self.where, todo=self._line(exc)) from None

    def wrong(self, expected: str, answer: object) -> ConfigError:
        return ConfigError(f"it must give {expected}, not {_kind(answer)}", where=self.where)

    def each(self, expected: str, answer: object) -> Sequence[Any]:
        """The items of an answer that has to be a list.  Raises ConfigError for any other."""
        if isinstance(answer, (list, tuple)):
            return answer
        raise self.wrong(expected, answer)

    def _line(self, exc: BaseException) -> str | None:
        """Where in the plugin's own code it happened: the innermost line of the hook's file."""
        code = getattr(self.function, "__code__", None)
        found, step = None, exc.__traceback__
        while step is not None:
            if code is not None and step.tb_frame.f_code.co_filename == code.co_filename:
                found = step.tb_lineno
            step = step.tb_next
        return f"See {_relative(code.co_filename, self.rootdir)}, line {found}" if code and found else None


def implementations(config: pytest.Config, name: str) -> list[Implementation]:
    """Those of a hook, in the order in which pluggy calls them; wrappers go around each."""
    hook = f"pytest_batchgate_{name}"
    every = getattr(config.hook, hook).get_hookimpls()
    asked = [impl for impl in reversed(every) if not (impl.hookwrapper or getattr(impl, "wrapper", False))]
    return [
        Implementation(
            where=f"{hook} of {_plugin(impl, config.rootpath)}",
            call=config.pluginmanager.subset_hook_caller(
                hook, remove_plugins=[other.plugin for other in asked if other is not impl]
            ),
            function=impl.function,
            rootdir=config.rootpath,
        )
        for impl in asked
    ]


def added_gates(config: pytest.Config, settings: Config) -> tuple[tuple[Gate, ...], tuple[str, ...]]:
    """The gates that plugins add to ``settings``, and a line for each plugin that says which."""
    known = {str(gate.name): gate.where or "the detected gates" for gate in settings.gates}
    gates: list[Gate] = []
    told: list[str] = []
    for asked in implementations(config, "gates"):
        answer = asked.ask(config=config)
        if answer is None:
            continue
        for gate in asked.each("a list of Gate", answer):
            if not isinstance(gate, Gate):
                raise asked.wrong("a list of Gate", [gate])
            if isinstance(gate.name, str) and gate.name in known:  # any other is refused below
                raise ConfigError(
                    f"there is a gate {gate.name!r} already ({known[gate.name]})",
                    where=asked.where,
                    todo="Rename one of them",
                )
            known[str(gate.name)] = asked.where
        checked = checked_gates(answer, asked.where)
        gates += checked
        if checked:
            plugin = asked.where.partition(" of ")[2]
            told.append(harmless(f"batchgate: {plugin} added {', '.join(gate.name for gate in checked)}"))
    return tuple(gates), tuple(told)


def modified_plan(config: pytest.Config, plan: Plan) -> Plan:
    """The plan after every plugin has had its say, each checked and derived anew."""
    for asked in implementations(config, "modify_plan"):
        answer = asked.ask(plan=plan)
        if answer is None or answer is plan:
            continue
        if not isinstance(answer, Plan) or not isinstance(answer.config, Config):
            raise asked.wrong("a Plan or None", answer)
        plan = _checked_plan(asked, plan, answer)
    return plan


def _checked_plan(asked: Implementation, before: Plan, plan: Plan) -> Plan:
    for gates in (plan.config.gates, plan.gates):
        if not isinstance(gates, (list, tuple)):
            raise asked.wrong("a Plan of Gate", gates)
    known = {id(gate) for gate in (*before.config.gates, *before.gates)}
    fresh: dict[int, Gate] = {}
    for gate in (*plan.config.gates, *plan.gates):
        if not isinstance(gate, Gate):
            raise asked.wrong("a Plan of Gate", [gate])
        if id(gate) not in known | fresh.keys():
            # One by one: the same name may stand in both places.
            (checked,) = checked_gates([gate], asked.where)
            fresh[id(gate)] = replace(checked, where=gate.where or asked.where)
    settings = replace(plan.config, gates=tuple(fresh.get(id(gate), gate) for gate in plan.config.gates))
    try:
        return replace(plan, config=settings).with_gates(fresh.get(id(gate), gate) for gate in plan.gates)
    except BatchGateError as exc:
        raise ConfigError(f"its plan cannot run: {exc.what}", where=asked.where, todo=exc.todo) from None


def parsers(config: pytest.Config, plan: Plan) -> dict[str, Parser]:
    """By name, what plugins read the output of the plan's commands with."""
    askable = implementations(config, "parser")
    found: dict[str, Parser] = {}
    for name in _parser_names(plan) if askable else ():
        for asked in askable:
            parser = asked.ask(name=name)
            if parser is None:
                continue
            if not isinstance(getattr(parser, "name", None), str) or not callable(
                getattr(parser, "parse", None)
            ):
                raise asked.wrong("an object with `name` and `parse(output)`, or None", parser)
            found[name] = CheckedParser(parser)
            break
    return found


def _parser_names(plan: Plan) -> list[str]:
    names: dict[str, None] = {}
    for gate in plan.gates:
        if isinstance(gate.work, Command) and not gate.is_service:
            work = gate.work
            by_program = [name for name, _ in programs(work.argv, work.shell)]
            names.update(dict.fromkeys([work.parser] if work.parser is not None else by_program))
    return list(names)


def worker_specs(config: pytest.Config) -> tuple[str, ...]:
    """The first plugin's specs, one for each worker; none where no plugin has any."""
    for asked in implementations(config, "worker_spec"):
        answer = asked.ask(config=config)
        if answer is None:
            continue
        expected = "a worker spec or a list of them"
        specs = asked.each(expected, [answer] if isinstance(answer, str) else answer)
        if not specs or not all(isinstance(spec, str) for spec in specs):
            raise asked.wrong(expected, answer)
        try:
            return expand_tx(specs)
        except BatchGateError as exc:
            raise ConfigError(exc.what, where=asked.where, todo=exc.todo) from None
    return ()


def asked_too_late(config: pytest.Config) -> tuple[str, ...]:
    """A sentence for each conftest that would say what workers to start: they are started by then."""
    return tuple(
        f"{asked.where} is never called: workers start before conftests are loaded. Put it in a plugin (-p)"
        for asked in implementations(config, "worker_spec")
        if asked.where.endswith("conftest.py")
    )


def subscribers(config: pytest.Config) -> list[Subscriber]:
    """Everybody who wants to hear of the run."""
    found: list[Subscriber] = []
    for asked in implementations(config, "subscribers"):
        answer = asked.ask(config=config)
        expected = "a list of objects with `name` and `handle(event)`"
        for each in asked.each(expected, answer) if answer is not None else ():
            if not isinstance(getattr(each, "name", None), str) or not callable(
                getattr(each, "handle", None)
            ):
                raise asked.wrong(expected, [each])
            found.append(each)
    return found + [EventHook(asked.where, asked.call) for asked in implementations(config, "event")]


@dataclass(frozen=True, slots=True)
class EventHook:
    """A subscriber that passes each event on to one plugin."""

    name: str
    call: Callable[..., object]

    def handle(self, event: Event) -> None:
        self.call(event=event)


def _plugin(impl: Any, rootdir: Path) -> str:
    """A plugin as its author would call it: a file of the repository, a module, a class."""
    name = str(impl.plugin_name)
    if name == str(id(impl.plugin)):
        return getattr(impl.plugin, "__name__", None) or type(impl.plugin).__name__
    return _relative(name, rootdir)


def _relative(path: str, rootdir: Path) -> str:
    try:
        return Path(path).relative_to(rootdir).as_posix()
    except ValueError:
        return path


def _kind(answer: object) -> str:
    if isinstance(answer, (list, tuple)):
        inner = sorted({type(each).__name__ for each in answer})
        return (
            f"a {type(answer).__name__} of {' and '.join(inner)}"
            if inner
            else f"an empty {type(answer).__name__}"
        )
    return type(answer).__name__


def _words(exc: BaseException) -> str:
    try:
        message = " ".join(str(exc).split())
    except Exception:  # noqa: BLE001 (an exception's own `__str__` may raise)
        message = ""
    text = f"{type(exc).__name__}: {message}" if message else type(exc).__name__
    return harmless(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}...")
