"""The docs' pictures of a terminal, made from real runs of the examples.

    python docs/make_pictures.py [--into FOLDER] [NAME...]      # all by default, into docs/pictures/

Needs the project with its `dev` and `example` extras.  Each run happens in a copy of an example,
in a pseudo-terminal that a terminal emulator (pyte) reads; what stands on its screen at a
chosen moment becomes an SVG (rich).
"""

from __future__ import annotations

import argparse
import fcntl
import io
import itertools
import os
import pty
import re
import select
import shutil
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples"

_WIDTH, _TALL = 100, 60  # columns; rows of the screen, of which the empty ones are cut off
_PATIENCE_S = 300.0
# The fonts of the reader's machine: a picture in the docs fetches nothing.
_FONT_FACE = re.compile(r"@font-face \{.*?\}\n?|<!--.*?-->\n?", re.DOTALL)
_NAMES = {"brown": "yellow"}  # as pyte calls it
_HIDDEN = re.compile(r"^(CI$|GITHUB|PYTEST|BATCHGATE|NO_COLOR|FORCE_COLOR|COLUMNS|LINES)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """``moment`` sees the screen's lines and says when to take the picture; None: at the end.

    ``runs``: how often the command runs before, so that durations are known.
    """

    example: str
    command: str
    title: str
    runs: int = 0
    moment: Callable[[list[str]], bool] | None = None
    spoil: tuple[str, str, str] | None = None  # file, text, and what stands there instead
    height: int = _TALL


def _busy(lines: list[str]) -> bool:
    """Some gates have ended, some run, some wait: what the tree is for."""
    text = "\n".join(lines)
    return all(re.search(rf"\b{word}\b", text) for word in ("passed", "running", "waiting"))


SCENES: Mapping[str, Scene] = {
    "plan": Scene(example="library", command="pytest --batch-gates --batch-plan", title="the plan", runs=1),
    "live": Scene(
        example="service",
        command="pytest --batch-gates",
        title="while it runs",
        runs=1,
        moment=_busy,
        height=30,
    ),
    "passed": Scene(
        example="library", command="pytest --batch-gates -q --color=yes | cat", title="in a pipe", runs=1
    ),
    "failed": Scene(
        example="library",
        command="pytest --batch-gates -q --tb=line --color=yes | cat",
        title="may this change merge? no",
        spoil=("src/wordtally/tally.py", "match.group().lower()", "len(match.group())"),
    ),
    "benchmark": Scene(
        example="waiting",
        command="pytest --batch-gates --batch-benchmark=1,4 --color=yes | cat",
        title="what do more workers bring?",
    ),
    "detected": Scene(
        example="quickstart", command="pytest --batch-gates | cat", title="no configuration", runs=1
    ),
}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCENES))
    parser.add_argument("--into", type=Path, default=HERE / "pictures", metavar="FOLDER")
    given = parser.parse_args(argv)
    given.into.mkdir(exist_ok=True)
    for name in given.names or SCENES:
        scene = SCENES[name]
        with tempfile.TemporaryDirectory(prefix="demo-") as folder:
            copy = Path(folder) / scene.example
            shutil.copytree(
                EXAMPLES / scene.example, copy, ignore=shutil.ignore_patterns(".*cache", "__pycache__")
            )
            if scene.spoil is not None:
                file, before, after = scene.spoil
                text = (copy / file).read_text(encoding="utf-8")
                assert before in text, f"{file} has changed"
                (copy / file).write_text(text.replace(before, after), encoding="utf-8")
            for _ in range(scene.runs):
                play(scene.command, copy, None, scene.height)
            screen = play(scene.command, copy, scene.moment, scene.height)
        (given.into / f"{name}.svg").write_text(draw(screen, scene), encoding="utf-8")
        print(f"wrote {name}.svg")


def play(
    command: str, folder: Path, moment: Callable[[list[str]], bool] | None, height: int
) -> list[list[pyte.screens.Char]]:
    """Run ``command`` in a terminal; the screen at the moment, or at the end if it does not come."""
    screen = pyte.Screen(_WIDTH, height)
    stream = pyte.ByteStream(screen)
    taken: list[list[pyte.screens.Char]] | None = None
    for data in _output(command, folder, height):
        stream.feed(data)
        if moment is not None and taken is None and moment(list(screen.display)):
            taken = _rows(screen)
    return taken if taken is not None else _rows(screen)


def _output(command: str, folder: Path, height: int) -> Iterator[bytes]:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        kept = {name: value for name, value in os.environ.items() if not _HIDDEN.match(name)}
        tools = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
        os.execve("/bin/sh", ["sh", "-c", command], {**kept, "PATH": tools, "TERM": "xterm-256color"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, _WIDTH, 0, 0))
    until = time.monotonic() + _PATIENCE_S
    while select.select([terminal], [], [], max(0.0, until - time.monotonic()))[0]:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
        if not data:
            break
        yield data
    os.waitpid(pid, 0)
    os.close(terminal)


def _rows(screen: pyte.Screen) -> list[list[pyte.screens.Char]]:
    rows = [[screen.buffer[y][x] for x in range(screen.columns)] for y in range(screen.lines)]
    while rows and not "".join(char.data for char in rows[-1]).strip():
        rows.pop()
    return rows


def draw(rows: list[list[pyte.screens.Char]], scene: Scene) -> str:
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True)
    shown = scene.command.removesuffix(" | cat").removesuffix(" --color=yes")
    console.print(Text(f"$ {shown}", style="bold"))
    for row in rows:
        line = Text()
        for style, chars in itertools.groupby(row, _style):
            line.append("".join(char.data for char in chars), style)
        line.rstrip()
        console.print(line, soft_wrap=True)
    svg = console.export_svg(title=scene.title, unique_id="terminal")
    return "\n".join(line.rstrip() for line in _FONT_FACE.sub("", svg).splitlines()) + "\n"


def _style(char: pyte.screens.Char) -> Style:
    return Style(
        color=_colour(char.fg),
        bgcolor=_colour(char.bg),
        bold=char.bold,
        italic=char.italics,
        underline=char.underscore,
        reverse=char.reverse,
    )


def _colour(name: str) -> str | None:
    if name == "default":
        return None
    if re.fullmatch("[0-9a-f]{6}", name):
        return f"#{name}"
    name = _NAMES.get(name, name)
    return f"bright_{name.removeprefix('bright')}" if name.startswith("bright") else name


if __name__ == "__main__":
    main(sys.argv[1:])
