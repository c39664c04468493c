"""The file that `--batch-init` writes loads back to the gates that were detected."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pytest_batchgate.config import find_source, load_config
from pytest_batchgate.config.detect import Detected, detect
from pytest_batchgate.config.initfile import init_text
from pytest_batchgate.core.model import Command, Config, Gate, GateName, Tests


def loaded(folder: Path, text: str) -> tuple[Gate, ...]:
    (folder / "batchgate.yaml").write_text(text, encoding="utf-8")
    source = find_source(folder, None)
    assert source is not None
    return tuple(dataclasses.replace(gate, where=None) for gate in load_config(source, profile=None).gates)


def made(*gates: Gate, left_out: tuple[tuple[str, str], ...] = ()) -> Detected:
    return Detected(
        config=Config(gates=gates), found=tuple(f"{gate.name}: because" for gate in gates), left_out=left_out
    )


def test_a_repository_that_uses_everything(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("ruff\nflake8\nmypy\nty\nbandit\npip-audit\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = integration\naddopts = -m 'not slow'\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("pytestmark = pytest.mark.integration\n")
    detected = detect(tmp_path, which=lambda name: name)
    assert len(detected.config.gates) == 8
    text = init_text(detected)
    assert loaded(tmp_path, text) == detected.config.gates
    for sentence in detected.found:
        assert f"# {sentence}\n" in text


@pytest.mark.parametrize(
    "work",
    [
        Command(argv=("ruff", "check", ".")),
        Command(argv=("mypy", "a b", "it's", 'say "x"', "back\\slash", "#no", "a: b", "- c")),
        Command(argv=("mypy", "caf\u00e9", "tab\there", "\u2028", "new\nline")),
        Command(argv=("true",)),
        Tests(rest=True),
        Tests(expression="integration or e2e"),
        Tests(expression="(integration) and (not slow(level=1))"),
        Tests(expression="null"),
        Tests(expression="on"),
        Tests(paths=("tests/integration", "tests/e2e")),
        Tests(expression="a", paths=("tests/it's, odd",)),
    ],
    ids=str,
)
def test_whatever_stands_in_a_gate(tmp_path: Path, work: Command | Tests) -> None:
    gate = Gate(name=GateName("g"), work=work)
    assert loaded(tmp_path, init_text(made(gate))) == (gate,)


def test_reasons_cannot_leave_their_comment(tmp_path: Path) -> None:
    gate = Gate(name=GateName("g"), work=Tests(rest=True))
    detected = made(gate, left_out=(("a\nworkers: 3", "b\r\u2028c\x85d"),))
    assert loaded(tmp_path, init_text(detected)) == (gate,)


def test_how_it_looks() -> None:
    lint = Gate(name=GateName("lint"), work=Command(argv=("ruff", "check", ".")))
    unit = Gate(name=GateName("unit"), work=Tests(rest=True))
    detected = made(lint, unit, left_out=(("security", "neither bandit nor pip-audit is configured"),))
    assert init_text(detected).splitlines()[2:] == [
        "version: 1",
        "",
        "gates:",
        "  # lint: because",
        "  lint:",
        "    run: ruff check .",
        "",
        "  # unit: because",
        "  unit:",
        "    tests: true",
        "",
        "# Left out:",
        "# - security: neither bandit nor pip-audit is configured",
    ]
