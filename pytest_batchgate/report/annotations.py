"""Which of all that went wrong a reviewer sees beside the lines of the change, where only a few can be shown.

GitHub shows ten errors, ten warnings and ten notices of a step and drops the rest without a word.  So
the worst come first, each gate has its first before any has its second, files of the change
come before others, and the last one says how many there are besides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.report.words import clip, harmless, harmless_lines

Level = Literal["error", "warning", "notice"]
LEVELS: tuple[Level, ...] = ("error", "warning", "notice")
MOST = 10  # of a level, GitHub's limit for a step
MOST_MESSAGE = 4096  # characters that GitHub keeps of a message
_MOST_TITLE = 200
_MOST_PATH = 1024  # a longer one is no file's
_NAMED_GATES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One thing to be shown.  ``path``: relative to the rootdir, or absolute.  Nothing here is harmless.

    ``gate`` is empty for what belongs to none.  ``rank``: lower is worse, within a gate and level.
    """

    level: Level
    gate: str
    title: str
    message: str
    path: str | None = None
    line: int | None = None
    column: int | None = None
    rank: int = 0


def chosen(
    found: Iterable[Annotation],
    *,
    most: int,
    gates: Sequence[str],
    more: Mapping[Level, int],
    changed: Callable[[], Collection[str]],
) -> list[Annotation]:
    """At most ``most`` of each level, 0..10; of the levels the worst first.

    ``gates``: the worst first.  ``more``: how many there are that nobody kept.  ``changed``: the
    paths of the change as annotations have them; asked only where something must be left out.
    """
    by_level: dict[Level, list[Annotation]] = {level: [] for level in LEVELS}
    for annotation in found:
        by_level[annotation.level].append(annotation)
    if most < 1:
        return []
    order = {gate: place for place, gate in enumerate(gates)}
    crowded = any(len(mine) + (more.get(level, 0) > 0) > most for level, mine in by_level.items())
    first = frozenset(changed()) if crowded else frozenset()
    shown: list[Annotation] = []
    for level, mine in by_level.items():
        ranked = _in_turn(mine, order, first)
        unkept = more.get(level, 0)
        if unkept or len(ranked) > most:
            ranked = _with_the_rest_counted(level, ranked, len(ranked) + unkept, most)
        shown += ranked
    return shown


def _in_turn(
    found: Iterable[Annotation], order: Mapping[str, int], first: Collection[str]
) -> list[Annotation]:
    """The first of each gate, then the second of each, and so on."""
    by_gate: dict[str, list[Annotation]] = {}
    for annotation in found:
        by_gate.setdefault(annotation.gate, []).append(annotation)
    turns: list[tuple[int, int, Annotation]] = []
    for gate, mine in by_gate.items():
        mine.sort(key=lambda each: (each.rank, each.path not in first))
        place = order.get(gate, -1)  # what belongs to no gate stopped the run
        turns += [(turn, place, annotation) for turn, annotation in enumerate(mine)]
    return [annotation for *_, annotation in sorted(turns, key=lambda turn: turn[:2])]


def _with_the_rest_counted(
    level: Level, ranked: Sequence[Annotation], total: int, most: int
) -> list[Annotation]:
    shown = list(ranked[: most - 1]) if most > 1 else list(ranked[:1])
    left = total - len(shown)
    words = f"and {left:,} more {level}{'s' if left != 1 else ''}"
    if most == 1 and shown:  # the one place says both
        message = clip(shown[0].message, MOST_MESSAGE // 4)
        return [replace(shown[0], message=f"{message}\n\n{words}")] if left else shown
    by_gate = Counter(annotation.gate for annotation in ranked[len(shown) :] if annotation.gate)
    named = [f"{gate}: {number:,}" for gate, number in by_gate.most_common(_NAMED_GATES)]
    told = f"{words}, in the log and in the job summary"
    if named:
        told += f" ({', '.join(named)}{', ...' if len(by_gate) > len(named) else ''})"
    return [*shown, Annotation(level=level, gate="", title=words, message=told)]


# --- as the runner reads it -----------------------------------------------------------


def escaped(text: str) -> str:
    """As the data of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escaped_property(text: str) -> str:
    """As the value of a workflow command's property."""
    return escaped(text).replace(":", "%3A").replace(",", "%2C")


def order(annotation: Annotation, place: Callable[[str], str | None], *, unicode: bool = True) -> str:
    """The workflow command, a line without its end.

    ``place``: a path as seen from the repository's top; None for one that is not in it.
    """
    properties = []
    path = place(annotation.path) if annotation.path is not None else None
    if path is not None and len(path) <= _MOST_PATH and harmless(path, unicode=unicode) == path:
        properties.append(f"file={escaped_property(path)}")
        if annotation.line is not None:
            properties.append(f"line={annotation.line}")
            if annotation.column is not None:
                properties.append(f"col={annotation.column}")
    title = clip(harmless(annotation.title, unicode=unicode), _MOST_TITLE)
    properties.append(f"title={escaped_property(title)}")
    lines = harmless_lines(annotation.message[: 2 * MOST_MESSAGE], unicode=unicode)
    message = "\n".join(lines).strip() or title
    return f"::{annotation.level} {','.join(properties)}::{_bounded(message)}"


def _bounded(message: str) -> str:
    """Escaped, and cut before it is too long as it is printed: then it is before anybody unescapes it."""
    whole = escaped(message)
    if len(whole) <= MOST_MESSAGE:
        return whole
    room = MOST_MESSAGE - 3
    for place, character in enumerate(message):
        room -= len(escaped(character))
        if room < 0:
            return f"{escaped(message[:place])}..."
    return whole
