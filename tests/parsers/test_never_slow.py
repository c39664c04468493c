"""Output that makes a careless pattern try every length at every place: each parser gets through it.

Python matches a pattern without letting other threads run, so that one slow pattern holds up
every gate, time limits and Ctrl-C.  What is quadratic takes minutes for these texts.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_batchgate.parsers import PARSERS

TEXTS = """{
    "message with spaces": "".join(f"a.py:{n}:1: E501 x{' ' * 7800}y\\n" for n in range(50)),
    "spaces before a code": "a.py:1: error: x" + " " * 150_000 + "y",
    "a symbol without end": "a.py:1: [" + "a" * 150_000,
    "XML declarations": "<?xml\\n" * 60_000,
    "braces": "{\\n" * 150_000,
    "objects without end": '{"a":\\n' * 20_000,
    "log lines": "[main] INFO profile include tests: None\\n" * 20_000,
    "carriage returns": "a.py:1:1: X1 x" + "\\r" * 150_000 + "y\\n",
    "blanks": " " * 150_000 + "x",
    "escapes": "\\x1b[" * 60_000,
}"""
SCRIPT = f"""
import sys
from pytest_batchgate.parsers import PARSERS, ParserInput, parse_output
from pytest_batchgate.report.words import harmless_lines
for name, text in {TEXTS}.items():
    print(name, flush=True)
    output = ParserInput(argv=("x",), text=text, returncode=1, rootdir="/")
    parse_output(PARSERS[sys.argv[1]], output)
    harmless_lines(text[:65536])
"""


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_no_output_holds_a_parser_up(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 10
