"""What plugins may add to the gates and make of the plan, and what their faults become."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hooks_kit import LS, PLAN, SETTINGS, bare_config, gate, register

from pytest_batchgate import Breaker, Command, Gate, GateName, Plan, Ready, Retries, Tests
from pytest_batchgate.errors import BatchGateError, ConfigError, PlanError
from pytest_batchgate.plugin import hooks


@pytest.fixture
def config(tmp_path: Path) -> Iterator[pytest.Config]:
    with bare_config(tmp_path) as config:
        yield config


# --- gates --------------------------------------------------------------------------


def test_gates_of_several_plugins_follow_one_another(config: pytest.Config) -> None:
    def added(config: pytest.Config) -> Iterator[Gate]:
        yield gate("b", needs=["lint"])

    register(config, "one", gates=lambda: [gate("a", timeout_s=60)])
    register(config, "two", gates=added)
    register(config, "none", gates=lambda: None)
    gates, told = hooks.added_gates(config, SETTINGS)
    assert gates == (
        gate("b", needs=("lint",), where="pytest_batchgate_gates of two"),
        gate("a", timeout_s=60.0, where="pytest_batchgate_gates of one"),
    )
    assert told == ("batchgate: two added b", "batchgate: one added a")


def test_every_field_of_a_gate_survives_the_check(config: pytest.Config) -> None:
    whole = (
        gate(
            "command",
            work=Command(
                shell="ls | wc", cwd="src", weight=2, parser="x", report="a.xml", fail_on_flaky=True
            ),
            needs=("lint",),
            stage="s",
            tags=("t",),
            required=False,
            when="always",
            priority=-3,
            resources=("db",),
            env={"A": "b", "N": "", "TRUE": "True"},
            timeout_s=1.5,
            grace_s=0.0,
            memory_limit_bytes=2**33,
            leaks="ignore",
            retries=Retries(count=2, delay_s=0.5, max_delay_s=7.0, on=("crashed",), match="x+"),
            breaker=Breaker(threshold=3, window=5, cooldown_s=1.0, probes=2, match="y"),
            cache="off",
            inputs=("*.py",),
        ),
        gate("service", work=Command(argv=("serve", "", " x"), ready=Ready(port=80, timeout_s=3.0))),
        gate("tests", work=Tests(expression="a and b", paths=("tests",), max_workers=2, allow_empty=True)),
        gate("rest", work=Tests(rest=True, test_timeout_s=9.0, fail_on_flaky=True)),
        gate("breaks", breaker=Breaker(), retries=Retries(count=1)),
    )
    register(config, "p", gates=lambda: whole)
    gates, _ = hooks.added_gates(config, SETTINGS)
    assert [replace(each, where=None) for each in gates] == list(whole)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda: gate("a"), "it must give a list of Gate, not Gate"),
        (lambda: {"a": gate("a")}, "it must give a list of Gate, not dict"),
        (lambda: ["a", 3], "it must give a list of Gate, not a list of str"),
        (lambda: [gate("lint")], "there is a gate 'lint' already (batchgate.yaml:3). Rename one of them"),
        (
            lambda: [gate("a"), gate("a")],
            "there is a gate 'a' already (pytest_batchgate_gates of p). Rename one of them",
        ),
        (lambda: [gate("a b")], "'a b' cannot name a gate. Names match [A-Za-z0-9_][A-Za-z0-9_.-]*"),
        (lambda: [Gate(name=7, work=LS)], "a gate's name must be a string, not int"),  # type: ignore[arg-type]
        (lambda: [gate("a", work="ls")], "`gates.a`: work must be a Command or Tests, not str"),
        (lambda: [gate("a", work=Command())], "`gates.a.run` needs a program to run"),
        (
            lambda: [gate("a", work=Command(argv="ls"))],  # type: ignore[arg-type]
            "`gates.a`: argv must be a tuple of strings",
        ),
        (
            lambda: [gate("a", work=Command(argv=("ls",), shell="ls"))],
            "`gates.a` has both argv and shell",
        ),
        (
            lambda: [gate("a", work=Tests())],
            "`gates.a` runs nothing. Give it `run` for a command, or `tests` or `paths` for tests",
        ),
        (lambda: [gate("a", needs="lint")], """`gates.a.needs` must be a list, not 'lint'. Write ["lint"]"""),
        (
            lambda: [gate("a", priority=101)],
            "`gates.a.priority` must be a whole number from -100 to 100, not 101",
        ),
        (
            lambda: [gate("a", work=Command(argv=("ls",), cwd="../x"))],
            "`gates.a.cwd` must be a path inside the rootdir, not '../x'",
        ),
        (
            lambda: [gate("a", work=Command(argv=("ls",), cwd=Path("src")))],  # type: ignore[arg-type]
            "`gates.a.cwd` must be a path inside the rootdir, not src",
        ),
        (lambda: [gate("a", when="never")], "`gates.a.when` must be needs-passed or always, not 'never'"),
        (lambda: [gate("a", env={"A": "\0"})], "a value holds a NUL character. Remove it"),
    ],
)
def test_gates_that_do_not_fit_are_told_by_hook_and_plugin(
    config: pytest.Config, given: Any, message: str
) -> None:
    register(config, "p", gates=given)
    with pytest.raises(ConfigError) as raised:
        hooks.added_gates(config, SETTINGS)
    assert str(raised.value) == f"pytest_batchgate_gates of p: {message}"


# --- what a hook raises -------------------------------------------------------------


class BadWords(Exception):  # noqa: N818 (no name that ends in Error)
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (KeyError("shop"), "it raised KeyError: 'shop'"),
        (ValueError("a\n  b\x1b[31m"), "it raised ValueError: a b"),
        (BadWords(), "it raised BadWords"),
        (RuntimeError("x" * 999), f"it raised RuntimeError: {'x' * 283}..."),
        (pytest.fail.Exception("no"), "it raised Failed: no"),
        (PlanError("a circle", where="x:1"), "a circle"),
    ],
)
def test_what_a_hook_raises_is_one_line(config: pytest.Config, problem: BaseException, words: str) -> None:
    def broken() -> None:
        raise problem

    register(config, "p", gates=broken)
    with pytest.raises(ConfigError) as raised:
        hooks.added_gates(config, SETTINGS)
    assert raised.value.where == "pytest_batchgate_gates of p"
    assert raised.value.what == words
    if not isinstance(problem, BatchGateError):
        line = broken.__code__.co_firstlineno + 1
        assert raised.value.todo == f"See {__file__}, line {line}"


def test_a_generator_that_raises_is_told_too(config: pytest.Config) -> None:
    def broken() -> Iterator[Gate]:
        yield gate("a")
        raise OSError("gone")

    register(config, "p", gates=broken)
    with pytest.raises(ConfigError, match="of p: it raised OSError: gone"):
        hooks.added_gates(config, SETTINGS)


@pytest.mark.parametrize("problem", [pytest.UsageError("u"), pytest.exit.Exception("e"), KeyboardInterrupt()])
def test_what_is_meant_for_pytest_reaches_it(config: pytest.Config, problem: BaseException) -> None:
    def ends() -> None:
        raise problem

    register(config, "p", gates=ends)
    with pytest.raises(type(problem)):
        hooks.added_gates(config, SETTINGS)


def test_plugins_are_called_what_their_authors_call_them(config: pytest.Config, tmp_path: Path) -> None:
    class Unnamed:
        def pytest_batchgate_gates(self) -> int:
            return 1

    names = []
    for plugin, name in ((Unnamed(), None), (Unnamed(), str(tmp_path / "sub" / "conftest.py"))):
        config.pluginmanager.register(plugin, name)
        names += [each.where for each in hooks.implementations(config, "gates")][:1]
    assert names == ["pytest_batchgate_gates of Unnamed", "pytest_batchgate_gates of sub/conftest.py"]


def test_a_wrapper_goes_around_each_implementation(config: pytest.Config) -> None:
    class Wrapper:
        @pytest.hookimpl(wrapper=True)
        def pytest_batchgate_gates(self) -> Any:
            (gates,) = yield
            return [[replace(each, tags=("wrapped",)) for each in gates]]

    register(config, "one", gates=lambda: [gate("a")])
    register(config, "two", gates=lambda: [gate("b")])
    config.pluginmanager.register(Wrapper())
    gates, _ = hooks.added_gates(config, SETTINGS)
    assert [(each.name, each.tags) for each in gates] == [("b", ("wrapped",)), ("a", ("wrapped",))]


# --- the plan -----------------------------------------------------------------------


def test_each_plugin_gets_the_plan_of_the_one_before(config: pytest.Config) -> None:
    def with_more(plan: Plan) -> Plan:
        return plan.with_gates([*plan.gates, gate("more", needs=[plan.gates[-1].name])])

    register(config, "one", modify_plan=with_more)
    register(config, "two", modify_plan=lambda plan: None)
    register(config, "three", modify_plan=lambda plan: plan.with_gates(plan.gates[1:]))
    plan = hooks.modified_plan(config, PLAN)
    assert [each.name for each in plan.gates] == ["unit", "more"]
    assert plan.needs == {"unit": (), "more": ("unit",)}
    assert plan.left_out == {"lint": "left out by a plugin"}
    assert plan.gate(GateName("more")).where == "pytest_batchgate_modify_plan of one"


def test_nobody_who_changes_the_plan_leaves_it_what_it_is(config: pytest.Config) -> None:
    register(config, "one", modify_plan=lambda plan: plan)
    assert hooks.modified_plan(config, PLAN) is PLAN


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda plan: plan.gates, "it must give a Plan or None, not a tuple of Gate"),
        (
            lambda plan: replace(plan, gates=("lint",)),
            "it must give a Plan of Gate, not a list of str",
        ),
        (
            lambda plan: plan.with_gates([replace(plan.gates[0], timeout_s=-1.0)]),
            (
                "`gates.lint.timeout` must be a duration such as 30s, 10m or 1.5h, "
                "above 0 and at most a year, not -1.0"
            ),
        ),
        (
            # by hand: what `with_gates` would have refused at once
            lambda plan: replace(plan, gates=tuple(replace(each, needs=("lint",)) for each in plan.gates)),
            "its plan cannot run: gate 'lint' needs itself. Remove it from its `needs`",
        ),
        (
            lambda plan: plan.with_gates([*plan.gates, plan.gates[0]]),
            "two gates are called 'lint'. Rename one of them",
        ),
    ],
)
def test_plans_that_do_not_fit_are_told(config: pytest.Config, given: Any, message: str) -> None:
    register(config, "p", modify_plan=given)
    with pytest.raises(ConfigError) as raised:
        hooks.modified_plan(config, PLAN)
    assert str(raised.value) == f"pytest_batchgate_modify_plan of p: {message}"


def test_a_plan_without_gates_and_a_hook_that_exits_are_told(config: pytest.Config) -> None:
    register(config, "one", modify_plan=lambda plan: replace(plan, gates=None))
    with pytest.raises(ConfigError, match="of one: it must give a Plan of Gate, not None"):
        hooks.modified_plan(config, PLAN)


def test_a_name_of_any_kind_is_refused_without_a_traceback(config: pytest.Config) -> None:
    odd: Any = ["x"]
    register(config, "one", gates=lambda: [replace(gate("a"), name=odd)])
    with pytest.raises(ConfigError, match="a gate's name must be a string"):
        hooks.added_gates(config, SETTINGS)


def test_a_hook_that_exits_is_told(config: pytest.Config) -> None:
    register(config, "one", gates=lambda: sys.exit(3))
    with pytest.raises(ConfigError, match="it raised SystemExit"):
        hooks.added_gates(config, SETTINGS)
