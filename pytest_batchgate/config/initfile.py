"""The batchgate.yaml that `--batch-init` writes: what detection found, with its reasons as comments.

Text only.  Whoever writes the file must create it exclusively: an existing one
is never replaced.
"""

from __future__ import annotations

import re
import shlex

from pytest_batchgate.config.detect import Detected
from pytest_batchgate.core.model import Command, Gate, Tests

INIT_NAME = "batchgate.yaml"

_HEAD = """\
# The quality gates of this repository: `pytest --batch-gates` runs them.
# Written by `pytest --batch-gates --batch-init` from what the repository uses; change it at will.
version: 1

gates:
"""
_PLAIN = re.compile(r"[A-Za-z./][A-Za-z0-9 ./_+-]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"})
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")


def init_text(detected: Detected) -> str:
    """A configuration that loads back to the gates of ``detected``."""
    parts = [_HEAD]
    for gate, found in zip(detected.config.gates, detected.found, strict=True):
        parts.append(f"  {_comment(found)}\n  {gate.name}:\n{_body(gate)}\n")
    if detected.left_out:
        parts.append("# Left out:\n")
        parts += [f"{_comment(f'- {what}: {why}')}\n" for what, why in detected.left_out]
    return "".join(parts)


def _body(gate: Gate) -> str:
    match gate.work:
        case Command(argv=argv):
            return f"    run: {_scalar(shlex.join(argv))}\n"
        case Tests(rest=True):
            return "    tests: true\n"
        case Tests(expression=expression, paths=paths, allow_empty=allow_empty):
            lines = f"    tests: {_scalar(expression)}\n" if expression is not None else ""
            lines += f"    paths: [{', '.join(map(_scalar, paths))}]\n" if paths else ""
            return lines + ("    allow-empty: true\n" if allow_empty else "")


def _scalar(text: str) -> str:
    """``text`` as YAML reads it back, quoted where it has to be."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS and not text.endswith(" "):
        return text
    return '"' + _CONTROL.sub(_escaped, text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _comment(text: str) -> str:
    return "# " + _CONTROL.sub(" ", text)
