"""Every mistake ends in one message with its place and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_batchgate.config import find_source, load_config
from pytest_batchgate.core.model import Config
from pytest_batchgate.errors import ConfigError

TABLE = Path(__file__).with_name("bad_configurations.txt").read_text(encoding="utf-8")
CASES = re.findall(r"^=== (.+)\n((?:.*\n)*?)>>> (.+)$", TABLE, re.MULTILINE)


def load(rootdir: Path) -> Config:
    source = find_source(rootdir, None)
    assert source is not None
    return load_config(source, profile=None)


def test_the_whole_table_is_read() -> None:
    assert len(CASES) == TABLE.count("\n=== ") > 100
    assert len({name for name, _, _ in CASES}) == len(CASES)


@pytest.mark.parametrize(("text", "message"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_message(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "batchgate.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert str(caught.value) == message


TOML_CASES = {
    "syntax": ("[tool.batchgate]\n\nworkers=\n", "pyproject.toml:3: this is not TOML: invalid value"),
    "no end": (
        "[tool.batchgate]\nstages=[1",
        "pyproject.toml:2: this is not TOML: unclosed array at the end of the file",
    ),
    "twice": (
        "[tool.batchgate]\nworkers=1\n[tool.batchgate]\n",
        "pyproject.toml:3: this is not TOML: cannot declare ('tool', 'batchgate') twice",
    ),
    "no table": (
        "[tool]\nbatchgate = 3\n",
        (
            "pyproject.toml [tool] batchgate: the file must hold a mapping, not 3"
            ". It needs `version: 1` and `gates`"
        ),
    ),
    "no gates": (
        "[tool.batchgate]\n",
        (
            "pyproject.toml [tool.batchgate]: there are no gates. "
            "Add one under `gates`, or remove the file to have them detected"
        ),
    ),
    "version": (
        "[tool.batchgate]\nversion = 3\n",
        (
            "pyproject.toml [tool.batchgate] version: `version` must be 1, not 3. "
            "Another version needs another release of pytest-batchgate"
        ),
    ),
    "value": (
        '[tool.batchgate.gates.unit]\nrun = "x"\ntimeout = "soon"\n',
        (
            "pyproject.toml [tool.batchgate.gates.unit] timeout: `gates.unit.timeout` must be a duration "
            "such as 30s, 10m or 1.5h, above 0 and at most a year, not 'soon'"
        ),
    ),
    "unknown key": (
        '[tool.batchgate.gates."a.b"]\nrun = "x"\ntimout = 3\n',
        (
            "pyproject.toml [tool.batchgate.gates.\"a.b\"] timout: 'timout' is not a key of a gate. "
            "Did you mean 'timeout'?"
        ),
    ),
    "in a list": (
        '[tool.batchgate.gates.unit]\nrun = "x"\nneeds = [3.10]\n',
        (
            "pyproject.toml [tool.batchgate.gates.unit] needs: `gates.unit.needs[0]` must be a gate's name "
            "(letters, digits, `_`, `.` and `-`), not 3.10. Put it in quotes"
        ),
    ),
    "a date": (
        "[tool.batchgate]\nworkers = 2024-01-01\n",
        (
            "pyproject.toml [tool.batchgate] workers: dates and times are not used here. "
            "Quotes make a value a string"
        ),
    ),
    "a number too long": (
        f"[tool.batchgate]\nworkers = {'9' * 5000}\n",
        "pyproject.toml: this is not TOML: a number has too many digits",
    ),
    "nested lists": (
        f"[tool.batchgate]\nstages = {'[' * 100_000}",
        "pyproject.toml: nested deeper than 32 levels",
    ),
    "nested tables": (f"[tool.batchgate{'.a' * 40}]", "pyproject.toml: nested deeper than 32 levels"),
    "an endless key": (
        f"[tool.batchgate]\n{'.'.join('a' * 100_000)} = 1",
        "pyproject.toml:2: nested deeper than 32 levels",
    ),
    "an empty key": (
        '[tool.batchgate.gates]\n"" = 1\n',
        "pyproject.toml [tool.batchgate.gates]: an empty key. Write a name before the equals sign",
    ),
}


@pytest.mark.parametrize("name", TOML_CASES)
def test_toml_message(tmp_path: Path, name: str) -> None:
    text, message = TOML_CASES[name]
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert str(caught.value) == message


BYTES = {
    "UTF-16": (
        "version: 1".encode("utf-16"),
        "batchgate.yaml: the file is UTF-16, not UTF-8. Save it as UTF-8",
    ),
    "UTF-16 without its mark": (
        "version: 1".encode("utf-16-le"),
        "batchgate.yaml:1: a NUL character: this is not a text file in UTF-8",
    ),
    "not UTF-8": (
        b"version: 1\n\nmask: [\xff]\n",
        "batchgate.yaml:3: the byte 0xff is not UTF-8. Save the file as UTF-8",
    ),
    "NUL": (b"version: 1\n\0\n", "batchgate.yaml:2: a NUL character: this is not a text file in UTF-8"),
    "too large": (b"#" * (1024 * 1024 + 1), "batchgate.yaml: the file is larger than 1 MiB. Make it smaller"),
    "control character": (
        b"version: 1\ngates: \x07\n",
        (
            "batchgate.yaml:2: the character 0x7 is not allowed in YAML. "
            "Remove it, or write it as an escape in double quotes"
        ),
    ),
    "nested flow": (
        b"version: 1\ngates: " + b"[" * 100_000,
        "batchgate.yaml:2: nested deeper than 32 levels",
    ),
    "nested blocks": (b"- " * 100_000, "batchgate.yaml:1: nested deeper than 32 levels"),
    "nested mappings": (b"{a: " * 100_000, "batchgate.yaml:1: nested deeper than 32 levels"),
    "a bomb": (
        b"a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (c + 1, c + 1, b", ".join([b"*%c" % c] * 10)) for c in b"abcdefgh"),
        "batchgate.yaml:4: aliases expand to more than 10000 values",
    ),
    "a chain of aliases": (
        b"x:\n- &a0 [x]\n" + b"".join(b"- &a%d [*a%d]\n" % (n, n - 1) for n in range(1, 100)),
        "batchgate.yaml:31: aliases nest deeper than 32 levels",
    ),
    "too many values": (b"- a\n" * 100_000, "batchgate.yaml:100000: more than 100000 values in one file"),
    "digits": (
        b"version: 1\nworkers: " + b"9" * 5000 + b"\n",
        f"batchgate.yaml:2: `workers` must be auto or a whole number, 0 or more, not {'9' * 60}",
    ),
}


@pytest.mark.parametrize("name", BYTES)
def test_bytes_message(tmp_path: Path, name: str) -> None:
    data, message = BYTES[name]
    (tmp_path / "batchgate.yaml").write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert str(caught.value) == message


def test_aliases_up_to_the_limit_are_read(tmp_path: Path) -> None:
    """Ten thousand repeated values are fine: the limit is for what nobody writes by hand."""
    gates = "".join(f"  g{n}: {{run: x, env: *env}}\n" for n in range(100))
    env = ", ".join(f"V{n}: x" for n in range(48))
    text = f"version: 1\ndefaults: {{env: &env {{{env}}}}}\ngates:\n{gates}"
    (tmp_path / "batchgate.yaml").write_text(text)
    assert len(load(tmp_path).gates[99].env) == 48
