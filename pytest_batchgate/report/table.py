"""Columns of text, as wide as they must be and no wider than the screen."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_batchgate.report.words import clip

GAP = "  "
_NARROWEST = 8


def columns(rows: Sequence[Sequence[str]], *, align: str, width: int) -> list[str]:
    """One line per row, all rows having as many cells as ``align`` has letters.

    ``align`` is ``<`` or ``>`` per column.  Where the lines would be wider than ``width``
    characters, the widest left-aligned columns are cut, none below 8; numbers never are.
    """
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(align))]
    spare = width - sum(widths) - len(GAP) * (len(align) - 1)
    while spare < 0:
        left = [column for column, side in enumerate(align) if side == "<" and widths[column] > _NARROWEST]
        if not left:
            break
        widest = max(left, key=lambda column: widths[column])
        widths[widest] -= 1
        spare += 1
    return [
        GAP.join(
            f"{clip(cell, size):{side}{size}}" for cell, side, size in zip(row, align, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
