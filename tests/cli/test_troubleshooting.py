"""Every message that docs/troubleshooting.md quotes is one that the package can still print."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import pytest_batchgate

PACKAGE = Path(pytest_batchgate.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"


def quoted() -> list[str]:
    """The lines of blocks marked ``text``."""
    blocks = re.findall(r"^```text\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@cache
def templates() -> tuple[str, ...]:
    """Every text in the package but docstrings, `<>` for what is filled in."""
    found: list[str] = []
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = [v.value if isinstance(v, ast.Constant) else "<>" for v in node.values]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                found.append(node.value)
    return tuple(found)


def fixed_parts(line: str) -> list[str]:
    """What stands between what differs, a sentence at a time; parts too short to tell are left out."""
    text = re.sub(r"^(ERROR|note): ", "", line)
    text = re.sub(r"^--?[a-z-]+: ", "", text)  # the option that the message is about
    parts = [
        part
        for sentence in re.split(r"(?<=[^.])[.;] (?=\S)", text)
        for part in re.split(r"<[^>]*>", sentence)
    ]
    stripped = [part.strip(":?,.() ") for part in parts]
    return [part for part in stripped if len(re.findall("[a-z]", part)) >= 4]


def is_printed(part: str) -> bool:
    """Messages are put together from several texts, so each part may come from one of its own."""
    return any(part in template for template in templates())


@pytest.mark.parametrize("line", quoted())
def test_the_message_is_still_printed(line: str) -> None:
    parts = fixed_parts(line)
    assert parts, "nothing in it can be checked"
    missing = [part for part in parts if not is_printed(part)]
    assert not missing, f"of {line!r}"


def test_a_message_that_nobody_prints_would_be_found() -> None:
    assert fixed_parts("ERROR: <where>: <key> is not a key of a gate. Did you mean <key>?") == [
        "is not a key of a gate",
        "Did you mean",
    ]
    assert not is_printed("is not a key of a gate"), "whose what differs"
    assert is_printed("is not a key of")


def test_the_page_quotes_much() -> None:
    assert len(quoted()) > 50
