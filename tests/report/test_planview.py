"""The plan as people, programs and mermaid read it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from pytest_batchgate.core.model import Command, Config, Estimates, Gate, GateName, Ready, Tests
from pytest_batchgate.core.plan import Plan, build_plan, parse_select
from pytest_batchgate.errors import OptionError
from pytest_batchgate.report.planview import render, seconds


def names(text: str) -> tuple[GateName, ...]:
    return tuple(map(GateName, text.split()))


CONFIG = Config(
    stages=("static", "test"),
    gates=(
        Gate(name=GateName("lint"), work=Command(argv=("ruff", "check", ".")), stage="static"),
        Gate(
            name=GateName("security"),
            work=Command(shell="bandit -r src | tee log"),
            stage="static",
            required=False,
        ),
        Gate(name=GateName("unit"), work=Tests(expression="not slow"), stage="test"),
        Gate(name=GateName("db"), work=Command(argv=("serve",), ready=Ready(port=1))),
        Gate(
            name=GateName("integration"),
            work=Tests(expression="slow", paths=("tests/slow",), max_workers=1),
            needs=names("unit db"),
            when="always",
        ),
    ),
)
TOOK = Estimates(commands={"lint": 0.25, "security": 5.0}, work={"unit": 60.0, "integration": 100.0})


def plan(select: str | None = None, *, with_needs: bool = True) -> Plan:
    selectors = parse_select(select) if select else None
    return build_plan(CONFIG, select=selectors, with_needs=with_needs)


def test_text() -> None:
    assert render(plan(), TOOK, 2, "text") == (
        "5 gates, 2 workers: about 2m 15s, never below 2m 15s\n"
        "  1. lint            0.25s  ruff check .\n"
        "  2. security         5.0s  bandit -r src | tee log\n"
        "                            not required\n"
        "  3. unit              30s  tests: not slow\n"
        "                            after stage static\n"
        "  4. db            service  serve\n"
        "  5. integration    1m 40s  tests: slow in tests/slow\n"
        "                            after unit, db; whatever became of its needs\n"
        "longest path (2m 15s): security -> unit -> integration"
    )


def test_text_of_a_selection() -> None:
    assert render(plan("unit,no:security"), Estimates(), 1, "text") == (
        "2 gates, 1 worker: no history yet, so how long it takes is unknown\n"
        "  1. lint   unknown  ruff check .\n"
        "                     for unit\n"
        "  2. unit   unknown  tests: not slow\n"
        "                     after stage static\n"
        "not run:\n"
        "  security     left out by no:security\n"
        "  db           a service that nothing selected needs\n"
        "  integration  not selected"
    )


def test_text_names_what_has_no_history_and_which_needs_were_dropped() -> None:
    text = render(plan("integration,lint", with_needs=False), Estimates(commands={"lint": 3.0}), 0, "text")
    assert text.startswith("2 gates, in turn in one worker: at least 3.0s; no history yet of integration\n")
    assert "without unit, db, which it needs; whatever became of its needs\n" in text


def test_text_of_nothing() -> None:
    nothing = build_plan(Config(gates=(CONFIG.gates[3],)))
    assert render(nothing, TOOK, 2, "text") == (
        "0 gates, 2 workers: nothing to run\nnot run:\n  db  a service that nothing needs"
    )


def test_a_command_cannot_write_to_the_terminal() -> None:
    gate = Gate(name=GateName("a"), work=Command(shell="echo '\x1b[2J\n\u202e' " + "x" * 200))
    line = render(build_plan(Config(gates=(gate,))), TOOK, 1, "text").splitlines()[1]
    assert line == r"  1. a   unknown  echo '\x1b[2J\n\u202e' " + "x" * 46 + "..."


def test_json() -> None:
    text = render(plan("integration"), TOOK, 2, "json")
    assert "\n" not in text
    assert ": " not in text
    document = json.loads(text)
    assert list(document) == ["schema", "workers", "estimate", "gates", "left_out"]
    assert (document["schema"], document["workers"], document["left_out"]) == (1, 2, [])
    assert document["estimate"] == {
        "wall_s": 135.0,
        "work_s": 165.25,
        "critical_path_s": 135.0,
        "critical_path": ["security", "unit", "integration"],
        "lower_bound_s": 135.0,
        "unknown": [],
    }
    assert [gate["name"] for gate in document["gates"]] == ["lint", "security", "unit", "db", "integration"]
    assert document["gates"][2] == {
        "name": "unit",
        "kind": "tests",
        "service": False,
        "required": True,
        "stage": "test",
        "tags": [],
        "needs": ["lint", "security"],
        "dropped_needs": [],
        "pulled_in_by": "integration",
        "start_s": 5.0,
        "span_s": 30.0,
    }


def test_json_of_what_is_unknown() -> None:
    document = json.loads(render(plan("unit,no:lint", with_needs=False), Estimates(), 0, "json"))
    (unit,) = document["gates"]
    assert (unit["start_s"], unit["span_s"], unit["dropped_needs"]) == (None, None, [])
    assert document["estimate"]["unknown"] == ["unit"]
    assert document["left_out"][0] == {"name": "lint", "reason": "left out by no:lint"}


def test_mermaid() -> None:
    assert render(plan(), TOOK, 2, "mermaid") == (
        "graph LR\n"
        '  subgraph s0["static"]\n'
        '    g0["lint<br/>0.25s"]\n'
        '    g1["security<br/>5.0s<br/>not required"]\n'
        "  end\n"
        '  subgraph s1["test"]\n'
        '    g2(["unit<br/>30s"])\n'
        "  end\n"
        '  g3[("db")]\n'
        '  g4(["integration<br/>1m 40s"])\n'
        "  s0 --> s1\n"
        "  g2 --> g4\n"
        "  g3 --> g4"
    )


def test_mermaid_escapes_whatever_a_hook_names() -> None:
    """Configuration cannot write such names; `pytest_batchgate_gates` could."""
    gate = Gate(name=GateName('end"]<script>&#;\n'), work=Command(argv=("x",)))
    box = render(build_plan(Config(gates=(gate,))), TOOK, 1, "mermaid").splitlines()
    assert box == ["graph LR", '  g0["end#34;#93;#60;script#62;#38;#35;#59; "]']


@pytest.mark.parametrize("fmt", ["text", "json", "mermaid"])
def test_rendering_twice_is_the_same(fmt: str) -> None:
    assert render(plan(), TOOK, 3, fmt) == render(plan(), TOOK, 3, fmt)


def refused(act: Callable[[], object], error: type[Exception]) -> str:
    with pytest.raises(error) as caught:
        act()
    return str(caught.value)


def test_other_formats() -> None:
    assert refused(lambda: render(plan(), TOOK, 1, "jsn"), OptionError) == (
        "--batch-plan: there is no format 'jsn'. Did you mean 'json'?"
    )
    assert refused(lambda: render(plan(), TOOK, 1, "7"), OptionError) == (
        "--batch-plan: there is no format '7'. Known are text, json, mermaid, matrix"
    )


@pytest.mark.parametrize(
    ("value_s", "text"),
    [(0, "0.00s"), (0.994, "0.99s"), (0.996, "1.0s"), (9.94, "9.9s"), (9.96, "10s"), (59.4, "59s"),
     (59.6, "1m 00s"),
     (185, "3m 05s"), (3599.4, "59m 59s"), (3599.6, "1h 00m"), (3840, "1h 04m")],
)  # fmt: skip
def test_seconds(value_s: float, text: str) -> None:
    assert seconds(value_s) == text
    assert re.fullmatch(r"[0-9hms. ]+", text)
