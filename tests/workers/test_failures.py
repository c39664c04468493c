"""The count of failures that all workers of a run share."""

from __future__ import annotations

from pathlib import Path

from pytest_batchgate.workers.failures import Failures


def test_each_counts_in_its_own_place_and_sees_the_sum(tmp_path: Path) -> None:
    """A successor in the same place goes on from where the one before it was."""
    controller = Failures.create(tmp_path / "failures", 3, 4)
    views = [Failures.opened(str(tmp_path / "failures"), 3, place, 4) for place in (0, 1)]
    first, second = views
    first.add()
    controller.add(2)
    assert not second.are_enough()
    successor = Failures.opened(str(tmp_path / "failures"), 3, 0, 4)
    successor.add()
    assert second.are_enough()
    assert controller.are_enough()
    assert second.words == "stopping after 4 failures"


def test_where_the_file_is_not_each_counts_alone(tmp_path: Path) -> None:
    """A worker on another machine, a full disk, an empty file."""
    (tmp_path / "empty").touch()
    views = [
        Failures.opened(str(tmp_path / "nothing"), 2, 0, 2),
        Failures.create(tmp_path / "no" / "folder", 2, 2),
        Failures.opened(str(tmp_path / "empty"), 2, 0, 2),
    ]
    for view in views:
        view.add()
    views[0].add()
    assert [view.are_enough() for view in views] == [True, False, False]
