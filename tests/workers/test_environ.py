"""What gates see of the environment, and what they may hand on."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batchgate.core.model import GateName
from pytest_batchgate.workers.environ import (
    OUTPUT_LIMIT_BYTES,
    OutputError,
    base_environment,
    gate_environment,
    gate_marker,
    parse_outputs,
    run_marker,
    worker_environment,
)

PYTHON = "/venv/bin/python"


def base(environ: dict[str, str], *, in_virtualenv: bool = True) -> dict[str, str]:
    return base_environment(environ, executable=PYTHON, in_virtualenv=in_virtualenv, defpath="/bin:/usr/bin")


def seen_by(gate: str, environ: dict[str, str], *, run_id: str = "r1", **extra: str) -> dict[str, str]:
    return gate_environment(
        environ, run_id=run_id, gate=GateName(gate), slots=(3, 4), attempt=2, output="/out", extra=extra
    )


def test_nothing_that_steers_a_ci_runner_gets_through() -> None:
    hidden = ["GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_STATE"]
    environ = dict.fromkeys([*hidden, "ACTIONS_RUNTIME_TOKEN", "ACTIONS_X", "GITHUB_SHA", "HOME"], "x")
    assert base(environ) == {
        "GITHUB_SHA": "x",
        "HOME": "x",
        "BATCHGATE": "1",
        "PATH": "/venv/bin:/bin:/usr/bin",
    }


def test_an_outer_run_is_not_mistaken_for_this_one() -> None:
    environ = {
        "BATCHGATE_SLOT": "7",
        "BATCHGATE_GATE": "outer",
        "BATCHGATE_TRACE": ":r0/outer:",
        "PATH": "/x",
    }
    assert base(environ) == {"BATCHGATE": "1", "BATCHGATE_TRACE": ":r0/outer:", "PATH": "/venv/bin:/x"}


@pytest.mark.parametrize(
    ("path", "in_virtualenv", "expected"),
    [
        ("/usr/bin", True, "/venv/bin:/usr/bin"),
        ("/usr/bin:/venv/bin", True, "/venv/bin:/usr/bin:/venv/bin"),
        ("/venv/bin:/usr/bin", True, "/venv/bin:/usr/bin"),
        ("/usr/bin", False, "/venv/bin:/usr/bin"),
        ("/usr/bin:/venv/bin", False, "/usr/bin:/venv/bin"),
        ("", True, "/venv/bin"),
    ],
)
def test_the_tools_beside_pytest_are_found_first(path: str, in_virtualenv: bool, expected: str) -> None:
    assert base({"PATH": path}, in_virtualenv=in_virtualenv)["PATH"] == expected


def test_a_gate_is_told_who_and_where_it_is() -> None:
    assert seen_by("lint", {"HOME": "/h", "A": "base"}, A="own", BATCHGATE_SLOT="9") == {
        "HOME": "/h",
        "A": "own",
        "BATCHGATE": "1",
        "BATCHGATE_RUN_ID": "r1",
        "BATCHGATE_GATE": "lint",
        "BATCHGATE_ATTEMPT": "2",
        "BATCHGATE_OUTPUT": "/out",
        "BATCHGATE_TRACE": ":r1/lint:",
        "BATCHGATE_WORKER": "gw3",
        "BATCHGATE_SLOT": "3",
    }


def test_a_service_has_no_worker_and_no_slot() -> None:
    env = gate_environment(
        base({}), run_id="r", gate=GateName("db"), slots=(), attempt=1, output="/o", extra={}
    )
    assert not {"BATCHGATE_WORKER", "BATCHGATE_SLOT"} & env.keys()


def test_a_worker_is_told_its_slot_but_no_gate() -> None:
    env = worker_environment(base({}), run_id="r1", slot=1, extra={"A": "1"})
    assert (env["BATCHGATE_WORKER"], env["BATCHGATE_SLOT"], env["A"]) == ("gw1", "1", "1")
    assert "BATCHGATE_GATE" not in env
    assert run_marker("r1").decode() in env["BATCHGATE_TRACE"]


def test_markers_tell_gates_and_runs_apart_even_when_nested() -> None:
    outer = seen_by("a", base({}))
    inner = seen_by("ab", base(outer), run_id="r2")["BATCHGATE_TRACE"].encode()
    for marker in (gate_marker("r1", "a"), gate_marker("r2", "ab"), run_marker("r1"), run_marker("r2")):
        assert marker in inner
    for marker in (gate_marker("r2", "a"), gate_marker("r1", "ab"), gate_marker("r2", "b"), run_marker("r")):
        assert marker not in inner


def test_outputs_are_lines_of_key_and_value() -> None:
    data = b'A=1\n\nB= spaced = "q" \r\nA=2\n  \nPATH=/x\nE=\nU=\xc3\xa9'
    assert parse_outputs(data) == {"A": "2", "B": ' spaced = "q" ', "PATH": "/x", "E": "", "U": "é"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"A=1\nnonsense\n", "BATCHGATE_OUTPUT line 2 is not KEY=VALUE: 'nonsense'"),
        (b"1A=secret", "line 1 is not KEY=VALUE: '1A...'"),
        (b"export A=secret", "line 1 is not KEY=VALUE: 'export A...'"),
        (b"=x", "line 1 is not KEY=VALUE"),
        (b"A=\xff", "line 1 is not UTF-8"),
        (b"A=x\0y", "line 1 has a NUL byte in the value of A"),
        (b"BATCHGATE_SLOT=1", "line 1 sets BATCHGATE_SLOT"),
        (b"BATCHGATE=0", "line 1 sets BATCHGATE,"),
        (b"GITHUB_ENV=/x", "line 1 sets GITHUB_ENV"),
        (b"A=" + b"x" * OUTPUT_LIMIT_BYTES, "more than 64 KiB"),
    ],
)
def test_malformed_outputs_are_refused_naming_the_line(data: bytes, message: str) -> None:
    with pytest.raises(OutputError, match=re.escape(message)) as caught:
        parse_outputs(data)
    assert "secret" not in str(caught.value)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True),
        st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"])).filter(
            lambda value: not value.endswith("\r")
        ),
    )
)
def test_what_is_written_is_what_is_read(values: dict[str, str]) -> None:
    assert parse_outputs("".join(f"{k}={v}\n" for k, v in values.items()).encode()) == values


@given(st.binary())
def test_any_bytes_are_outputs_or_a_named_problem(data: bytes) -> None:
    try:
        outputs = parse_outputs(data)
    except OutputError:
        return
    assert all(re.fullmatch(r"[A-Za-z_]\w*", key) for key in outputs)
