"""From a few measured numbers of workers to others: what is possible, and what is likely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_batchgate.bench.measured import Shape
from pytest_batchgate.core.valuetypes import dataclass

_LEAST_REACH = 8  # workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One number of workers, in seconds.

    ``model_s``: ``max(critical path, work / workers)``, below which no schedule comes.  ``fit_s``:
    by the fitted serial fraction, None where nothing could be fitted.  ``wall_s``: measured, or None.
    """

    workers: int
    wall_s: float | None
    model_s: float
    fit_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """``serial_fraction``: 0..1, None unless two numbers of workers were measured."""

    serial_fraction: float | None
    points: tuple[Point, ...]


def serial_fraction(walls_s: Mapping[int, float]) -> float | None:
    """The share of the run that no worker can take off another, 0..1, from medians by number of workers.

    Amdahl's law, ``T(n) = T(1) * (s + (1 - s) / n)`` (G. Amdahl, Validity of the single processor
    approach to achieving large scale computing capabilities, AFIPS 1967), has one unknown.  With
    ``x = 1 - 1/n`` and ``y = T(n)/T(1) - 1/n`` it reads ``y = s * x``, and the least squares are
    least at ``s = sum(x * y) / sum(x * x)``.  For a single n this is the experimentally determined serial
    fraction of A. Karp and H. Flatt (Measuring parallel processor performance, CACM 33/5, 1990).

    None without a measurement in turn, or with nothing but that.
    """
    alone_s = walls_s.get(1)
    if not alone_s:
        return None
    above = below = 0.0
    for workers, wall_s in walls_s.items():
        x = 1 - 1 / workers
        above += x * (wall_s / alone_s - 1 / workers)
        below += x * x
    return min(1.0, max(0.0, above / below)) if below else None


def project(shape: Shape, walls_s: Mapping[int, float]) -> Projection:
    """``walls_s``: medians by number of workers, in turn (1) among them."""
    share = serial_fraction(walls_s)
    return Projection(
        serial_fraction=share,
        points=tuple(
            Point(
                workers=workers,
                wall_s=walls_s.get(workers),
                model_s=shape.bound_s(workers),
                fit_s=None if share is None else walls_s[1] * (share + (1 - share) / workers),
            )
            for workers in worth_showing(tuple(walls_s))
        ),
    )


def worth_showing(levels: Sequence[int]) -> tuple[int, ...]:
    """What was measured, and powers of two up to twice the most workers, at least up to 8."""
    reach = max(_LEAST_REACH, 2 * max(levels, default=1))
    powers = {1 << bit for bit in range(reach.bit_length()) if 1 << bit <= reach}
    return tuple(sorted(powers | set(levels)))
