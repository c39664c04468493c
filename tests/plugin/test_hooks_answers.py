"""What plugins may give beside gates: parsers, worker specs, subscribers; and the names they import."""

from __future__ import annotations

import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hooks_kit import LS, bare_config, gate, register

import pytest_batchgate
from pytest_batchgate import (
    Command,
    Config,
    Event,
    Finding,
    GateState,
    Noticed,
    Parsed,
    ParserInput,
    Plan,
    Ready,
    ToolParser,
)
from pytest_batchgate.core import events, model
from pytest_batchgate.core.plan import build_plan
from pytest_batchgate.errors import ConfigError
from pytest_batchgate.parsers import parse_output
from pytest_batchgate.plugin import hooks


@pytest.fixture
def config(tmp_path: Path) -> Iterator[pytest.Config]:
    with bare_config(tmp_path) as config:
        yield config


# --- parsers ------------------------------------------------------------------------


def planned(*works: Command) -> Plan:
    return build_plan(Config(gates=tuple(gate(f"g{n}", work=work) for n, work in enumerate(works))))


def test_parsers_are_asked_for_by_name_and_by_program_once_each(config: pytest.Config) -> None:
    asked: list[str] = []

    def answer(name: str) -> ToolParser | None:
        asked.append(name)
        return ToolParser(name, lambda output, found: None) if name == "a" else None

    register(config, "first", parser=answer)
    plan = planned(
        Command(argv=("x",), parser="a"),
        Command(argv=("python", "-m", "b", ".")),
        Command(shell="a .; c"),
        Command(argv=("d",), ready=Ready(port=1)),
    )
    found = hooks.parsers(config, plan)
    assert asked == ["a", "b", "c"]
    assert {name: parser.name for name, parser in found.items()} == {"a": "a"}


def test_what_is_no_parser_is_told(config: pytest.Config) -> None:
    register(config, "p", parser=lambda name: str)
    with pytest.raises(ConfigError) as raised:
        hooks.parsers(config, planned(LS))
    assert str(raised.value) == (
        "pytest_batchgate_parser of p: "
        "it must give an object with `name` and `parse(output)`, or None, not type"
    )


def finding(**fields: Any) -> Finding:
    empty: dict[str, Any] = {"path": None, "line": None, "column": None, "rule": None, "severity": "error"}
    return Finding(**{**empty, "message": "m", **fields})


class Gives:
    name = "own"

    def __init__(self, parsed: Any) -> None:
        self.parsed = parsed

    def parse(self, output: ParserInput) -> Any:
        return self.parsed


def parse(config: pytest.Config, parsed: Any) -> Parsed:
    """What a run would make of a parser that gives ``parsed``."""
    register(config, "p", parser=lambda name: Gives(parsed))
    parser = hooks.parsers(config, planned(LS))["ls"]
    return parse_output(parser, ParserInput(argv=("ls",), text="", returncode=0, rootdir="/r", cwd="/r/sub"))


def test_findings_of_a_plugin_come_out_clean_and_once(config: pytest.Config) -> None:
    dirty = finding(path="/r/a.py", line=3, message="x\x1b[31m\ny")
    parsed = parse(config, Parsed(findings=(dirty, dirty, finding(path="b.py", line="4")), more=2))
    assert parsed == Parsed(
        findings=(
            finding(path="a.py", line=3, message="x\\x1b[31m y"),
            finding(path="b.py", line=4),
        ),
        more=2,
    )


def test_a_verdict_of_a_plugin_counts(config: pytest.Config) -> None:
    verdict = (GateState.FAILED, "nothing audited")
    assert parse(config, Parsed(verdict=verdict)).verdict == verdict


@pytest.mark.parametrize(
    "parsed",
    [
        None,
        Parsed(findings=("a.py:1 bad",)),  # type: ignore[arg-type]
        Parsed(findings=(finding(message=3),)),
        Parsed(findings=(finding(severity="fatal"),)),
        Parsed(verdict=("failed", "because")),  # type: ignore[arg-type]
        Parsed(verdict=True),  # type: ignore[arg-type]
        Parsed(verdict=(GateState.WAITING, "because")),
    ],
)
def test_what_is_no_parse_is_a_note(config: pytest.Config, parsed: Any) -> None:
    whole = parse(config, parsed)
    assert (whole.findings, whole.verdict) == ((), None)
    assert whole.note is not None
    assert whole.note.startswith("the parser 'own' failed on this output (TypeError: ")


# --- workers ------------------------------------------------------------------------


SSH = "ssh=user@host//python=python3.12//chdir=/srv/repo"


def test_the_first_plugin_with_worker_specs_is_heard(config: pytest.Config) -> None:
    register(config, "later", worker_spec=lambda: "7*popen")
    register(config, "first", worker_spec=lambda config: ("2*popen", "popen//python=python3"))
    register(config, "none", worker_spec=lambda: None)
    assert hooks.worker_specs(config) == ("popen", "popen", "popen//python=python3")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "it must give a worker spec or a list of them, not int"),
        ([], "it must give a worker spec or a list of them, not an empty list"),
        (["popen", 2], "it must give a worker spec or a list of them, not a list of int and str"),
        ("fork", "'fork' is no worker spec. Use popen, 4*popen//python=PATH or ssh=HOST//chdir=PATH"),
        ("ssh=host", f"'ssh=host' has no chdir. Say where the repository is there, as in {SSH}"),
    ],
)
def test_specs_that_do_not_fit_are_told(config: pytest.Config, given: Any, message: str) -> None:
    register(config, "p", worker_spec=lambda: given)
    with pytest.raises(ConfigError) as raised:
        hooks.worker_specs(config)
    assert str(raised.value) == f"pytest_batchgate_worker_spec of p: {message}"


# --- subscribers --------------------------------------------------------------------


def test_subscribers_and_event_hooks_are_one_list(config: pytest.Config) -> None:
    heard: list[object] = []
    own = SimpleNamespace(name="own", handle=heard.append)
    register(config, "one", subscribers=lambda: [own])
    register(config, "two", event=lambda event: heard.append(event))  # noqa: PLW0108 (pluggy reads its argument)
    first, second = hooks.subscribers(config)
    assert first is own
    assert second.name == "pytest_batchgate_event of two"
    second.handle(Noticed(0.0, "x"))
    assert heard == [Noticed(0.0, "x")]


@pytest.mark.parametrize(
    "given", [[print], [SimpleNamespace(name="x")], SimpleNamespace(name="x", handle=print)]
)
def test_what_is_no_subscriber_is_told(config: pytest.Config, given: Any) -> None:
    register(config, "p", subscribers=lambda: given)
    with pytest.raises(ConfigError, match="of p: it must give a list of objects with `name` and `handle"):
        hooks.subscribers(config)


# --- public names -------------------------------------------------------------------


def test_public_names_are_those_of_the_core() -> None:
    assert pytest_batchgate.Gate is model.Gate
    assert pytest_batchgate.RunFinished is events.RunFinished
    for name in pytest_batchgate.__all__:
        assert getattr(pytest_batchgate, name) is not None
    assert set(pytest_batchgate.__all__) <= set(dir(pytest_batchgate))
    assert not hasattr(pytest_batchgate, "Gates")


def test_every_kind_of_event_is_public() -> None:
    assert {kind.__name__ for kind in typing.get_args(Event)} <= set(pytest_batchgate.__all__)


def test_the_package_itself_imports_nothing() -> None:
    """Workers import it before pytest; what extensions need comes when they ask for it."""
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; before = set(sys.modules); "
        "import pytest_batchgate; print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["__future__", "pytest_batchgate"]
