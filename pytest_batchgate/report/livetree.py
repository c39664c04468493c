"""The live tree as lines of styled text, never more or wider than the screen.  Pure.

Where it does not fit, running tests go first, then gates that have ended well, those that
wait, those that have ended badly; what runs goes last.  A last line says how much is hidden.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeAlias

from pytest_batchgate.core.model import GateName, GateState
from pytest_batchgate.report.livestate import GateView, LiveState, RunningTest
from pytest_batchgate.report.words import clip, counts, duration, harmless, plural, size

# A line is pieces of text, each with a style: any of bold, dim, red, green, yellow, cyan, or "".
Line: TypeAlias = tuple[tuple[str, str], ...]

_NAME_WIDTH = 30
_STATE_WIDTH = max(len(state.value) for state in GateState)
_TIME_WIDTH = 13  # "59s of ~1m 05s" shifts its own line by one
_TEXT_WIDTH = 500  # characters; what is beyond cannot be seen anyway
_MINUTE_S = 60
_ROUGH_S = 3

# symbols of: waiting, under way, good, bad, neither
_SYMBOLS = ("\u25cb", "\u25cf", "\u2713", "\u2717", "\u2013")
_ASCII_SYMBOLS = (".", "*", "+", "x", "-")
# in a tree: a branch, the last branch, past a branch, past the last one
_BRANCHES = ("\u251c\u2500 ", "\u2514\u2500 ", "\u2502  ", "   ")
_ASCII_BRANCHES = ("|- ", "`- ", "|  ", "   ")


def draw(
    state: LiveState,
    running: Sequence[RunningTest],
    at: float,
    *,
    width: int,
    height: int,
    unicode: bool = True,
) -> list[Line]:
    """The tree at ``at`` (seconds on the run's clock) in at most ``height`` lines.

    With ``unicode`` lines may be wider than ``width`` columns: how many a character takes
    is for the terminal's library to know, which cuts them.
    """
    layout = _Layout(state, running, max(height, 1) - 1)
    lines = [_header(state, at, unicode=unicode)]
    if height > 1:
        lines += _Drawing(state, layout, at, unicode=unicode).lines()
    return lines if unicode else [_cut(line, width) for line in lines]


def elapsed(seconds: float) -> str:
    """Time that still runs, in whole seconds: a display that changes no more often than it must."""
    return f"{int(seconds)}s" if seconds < _MINUTE_S else duration(float(int(seconds)))


def about(seconds: float) -> str:
    """A time that is expected: ``~0.4s``, ``~12s``."""
    return f"~{duration(seconds)}" if seconds < _ROUGH_S else f"~{elapsed(round(seconds))}"


# --- what fits ------------------------------------------------------------------


class _Layout:
    """Which gates and running tests are shown in ``room`` lines, and how many are not."""

    def __init__(self, state: LiveState, running: Sequence[RunningTest], room: int) -> None:
        self.groups = state.groups
        shown = {test.gate for test in running}
        tests = [test for test in running if test.gate in state.gates]
        gates = list(state.gates.values())
        headings = sum(stage is not None for stage, _ in state.groups)
        excess = len(gates) + headings + len(tests) - room
        self.hidden_tests = 0
        self.hidden: list[GateView] = []
        if excess > 0:
            excess += 1  # the line that says so
            self.hidden_tests = min(excess, len(tests))
            tests = sorted(tests, key=lambda test: -test.seconds)[: len(tests) - self.hidden_tests]
            excess -= self.hidden_tests
            self._hide(sorted(gates, key=lambda view: _importance(view, shown)), excess)
        hidden = {view.name for view in self.hidden}
        self.visible = [
            (stage, [view for view in views if view.name not in hidden]) for stage, views in state.groups
        ]
        self.tests = sorted((test for test in tests if test.gate not in hidden), key=lambda test: test.worker)

    def _hide(self, candidates: Sequence[GateView], excess: int) -> None:
        """The least important gates; a stage without visible gates gives its own line too."""
        left = {stage: len(views) for stage, views in self.groups}
        of = {view.name: stage for stage, views in self.groups for view in views}
        for view in candidates:
            if excess <= 0:
                return
            self.hidden.append(view)
            excess -= 1
            stage = of[view.name]
            left[stage] -= 1
            excess -= stage is not None and not left[stage]


def _importance(view: GateView, running: AbstractSet[GateName | None]) -> int:
    if view.is_under_way:
        return 5 if view.name in running or not view.gate.is_service else 4
    if not view.state.ended:
        return 2
    return 0 if view.state.good else 1 if view.state.follows else 3


# --- how it looks ------------------------------------------------------------------


class _Drawing:
    def __init__(self, state: LiveState, layout: _Layout, at: float, *, unicode: bool) -> None:
        self.state = state
        self.layout = layout
        self.at = at
        self.unicode = unicode
        self.symbols = _SYMBOLS if unicode else _ASCII_SYMBOLS
        self.branches = _BRANCHES if unicode else _ASCII_BRANCHES
        deeper = len(_BRANCHES[0])
        widths = [
            min(len(view.name), _NAME_WIDTH) + (deeper if stage is not None else 0)
            for stage, views in state.groups
            for view in views
        ]
        self.name_width = max(widths, default=0)

    def lines(self) -> Iterator[Line]:
        top: list[tuple[str | None, list[GateView]]] = []
        for stage, views in self.layout.visible:
            if stage is not None and views:
                top.append((stage, views))
            elif stage is None:
                top += [(None, [view]) for view in views]
        note = self.hidden_note()
        for number, (stage, views) in enumerate(top):
            last = number == len(top) - 1 and not note
            if stage is None:
                yield from self.gate(views[0], "", last=last)
                continue
            yield ((self.branches[last], "dim"), (self.safe(stage), "bold"))
            indent = self.branches[2 + last]
            for place, view in enumerate(views):
                yield from self.gate(view, indent, last=place == len(views) - 1)
        if note:
            yield ((self.branches[1], "dim"), (note, "dim"))

    def gate(self, view: GateView, indent: str, *, last: bool) -> Iterator[Line]:
        symbol, style = self.look(view)
        time, text = self.details(view)
        word = view.state.value
        if view.report is not None and view.gate.is_service and view.state is GateState.PASSED:
            word = "stopped"
        dim = "dim" if view.state is GateState.WAITING else ""
        yield (
            (f"{indent}{self.branches[last]}", "dim"),
            (f"{symbol} ", style),
            (f"{view.name:{self.name_width - len(indent)}}  ", dim),
            (f"{word:{_STATE_WIDTH}}  ", style),
            (f"{time:{_TIME_WIDTH}}  {text}".rstrip(), dim),
        )
        tests = [test for test in self.layout.tests if test.gate == view.name]
        for number, test in enumerate(tests):
            branch = self.branches[number == len(tests) - 1]
            yield (
                (f"{indent}{self.branches[2 + last]}{branch}", "dim"),
                (f"{test.worker:5} {elapsed(test.seconds):>6}  ", "cyan"),
                (self.safe(test.nodeid), ""),
            )

    def look(self, view: GateView) -> tuple[str, str]:
        """Symbol and style."""
        waiting, under_way, good, bad, neither = self.symbols
        state = view.state
        if state is GateState.WAITING:
            return waiting, "dim"
        if view.is_under_way:
            return under_way, "red" if view.failed else "cyan"
        if state.good:
            return good, "yellow" if state is GateState.FLAKY else "green"
        spared = not view.gate.required or state.follows
        return (neither if state.follows else bad), "yellow" if spared else "red"

    def details(self, view: GateView) -> tuple[str, str]:
        """What stands under time, and what follows it."""
        expected = about(view.expected_s) if view.expected_s else ""
        if view.report is not None:
            return self.ended(view)
        if view.state is GateState.WAITING:
            waits = f"for {self.safe(self.state.waits_for(view))}"
            return expected, ", ".join(filter(None, [waits, self.breaker(view)]))
        spent = elapsed(self.at - (view.started_s or 0.0))
        time = f"{spent} of {expected}" if expected else spent
        if view.gate.kind == "tests":
            return time, ", ".join(
                filter(None, [_progress(self.state, view), self.breaker(view), self.use(view)])
            )
        return time, ", ".join(filter(None, [*(f"gw{slot}" for slot in view.slots), self.use(view)]))

    def use(self, view: GateView) -> str:
        load = self.state.load_of(view)
        return f"{load.cores:.1f} CPU, {size(load.rss_bytes)}" if load is not None else ""

    def breaker(self, view: GateView) -> str:
        """Why the gate stands still, and for how long; nothing of one whose breaker is closed."""
        if view.breaker is None:
            return ""
        change = view.breaker.change
        text = f"breaker {change.after.value}: {self.safe(change.reason)}"
        if change.wakes_at is None:
            return text
        return f"{text}, tried again in {elapsed(max(0.0, change.wakes_at - self.at))}"

    def ended(self, view: GateView) -> tuple[str, str]:
        report = view.report
        assert report is not None
        time = "" if report.started_s is None else duration(report.wall_s)
        found = len(report.findings) + report.more_findings
        parts = [counts(report.counts) or (plural(found, "finding") if found else "")]
        if not (report.state.good or report.required):
            parts.append("not required")
        if report.reason:
            parts.append(self.safe(report.reason))
        return time, ", ".join(filter(None, parts))

    def hidden_note(self) -> str:
        hidden = self.layout.hidden
        ended = sum(view.state.ended for view in hidden)
        waiting = sum(view.state is GateState.WAITING for view in hidden)
        numbers = [
            (self.layout.hidden_tests, "running test"),
            (len(hidden) - ended - waiting, "running gate"),
            (ended, "finished gate"),
            (waiting, "waiting gate"),
        ]
        told = ", ".join(plural(number, noun) for number, noun in numbers if number)
        return f"not shown: {told}" if told else ""

    def safe(self, text: str) -> str:
        return clip(harmless(text, unicode=self.unicode), _TEXT_WIDTH)


def _header(state: LiveState, at: float, *, unicode: bool) -> Line:
    views = state.gates.values()
    ended = sum(view.state.ended for view in views)
    time = elapsed(at) + (f" of {about(state.expected_s)}" if state.expected_s else "")
    dot = " \u00b7 " if unicode else " - "
    pieces: list[tuple[str, str]] = [(time, "bold"), (f"{dot}{ended:,} of {plural(len(views), 'gate')}", "")]
    with_tests = [view for view in views if view.gate.kind == "tests"]
    if with_tests:
        done = sum(view.done for view in with_tests)
        total = state.total_tests(with_tests)
        pieces.append((f"{dot}{done:,} of {total} {'test' if total == '1' else 'tests'}", ""))
    failed = sum(view.failed for view in views)
    if failed:
        pieces.append((f"{dot}{failed:,} failed", "red"))
    bad = sum(view.state.ended and not view.state.good for view in views)
    if bad:
        pieces.append((f"{dot}{plural(bad, 'gate')} not good", "red"))
    return tuple(pieces)


def _progress(state: LiveState, view: GateView) -> str:
    text = f"{view.done:,} of {state.total_tests([view])}"
    others = {outcome: number for outcome, number in view.counts.items() if outcome != "passed"}
    again = plural(view.reruns, "retry", "retries") if view.reruns else ""
    return ", ".join(filter(None, [text, counts(others), again]))


def _cut(line: Line, width: int) -> Line:
    """A line of ASCII no wider than ``width``, its cut marked with dots."""
    left = clip("".join(text for text, _ in line), max(width, 0))
    pieces: list[tuple[str, str]] = []
    for text, style in line:
        if left:
            pieces.append((left[: len(text)], style))
        left = left[len(text) :]
    return tuple(pieces)
