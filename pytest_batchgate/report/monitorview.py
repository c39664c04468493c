"""What `batchgate monitor` shows: the live tree, what workers use, the last failures, the end.  Pure."""

from __future__ import annotations

from typing import Any

from pytest_batchgate.report.followed import Followed
from pytest_batchgate.report.livestate import GateView
from pytest_batchgate.report.livetree import Line, draw
from pytest_batchgate.report.plain import PlainReport
from pytest_batchgate.report.words import clip, duration, harmless, size

SCHEMA = 1  # of `snapshot`; raised when a key changes its meaning
_FAILURES = 5
_LEAST_TREE = 6  # lines; failures and workers give theirs first
_TEXT_WIDTH = 500
_COLOURS = {"passed": "green", "interrupted": "yellow"}


def lines(
    state: Followed, at: float, standing: str, *, width: int, height: int, unicode: bool = True
) -> list[Line]:
    """``standing``: running, finished or killed.  At most ``height`` lines, as by `livetree.draw`."""
    head: Line = (
        (f"run {state.start.run_id[:8]}", "bold"),
        (f", process {state.start.pid}" if standing == "running" else f", {standing}", "dim"),
    )
    below = [
        *_workers(state, standing),
        *_failures(state, unicode=unicode),
        *_end(state, standing, unicode=unicode),
    ]
    room = max(height - 1 - len(below), min(_LEAST_TREE, height - 1))
    tree = draw(state, state.running_tests((), at), at, width=width, height=room, unicode=unicode)
    shown = [head, *tree, *below]
    return shown[: max(height, 1)]


def _workers(state: Followed, standing: str) -> list[Line]:
    if standing != "running" or not state.loads.workers:
        return []
    loads = sorted(state.loads.workers.items())
    told = [f"{name} {load.cores * 100:.0f}% {size(load.rss_bytes)}" for name, load in loads]
    return [(("workers: ", "dim"), (", ".join(told), ""))]


def _failures(state: Followed, *, unicode: bool) -> list[Line]:
    failures = state.failures[-_FAILURES:]
    if not failures:
        return []
    more = state.failed - len(failures)
    shown: list[Line] = [
        (("", ""),),
        ((f"last of {state.failed:,} failures" if more > 0 else "failures", "bold"),),
    ]
    for failure in failures:
        said = failure.message.strip().partition("\n")[0]
        text = f"{failure.nodeid}: {said}" if said else failure.nodeid
        text = clip(harmless(text, unicode=unicode), _TEXT_WIDTH)
        shown.append(((f"[{failure.at:5.1f}s] ", "dim"), (f"{failure.outcome} ", "red"), (text, "")))
    return shown


def _end(state: Followed, standing: str, *, unicode: bool) -> list[Line]:
    if state.result is not None:
        report = PlainReport(lambda *_, **__: None, unicode=unicode)
        colour = _COLOURS.get(state.result.verdict, "red")
        words = f"{report.verdict_line(state.result)}, after {duration(state.result.wall_s)}"
        return [(("", ""),), ((words, f"bold {colour}"),)]
    if standing == "killed":
        return [(("", ""),), ((killed(state), "bold red"),)]
    return []


def killed(state: Followed) -> str:
    """What is said of a run that came to no end."""
    return f"the run was killed after {duration(state.at)} or later: process {state.start.pid} is gone"


def snapshot(state: Followed, at: float, standing: str) -> dict[str, Any]:
    """All that is known, for programs; docs/monitoring.md describes it."""
    result = state.result
    doing = state.loads.doing
    running = standing == "running"
    return {
        "schema": SCHEMA,
        "run_id": state.start.run_id,
        "state": standing,
        "pid": state.start.pid,
        "rootdir": state.start.rootdir,
        "started_unix_s": round(state.start.started_unix_s, 3),
        "at_s": round(at, 3),
        "expected_s": state.expected_s,
        "verdict": result.verdict if result is not None else None,
        "exit_code": result.exit_code if result is not None else None,
        "workers": [
            {
                "name": name,
                "cores": round(load.cores, 3),
                "rss_bytes": load.rss_bytes,
                "gate": doing[name].gate,
                "test": doing[name].test,
                "running_s": doing[name].running_s,
            }
            for name, load in sorted(state.loads.workers.items())
            if running
        ],
        "gates": [_gate(state, view) for view in state.gates.values()],
        "failures": [
            {
                "at_s": failure.at,
                "nodeid": failure.nodeid,
                "gate": failure.gate,
                "outcome": failure.outcome,
                "message": failure.message,
            }
            for failure in state.failures
        ],
    }


def _gate(state: Followed, view: GateView) -> dict[str, Any]:
    report, load = view.report, state.load_of(view)
    waits = view.state.value == "waiting"
    return {
        "name": view.name,
        "kind": view.gate.kind,
        "state": view.state.value,
        "required": view.gate.required,
        "stage": view.gate.stage,
        "needs": list(view.needs),
        "waits_for": state.waits_for(view) if waits else None,
        "reason": report.reason if report is not None else None,
        "started_s": report.started_s if report is not None else view.started_s,
        "wall_s": report.wall_s if report is not None else None,
        "tests": view.tests if view.gate.kind == "tests" else None,
        "counts": dict(view.counts),
        "workers": [f"gw{slot}" for slot in view.slots],
        "cores": round(load.cores, 3) if load is not None else None,
        "rss_bytes": load.rss_bytes if load is not None else None,
        "cpu_s": report.cpu_s if report is not None else None,
        "peak_rss_bytes": report.peak_rss_bytes if report is not None else None,
        "log": report.log_path if report is not None else None,
    }
