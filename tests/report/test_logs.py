"""`batchgate logs` and `batchgate monitor` over records that were written beforehand."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from report_kit import FakeTeller, hostile, story

from pytest_batchgate.cli import main
from pytest_batchgate.core.events import Event, RunStarted
from pytest_batchgate.report.shortjournal import ShortJournal
from pytest_batchgate.store.runs import RunFile

Asked = Callable[..., tuple[int, str, str]]


@pytest.fixture
def asked(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Asked:
    """``batchgate`` in a repository whose runs leave what they leave in the folder ``state``."""
    monkeypatch.setenv("BATCHGATE_STATE_DIR", "state")

    def ask(*args: str) -> tuple[int, str, str]:
        code = main([*args, "--rootdir", str(tmp_path)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return ask


def record(folder: Path, run_id: str, number: int, events: Sequence[Event]) -> Path:
    """A run that is over; where the logs of its commands would be."""
    start = events[0]
    assert isinstance(start, RunStarted)
    logs = folder / "logs" / run_id[:8]
    file = RunFile(folder, run_id=run_id, started_unix_s=float(number))
    more = {
        "pid": 123,
        "rootdir": "/repo",
        "stages": (),
        "needs": {gate.name: gate.needs for gate in start.gates},
        "sequential": False,
        "narrowed": False,
        "logs": str(logs),
        "log_names": {gate.name: gate.name for gate in start.gates},
    }
    journal = ShortJournal(file.append, FakeTeller(), run_id=run_id, started_unix_s=float(number), more=more)
    for event in events:
        journal.handle(event)
    file.close()
    return logs


def test_each_run_has_its_own_logs(tmp_path: Path, asked: Asked) -> None:
    for number, run_id in enumerate(("aaaaaaaa11", "bbbbbbbb22")):
        logs = record(tmp_path / "state", run_id, number, story())
        logs.mkdir(parents=True)
        logs.joinpath("docs.log").write_text(f"of {run_id}\n")
        logs.joinpath("docs~2.log").write_bytes(b"again\n\x1b[31m\xff no end")
    assert asked("logs", "docs") == (0, "of bbbbbbbb22\nagain\n\x1b[31m\ufffd no end\n", "")
    assert asked("logs", "docs", "--run", "aaaa", "--filter", "^of")[1] == "of aaaaaaaa11\n"
    assert asked("logs", "lint") == (0, "(its log is not kept any more)\n", "")


def test_an_odd_filter_is_taken_without_a_word(tmp_path: Path, asked: Asked) -> None:
    record(tmp_path / "state", "aaaaaaaa11", 1, story())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asked("logs", "unit", "--filter", "[[]a<b") == (
            0,
            "tests/test_a.py::TestC::test_fails[a<b-&] failed: assert 1 == 2\n",
            "",
        )


def test_a_damaged_line_is_passed_over(tmp_path: Path, asked: Asked) -> None:
    record(tmp_path / "state", "aaaaaaaa11", 1, story())
    (path,) = (tmp_path / "state" / "runs").glob("*.jsonl")
    path.write_bytes(b"[" * 100_000 + b"\n\0\xff\n" + path.read_bytes())
    assert asked("monitor", "--once")[:2] == (0, asked("monitor", "--once", "--run", "aa")[1])
    assert asked("monitor")[0] == 1


def test_each_line_of_a_failure_has_its_gate(tmp_path: Path, asked: Asked) -> None:
    record(tmp_path / "state", "aaaaaaaa11", 1, hostile())
    code, out, _ = asked("logs")
    assert code == 0
    lines = [line for line in out.split("\n") if line]
    assert len(lines) > 5
    assert [line for line in lines if not line.startswith(("unit | ", "lint | "))] == []
