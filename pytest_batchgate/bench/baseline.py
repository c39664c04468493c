"""An earlier benchmark, and whether this one is slower than it was.

Slower by more than the tolerance fails, but only where rounds do not overlap: what cannot be
told from noise is said to be too noisy, and fails nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pytest_batchgate.bench.noise import Rounds, rounds
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import OptionError

if TYPE_CHECKING:
    from typing import TypeGuard

OPTION = "--batch-baseline"
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Wall times of an earlier benchmark in seconds, by number of workers.

    ``outcomes_equal``: whether all outcomes were those of its run in turn.
    """

    walls_s: Mapping[int, Rounds]
    outcomes_equal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One number of workers: seconds then and now, and what is to be made of them.

    ``regression``: slower by more than the tolerance, for sure.  ``unclear``: slower by more, but
    rounds overlap.  ``faster``: by more than the tolerance, for sure.  ``within``: all else.
    """

    workers: int
    before_s: float
    now_s: float
    answer: Literal["regression", "unclear", "faster", "within"]

    @property
    def change(self) -> float:
        """0.1 is a tenth slower."""
        return self.now_s / self.before_s - 1


def read_baseline(text: str, where: str, levels: Sequence[int]) -> Baseline:
    """Of a `benchmark.json`.  ``levels``: the numbers of workers that it must know.

    Raises OptionError, naming ``where``, for what is no benchmark of this schema and these levels.
    """
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise _refused(f"{where} is no JSON: {problem}") from None
    if not isinstance(told, dict) or "levels" not in told:
        raise _refused(f"{where} is no benchmark.json")
    if told.get("schema") != SCHEMA:
        raise _refused(f"{where} has the schema {told.get('schema')!r}, and {SCHEMA} is understood")
    known = {}
    if not isinstance(told["levels"], list):
        raise _refused(f"{where} is no benchmark.json: its `levels` are no list")
    for level in told["levels"]:
        workers, wall = _level(level, where)
        known[workers] = wall
    missing = [str(workers) for workers in levels if workers not in known]
    if missing:
        raise _refused(
            f"{where} has measured {_named(known)}, and not {', '.join(missing)}",
            f"Use --batch-benchmark={','.join(map(str, sorted(known)))}" if known else "Measure it again",
        )
    return Baseline(
        walls_s={workers: known[workers] for workers in levels},
        outcomes_equal=bool(told.get("outcomes_equal", True)),
    )


def compare(
    baseline: Baseline, levels: Sequence[Mapping[str, Any]], tolerance: float
) -> tuple[Comparison, ...]:
    """``levels``: of the document of now.  ``tolerance``: 0.1 is a tenth of the time then."""
    found = []
    for level in levels:
        before = baseline.walls_s.get(level["workers"])
        if before is not None:
            now = rounds(level["rounds_s"])
            found.append(
                Comparison(
                    workers=level["workers"],
                    before_s=before.median,
                    now_s=now.median,
                    answer=_answer(before, now, tolerance),
                )
            )
    return tuple(found)


def _answer(
    before: Rounds, now: Rounds, tolerance: float
) -> Literal["regression", "unclear", "faster", "within"]:
    if now.median > before.median * (1 + tolerance):
        return "regression" if now.middle[0] > before.middle[1] else "unclear"
    if now.median < before.median / (1 + tolerance) and now.middle[1] < before.middle[0]:
        return "faster"
    return "within"


def _level(level: Any, where: str) -> tuple[int, Rounds]:
    if not isinstance(level, dict):
        raise _refused(f"{where} is no benchmark.json: a level is no object")
    workers, wall_s = level.get("workers"), level.get("wall_s")
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1 or not _is_time(wall_s):
        raise _refused(f"{where} is no benchmark.json: a level lacks `workers` or `wall_s`")
    told = level.get("rounds_s")
    if isinstance(told, list) and told and all(map(_is_time, told)):
        return workers, rounds(told)
    return workers, rounds([float(wall_s)])


def _is_time(value: Any) -> TypeGuard[float]:
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    )


def _named(levels: Mapping[int, object]) -> str:
    return ", ".join(map(str, sorted(levels))) or "nothing"


def _refused(what: str, todo: str = "Name the benchmark.json of an earlier --batch-benchmark") -> OptionError:
    return OptionError(what, where=OPTION, todo=todo)
