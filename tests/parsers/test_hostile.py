"""Whatever a command prints: no parser raises, loops, or lets through what could do harm."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parser_kit import DATA
from parser_kit import given as output_of

from pytest_batchgate.core.model import Finding
from pytest_batchgate.parsers import PARSERS, Parsed, parse_output
from pytest_batchgate.report.findings import render

SAMPLES = {path.stem: path.read_bytes() for path in sorted(DATA.glob("*.txt"))}
TOOLS = sorted(PARSERS)
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff]")

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def tool_of(name: str) -> str:
    return next(tool for tool in sorted(TOOLS, key=len, reverse=True) if name.startswith(tool))


def checked(parsed: Parsed) -> tuple[Finding, ...]:
    assert parsed.note is None
    for line in render(parsed.findings):
        assert not UNSAFE.search(line)
        assert not line.startswith("::")
        assert len(line) < 10_000
    for finding in parsed.findings:
        assert finding.line is None or finding.line > 0
        assert finding.column is None or finding.column > 0
    assert len(set(parsed.findings)) == len(parsed.findings)
    return parsed.findings


def parse(tool: str, data: bytes, returncode: int = 1) -> tuple[Finding, ...]:
    text = data.decode("utf-8", "replace")
    checked(parse_output(PARSERS[tool], output_of("", tool, returncode=returncode, report=data)))
    return checked(parse_output(PARSERS[tool], output_of(text, tool, returncode=returncode)))


@quick
@given(st.sampled_from(TOOLS), st.binary(max_size=300), st.integers(0, 2))
def test_random_bytes(tool: str, data: bytes, returncode: int) -> None:
    parse(tool, data, returncode)


@quick
@given(st.data())
def test_real_output_mutated(data: st.DataObject) -> None:
    """Parts cut out, repeated, moved into the output of another tool, bytes replaced."""
    name = data.draw(st.sampled_from(sorted(SAMPLES)))
    other = SAMPLES[data.draw(st.sampled_from(sorted(SAMPLES)))]
    text = bytearray(SAMPLES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 200)))
        new = data.draw(
            st.one_of(st.binary(max_size=20), st.just(bytes(text[start:end]) * 2), st.just(other))
        )
        text[start:end] = new
    tool = data.draw(st.one_of(st.just(tool_of(name)), st.sampled_from(TOOLS)))
    parse(tool, bytes(text), data.draw(st.integers(0, 1)))


COLOURS = [
    "\x1b[31m",
    "\x1b[0m",
    "\x1b[1;38;5;12m",
    "\x1b(B",
    "\x1b]8;;https://x.y\x1b\\",
    "\x1b]8;;\x07",
    "\x1b[K",
]


@quick
@given(st.data())
def test_findings_do_not_depend_on_colours(data: st.DataObject) -> None:
    name = data.draw(
        st.sampled_from([name for name in sorted(SAMPLES) if "\x1b" not in SAMPLES[name].decode()])
    )
    text = SAMPLES[name].decode()
    coloured = text
    for _ in range(data.draw(st.integers(1, 20))):
        at = data.draw(st.integers(0, len(coloured)))
        if "\x1b" not in coloured[max(0, at - 40) : at + 40]:  # not inside another sequence
            coloured = coloured[:at] + data.draw(st.sampled_from(COLOURS)) + coloured[at:]
    assert parse(tool_of(name), coloured.encode()) == parse(tool_of(name), text.encode())


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n" * 100_000,
        "[" * 200_000,
        '{"a":' * 100_000,
        "[\n" * 100_000,
        '{"runs":[{"results":' + "[" * 5_000,
        "1" * 100_000,
        '[{"a": ' + "9" * 10_000 + "}]",
        "a:1:" * 100_000,
        "a:1:1: " * 100_000,
        "\x1b]" * 100_000,
        "\x1b[" + "0;" * 100_000,
        "<testsuite>" * 50_000,
        "--> a:1:1\n" * 50_000,
        " " * 200_000 + "x",
        "a" + "\t" * 200_000 + ":1: error: x",
        "Name Version ID\n---- ------- --\n" * 20_000,
        "::error " + "," * 100_000 + "::x",
        "a.py:1: error: x\n" + "y\n" * 100_000,
        "\r" * 200_000,
        ">> Issue: [B1:" * 20_000,
        "x" * 1_000_000,
    ],
    ids=range(22),
)
def test_shapes_that_are_long(tool: str, text: str) -> None:
    """Each takes a moment if the parser is linear, and minutes or the process if it is not."""
    parse(tool, text.encode())


def test_control_characters_are_shown_not_sent() -> None:
    text = "a\x07b.py:1:1: F401 one\x00two\u202ethree\x9b31mfour\n"
    (finding,) = parse("ruff", text.encode())
    assert finding.path == "a\\x07b.py"
    assert finding.message == "one\\x00two\\u202ethree\\x9b31mfour"


def test_a_long_message_is_cut() -> None:
    (finding,) = parse("ruff", b"a.py:1:1: F401 " + b"x" * 50_000)
    assert len(finding.message) == 2_000
    assert finding.message.endswith("...")
