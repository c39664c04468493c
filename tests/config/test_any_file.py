"""Whatever is in the file: a configuration, or one message with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batchgate.config import find_source, load_config
from pytest_batchgate.config.docs import DOCS_PATH
from pytest_batchgate.errors import ConfigError

BLOCKS = DOCS_PATH.read_text(encoding="utf-8").split("```")[1::2]
EXAMPLES = {
    "batchgate.yaml": next(block.removeprefix("yaml\n") for block in BLOCKS if block.startswith("yaml")),
    "own.toml": next(block.removeprefix("toml\n") for block in BLOCKS if block.startswith("toml")),
}
SIGNS = [*"[]{}:,-&*!|>'\"%@`#?=.\n\t \0\x07\x85\ufeff\u2028", "<<: ", "!!python/name:x", "---\n"]
WORDS = ["null", "true", "1e999", "nan", "inf", "0x1F", "2024-01-01", "\\ud800", "run", "ready: "]
FLOODS = ["9" * 5000, "[" * 200, "{a: " * 200, "a." * 600]
PIECES = st.sampled_from(SIGNS + WORDS + FLOODS)


@st.composite
def damaged(draw: st.DrawFn, example: str) -> bytes:
    """An example with some pieces cut out and others put in."""
    data = example.encode()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.sampled_from([0, 0, 1, 5, 40]))
        piece = draw(PIECES.map(str.encode) | st.binary(max_size=3))
        data = data[:start] + piece + data[end:]
    return data


@pytest.mark.parametrize("name", EXAMPLES)
@given(data=st.data())
def test_any_damage_is_told(tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(data.draw(damaged(EXAMPLES[name])))
    source = find_source(Path(path.parent), path)
    assert source is not None
    try:
        config = load_config(source, profile=None)
    except ConfigError as error:
        message = str(error)
        assert message.startswith(name)
        assert message.isprintable(), "one line, without control characters"
    else:
        assert config.gates
