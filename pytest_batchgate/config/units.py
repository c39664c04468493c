"""Durations and sizes as people write them: `30s`, `512MB`."""

from __future__ import annotations

import math
import re

MAX_DURATION_S = 366 * 24 * 3600.0
"""A year.  Longer is a slip of the keyboard, and would overflow the timers of some systems."""

MAX_SIZE_BYTES = 2**63 - 1

_DURATION_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_SIZE_UNITS = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}

DURATION_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,9})?(ms|s|m|h)$"
SIZE_PATTERN = r"^[0-9]{1,19}(\.[0-9]{1,9})?(B|[kKMGT]B|[KMGT]iB)$"


def parse_duration(value: str | float) -> float:
    """Seconds, 0 to `MAX_DURATION_S`.  Raises ValueError for anything else."""
    if isinstance(value, bool):
        raise ValueError("a boolean is not a duration")  # noqa: TRY004 - one error for all that does not fit
    if isinstance(value, str):
        found = _match(DURATION_PATTERN, value)
        digits, unit = value[: found.start(2)], found[2]
        # Through milliseconds, so that "500ms" is exactly 0.5 and "90s" exactly 1.5m.
        seconds = float(digits) * _DURATION_UNITS_MS[unit] / 1000
    else:
        seconds = _finite(value)
    if not 0 <= seconds <= MAX_DURATION_S:
        raise ValueError("out of range")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest spelling that `parse_duration` reads back to the millisecond."""
    total_ms = round(seconds * 1000)
    for unit in ("h", "m", "s"):
        if total_ms and total_ms % _DURATION_UNITS_MS[unit] == 0:
            return f"{total_ms // _DURATION_UNITS_MS[unit]}{unit}"
    return f"{total_ms}ms" if total_ms else "0s"


def parse_size(value: str | float) -> int:
    """Bytes, 1 to `MAX_SIZE_BYTES`.  Raises ValueError for anything else."""
    if isinstance(value, bool):
        raise ValueError("a boolean is not a size")  # noqa: TRY004 - as above
    if isinstance(value, str):
        found = _match(SIZE_PATTERN, value)
        whole, _, fraction = value[: found.start(2)].partition(".")
        # Whole numbers only: a float would lose bytes above 2**53.
        scaled = int(whole + fraction) * _SIZE_UNITS[found[2]]
        size: int = scaled // 10 ** len(fraction)
    elif isinstance(value, float):
        if not _finite(value).is_integer():
            raise ValueError("part of a byte")
        size = int(value)
    else:
        size = value
    if not 1 <= size <= MAX_SIZE_BYTES:
        raise ValueError("out of range")
    return size


def format_size(size_bytes: int) -> str:
    """The shortest spelling that `parse_size` reads back exactly."""
    for unit in ("TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "kB"):
        if size_bytes % _SIZE_UNITS[unit] == 0:
            return f"{size_bytes // _SIZE_UNITS[unit]}{unit}"
    return f"{size_bytes}B"


def _match(pattern: str, text: str) -> re.Match[str]:
    # "$" would let a trailing newline through, which fullmatch does not.
    found = re.fullmatch(pattern.removeprefix("^").removesuffix("$"), text, re.ASCII)
    if found is None:
        raise ValueError("not a number with a unit")
    return found


def _finite(value: float) -> float:
    try:
        number = float(value)
    except OverflowError:  # TOML has integers without bound
        raise ValueError("out of range") from None
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number
