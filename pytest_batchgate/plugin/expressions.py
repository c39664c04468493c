"""Marker expressions, as pytest itself reads them."""

from __future__ import annotations

from _pytest.mark.expression import Expression


def expression_problem(text: str) -> str | None:
    """Why pytest would refuse ``text`` after ``-m``; None if it would not."""
    try:
        Expression.compile(text)
    except Exception as exc:  # noqa: BLE001 (ParseError until pytest 8, SyntaxError since 9)
        return str(exc) or type(exc).__name__
    return None
