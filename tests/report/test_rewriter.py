"""A file that is kept current: written at once, then not too often, and for the last time at the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pytest_batchgate.report.rewriter import Rewriter

PATIENCE_S = 30.0  # only ever waited out by a failure
HOUR_S = 3600.0


class File:
    """Lets a test wait for the next write; ``problem`` is raised by the next one."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []
        self.threads: list[threading.Thread] = []
        self.written = threading.Event()
        self.problem: Exception | None = None

    def write(self, content: bytes) -> None:
        self.threads.append(threading.current_thread())
        if self.problem is not None:
            self.written.set()
            raise self.problem
        self.contents.append(content)
        self.written.set()

    def wait(self) -> None:
        assert self.written.wait(PATIENCE_S)
        self.written.clear()


@pytest.fixture
def numbers() -> Iterator[bytes]:
    return (b"%d" % number for number in range(1, 1000))


def test_the_first_change_is_written_at_once_and_the_next_after_a_pause(numbers: Iterator[bytes]) -> None:
    file = File()
    rewriter = Rewriter(lambda: next(numbers), file.write, name="test", pause_s=HOUR_S)
    rewriter.touch()
    file.wait()
    rewriter.touch()
    assert file.contents == [b"1"]
    rewriter.finish()
    assert file.contents == [b"1", b"2"], "the end does not wait for the pause"
    assert file.threads[0] is not threading.current_thread() is file.threads[1]


def test_what_changes_later_is_written_without_being_asked_again(numbers: Iterator[bytes]) -> None:
    """The stream of events may stop: the last change must not wait for the next event."""
    file = File()
    rewriter = Rewriter(lambda: next(numbers), file.write, name="test", pause_s=0.001)
    rewriter.touch()
    file.wait()
    rewriter.touch()
    file.wait()
    rewriter.close()
    assert file.contents == [b"1", b"2"]


def test_the_file_is_made_by_whoever_begins(numbers: Iterator[bytes]) -> None:
    file = File()
    rewriter = Rewriter(lambda: next(numbers), file.write, name="test")
    rewriter.begin()
    assert (file.contents, file.threads) == ([b"1"], [threading.current_thread()])
    assert rewriter._thread is None


def test_a_run_without_a_change_writes_once(numbers: Iterator[bytes]) -> None:
    file = File()
    Rewriter(lambda: next(numbers), file.write, name="test").finish()
    assert file.contents == [b"1"]


@pytest.mark.parametrize("last", ["touch", "finish"])
def test_what_a_write_meets_is_raised_where_somebody_hears_of_it(last: str, numbers: Iterator[bytes]) -> None:
    file = File()
    file.problem = OSError("disk full")
    rewriter = Rewriter(lambda: next(numbers), file.write, name="test")
    rewriter.touch()
    file.wait()
    if rewriter._thread is not None:
        rewriter._thread.join(PATIENCE_S)
    file.problem = None
    with pytest.raises(OSError, match="disk full"):
        getattr(rewriter, last)()
    assert not file.contents
    rewriter.close()
