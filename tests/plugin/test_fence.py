"""The streams that stand in for a process's own, and the environment while a run lasts."""

from __future__ import annotations

import atexit
import io
import os
import sys
from collections.abc import Callable

import pytest
from _pytest.capture import CaptureManager
from runner_model import Runner

from pytest_batchgate.core.masking import Masks
from pytest_batchgate.errors import ConfigError
from pytest_batchgate.plugin.entry import _refusal
from pytest_batchgate.plugin.fence import Fence, GuardedStream


def masks() -> Masks:
    found = Masks()
    found.learn({"MY_TOKEN": "hunter2-hunter2"})
    return found


def test_what_is_held_back_comes_with_what_follows_or_in_the_end() -> None:
    real = io.StringIO()
    stream = GuardedStream(real, masks(), defuse=True)
    for piece in ("a hunter2", "-hunter2 h", "ow #", "#", "[x"):
        assert stream.write(piece) == len(piece)
    stream.writelines(["\n:", ":b hunt"])
    stream.flush()
    assert real.getvalue() == "a *** how ## [x\n: :b "
    stream.finish(whole_line=True)
    assert real.getvalue() == "a *** how ## [x\n: :b hunt\n"
    stream.write("late hunter2-hunter2 hun")  # a handler of logging may keep the stream for ever
    assert real.getvalue().endswith("hunt\nlate *** hun")


def test_an_order_to_a_terminal_is_whole() -> None:
    """Its last letter may be one that a value begins with."""
    real = io.StringIO()
    stream = GuardedStream(real, masks(), defuse=True)
    stream.write("x\x1b[?25h")
    assert real.getvalue() == "x\x1b[?25h"
    stream.write("\x1b[1mhunter2-")
    stream.write("hunter2\x1b[0m\x1b[K")
    assert real.getvalue() == "x\x1b[?25h\x1b[1m***\x1b[0m\x1b[K"


def test_a_stream_that_cannot_write_everything() -> None:
    """What was held back is not lost with what cannot be written; other attributes are the stream's own."""
    raw = io.BytesIO()
    real = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    stream = GuardedStream(real, masks(), defuse=False)
    stream.write("a hun")
    stream.write("g \u00e9\n")
    assert raw.getvalue() == b"a hung \\xe9\n"
    assert (stream.encoding, stream.isatty()) == ("ascii", False)


@pytest.fixture(name="late")
def late_calls(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What is left for the end of the process."""
    calls: list[Callable[[], None]] = []
    monkeypatch.setattr(atexit, "register", calls.append)
    return calls


def test_a_run_that_ends_before_its_session(
    late: list[Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest tells its error after the clean-up: the streams stay until the process ends."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_ENV", "/somewhere")
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    fence = Fence()
    assert (fence.hidden, "GITHUB_ENV" in os.environ) == ({"GITHUB_ENV": "/somewhere"}, False)
    fence.guard_streams(Masks())
    fence.close()
    assert os.environ["GITHUB_ENV"] == "/somewhere"
    sys.stderr.write("::error::told late")
    sys.stdout.write("begun")
    (end,) = late
    end()
    first, begun, last = out.getvalue().splitlines()
    assert first == f"::stop-commands::{last.strip(':')}"
    assert (begun, err.getvalue()) == ("begun", ": :error::told late")
    assert (sys.stdout, sys.stderr) == (out, err)


def test_a_session_without_capturing_and_without_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """`pytest >&-`: there is nothing to tell the runner, and pytest has not begun to capture."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    config = pytest.Config.fromdictargs({}, [])
    config.pluginmanager.unregister(name="capturemanager")
    config.pluginmanager.register(CaptureManager("fd"), "capturemanager")
    fence = Fence()
    fence.guard_streams(Masks())
    fence.begin_session(config)
    config._ensure_unconfigure()
    fence.close()
    assert sys.stdout is None
    assert isinstance(sys.stderr, io.StringIO)


def test_without_a_reason_nothing_is_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    streams = sys.stdout, sys.stderr
    fence = Fence()
    fence.guard_streams(Masks())
    assert (sys.stdout, sys.stderr) == streams


def test_a_refusal_gives_no_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    """It quotes the configuration, and is told before anything stands between it and the runner."""
    error = ConfigError("'##[error]x' cannot name a gate\n::warning::y", where="batchgate.yaml:2")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert Runner().read(f"ERROR: {_refusal(error)}\n").names() == ["error", "warning"]
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert Runner().read(f"ERROR: {_refusal(error)}\n").names() == []
