"""What comes through a worker's pipe: execnet's messages, and what tests wrote over them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any

import execnet.gateway_base
import pytest
from execnet.gateway_base import Message

from pytest_batchgate.workers import wire
from pytest_batchgate.workers.gateway import _local_argv
from pytest_batchgate.workers.pipes import _MOST_GARBAGE, Pipes, UnreadableError

# A process at the other end that says what it is given: code that writes to standard output.
WRITES = "import sys; sys.stdout.buffer.write({data!r} + bytes({zeros}))"


class Written:
    """Where the worker's side writes."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


def message(number: int, *, marked: bool) -> bytes:
    io: Any = Written()
    if marked:
        wire.mark_messages(io)
    Message(Message.CHANNEL_DATA, number, b"x" * number).to_io(io)
    return bytes(io.data)


def received(data: bytes, zeros: int = 0) -> Iterator[int]:
    """The numbers of the messages that execnet makes of it; raises what ends its receiver."""
    model = execnet.gateway_base.get_execmodel("main_thread_only")
    pipes = Pipes([sys.executable, "-c", WRITES.format(data=data, zeros=zeros)], model)
    try:
        while True:
            found = Message.from_io(pipes)
            assert found.data == b"x" * found.channelid
            yield found.channelid
    finally:
        pipes.close_read()
        pipes.close_write()
        pipes.wait()


def test_garbage_between_messages_is_passed_over() -> None:
    """That of any length, and what looks like execnet's; 9 is as long as its header."""
    one, two, nine = (message(number, marked=True) for number in (1, 2, 9))
    garbage = [b"\0", wire.MAGIC[:-1], message(7, marked=False), b"\xff" * 999]
    data = (
        message(5, marked=False)
        + one
        + garbage[0]
        + two
        + garbage[1]
        + nine
        + garbage[2]
        + one
        + garbage[3]
        + two
    )
    found: list[int] = []
    with pytest.raises(EOFError):
        deque(map(found.append, received(data)))
    assert found == [5, 1, 2, 9, 1, 2]


def test_endless_garbage_ends_the_connection() -> None:
    with pytest.raises(UnreadableError):
        list(received(message(1, marked=True), _MOST_GARBAGE + 100))


@pytest.mark.integration
def test_a_worker_that_nobody_talks_to_ends_without_a_word() -> None:
    """Whoever started it may be gone before its first line: a usage error ends a run that early."""
    argv = _local_argv(execnet.XSpec("popen"), sys.path)
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    read, write = os.pipe()
    os.close(read)
    line = repr("import sys; sys.stdout.write('1'); sys.stdout.flush()") + "\n"
    done = subprocess.run(argv, input=line, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
