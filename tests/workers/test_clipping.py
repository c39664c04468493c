"""Reports stay a size that can be sent, whatever a test prints or raises."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_batchgate.workers.clipping import MOST, clip, clip_report


def test_what_is_small_stays_as_it_is() -> None:
    data: dict[str, Any] = {
        "nodeid": "n" * (MOST + 1),
        "sections": [("Captured stdout call", "x" * MOST)],
        "longrepr": {"chain": [({"lines": ["E   a", "E   b"]}, None)], "number": 3},
        "user_properties": [("image", "p" * (MOST + 1))],
    }
    assert clip_report(data) == data


@pytest.mark.parametrize("line", ["x" * 99 + "\n", "x" * (4 * MOST), "\u00e9\n"])
def test_the_begin_and_the_end_stay_and_the_middle_is_counted(line: str) -> None:
    text = "first\n" + line * (4 * MOST // len(line)) + "last"
    begin, _, rest = clip(text).partition("\n[... ")
    number, _, end = rest.partition(" characters left out ...]\n")
    assert text.startswith(begin)
    assert text.endswith(end)
    assert len(begin) + int(number.replace(",", "")) + len(end) == len(text)
    assert MOST * 0.8 <= len(begin) + len(end) <= MOST


def test_no_line_is_cut_where_lines_end() -> None:
    assert set(clip("secret-secret\n" * MOST).splitlines()[1:]) >= {"secret-secret"}
    assert len(set(clip("secret-secret\n" * MOST).splitlines())) <= 3  # an empty one, and what is missing


def test_texts_of_failures_that_are_many_lines() -> None:
    lines = [f"E   {number:095}" for number in range(MOST // 10)]
    shown = clip_report({"longrepr": {"reprentries": [{"data": {"lines": lines}}]}})["longrepr"]
    kept = shown["reprentries"][0]["data"]["lines"]
    assert sum(map(len, kept)) <= MOST + 100
    assert (kept[0], kept[-1]) == (lines[0], lines[-1])
    assert sum("characters left out" in line for line in kept) == 1


def test_one_line_that_alone_is_too_long() -> None:
    lines = ["begin", "x" * (3 * MOST), "end"]
    kept = clip_report({"longrepr": lines})["longrepr"]
    assert (kept[0], kept[-1]) == ("begin", "end")
    assert sum(map(len, kept)) <= MOST + 200
