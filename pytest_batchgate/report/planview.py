"""`--batch-plan`: what would run, in what order, how long it should take, and why not the others.

Pure functions from a plan to text.  Nothing is run and no test is collected.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from pytest_batchgate.core.forecast import Forecast, forecast
from pytest_batchgate.core.model import Command, Estimates, Gate, GateName, Tests
from pytest_batchgate.core.plan import Plan
from pytest_batchgate.errors import OptionError, did_you_mean
from pytest_batchgate.report.markdown import drawn

FORMATS = ("text", "json", "mermaid")

_WIDEST = 72  # characters of a command in the text


def render(plan: Plan, estimates: Estimates, workers: int, fmt: str) -> str:
    """``plan`` as ``fmt``, without a newline at its end.  ``workers`` 0 is the sequential mode.

    Raises OptionError for a format that is none.  `matrix` is `shardsfile`'s.
    """
    if fmt not in FORMATS:
        known = (*FORMATS, "matrix")
        todo = did_you_mean(fmt, known) or f"Known are {', '.join(known)}"
        raise OptionError(f"there is no format {fmt!r}", where="--batch-plan", todo=todo)
    view = forecast(plan, estimates, workers)
    if fmt == "json":
        return _json(plan, view, workers)
    return _mermaid(plan, view) if fmt == "mermaid" else _text(plan, view, workers)


# --- text ---------------------------------------------------------------------


def _text(plan: Plan, view: Forecast, workers: int) -> str:
    pool = "in turn in one worker" if workers == 0 else _count(workers, "worker")
    lines = [f"{_count(len(plan.gates), 'gate')}, {pool}: {_duration_line(plan, view)}"]
    gates = {gate.name: gate for gate in plan.gates}
    name_width = max(map(len, plan.order), default=0)
    number_width = len(str(len(plan.order)))
    for number, name in enumerate(plan.order, 1):
        gate = gates[name]
        head = f"  {number:>{number_width}}. {name:<{name_width}}  {_time(view, gate):>8}  {_what(gate)}"
        lines.append(head)
        notes = _notes(plan, gate)
        if notes:
            lines.append(f"{'':{number_width + 4}}{'':{name_width}}  {'':8}  {'; '.join(notes)}")
    if len(view.critical_path) > 1 and view.critical_path_s:
        lines.append(f"longest path ({seconds(view.critical_path_s)}): {' -> '.join(view.critical_path)}")
    if plan.left_out:
        width = max(map(len, plan.left_out))
        lines.append("not run:")
        lines += [f"  {name:<{width}}  {why}" for name, why in plan.left_out.items()]
    return "\n".join(lines)


def _duration_line(plan: Plan, view: Forecast) -> str:
    if not plan.gates:
        return "nothing to run"
    if len(view.unknown) == len(_timed(plan)):
        return "no history yet, so how long it takes is unknown"
    if view.unknown:
        return f"at least {seconds(view.wall_s)}; no history yet of {', '.join(view.unknown)}"
    return f"about {seconds(view.wall_s)}, never below {seconds(view.lower_bound_s)}"


def _timed(plan: Plan) -> list[Gate]:
    return [gate for gate in plan.gates if not gate.is_service]


def _time(view: Forecast, gate: Gate) -> str:
    if gate.is_service:
        return "service"
    span = view.spans.get(gate.name)
    return "unknown" if span is None else seconds(span)


def _what(gate: Gate) -> str:
    if isinstance(gate.work, Command):
        return _printable(gate.work.display)
    return f"tests: {_printable(_choice(gate.work))}"


def _choice(tests: Tests) -> str:
    said = "all that no other gate takes" if tests.rest else tests.expression
    where = ", ".join(tests.paths)
    return f"{said} in {where}" if said and where else said or where


def _notes(plan: Plan, gate: Gate) -> list[str]:
    notes = []
    own = [need for need in gate.needs if need in plan.needs[gate.name]]
    if own:
        notes.append(f"after {', '.join(own)}")
    stages = _stages_before(plan, gate)
    if stages:
        notes.append(f"after {'stage' if len(stages) == 1 else 'stages'} {', '.join(stages)}")
    if gate.name in plan.pulled_in:
        notes.append(f"for {plan.pulled_in[gate.name]}")
    if gate.name in plan.dropped:
        notes.append(f"without {', '.join(plan.dropped[gate.name])}, which it needs")
    if not gate.required:
        notes.append("not required")
    if gate.when == "always":
        notes.append("whatever became of its needs")
    return notes


def _stages_before(plan: Plan, gate: Gate) -> list[str]:
    """The stages, with a gate that runs, that come before the gate's own."""
    stages = plan.config.stages
    if gate.stage not in stages:
        return []
    filled = {other.stage for other in plan.gates if not other.is_service}
    return [stage for stage in stages[: stages.index(gate.stage)] if stage in filled]


def _printable(text: str) -> str:
    """One line without control characters, so that a command cannot write to the terminal."""
    line = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return line if len(line) <= _WIDEST else line[: _WIDEST - 3] + "..."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def seconds(value_s: float) -> str:
    """A time for people: ``0.42s``, ``7.3s``, ``48s``, ``3m 05s``, ``1h 04m``."""
    if value_s < 0.995:
        return f"{value_s:.2f}s"
    if value_s < 9.95:
        return f"{value_s:.1f}s"
    whole = round(value_s)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    minutes = round(value_s / 60)
    return f"{minutes // 60}h {minutes % 60:02}m"


# --- json ---------------------------------------------------------------------


def _json(plan: Plan, view: Forecast, workers: int) -> str:
    gates = {gate.name: gate for gate in plan.gates}
    document = {
        "schema": 1,
        "workers": workers,
        "estimate": {
            "wall_s": _rounded(view.wall_s),
            "work_s": _rounded(view.work_s),
            "critical_path_s": _rounded(view.critical_path_s),
            "critical_path": list(view.critical_path),
            "lower_bound_s": _rounded(view.lower_bound_s),
            "unknown": list(view.unknown),
        },
        "gates": [_gate_json(plan, view, gates[name]) for name in plan.order],
        "left_out": [{"name": name, "reason": reason} for name, reason in plan.left_out.items()],
    }
    return json.dumps(document, separators=(",", ":"))


def _gate_json(plan: Plan, view: Forecast, gate: Gate) -> dict[str, object]:
    span = view.spans.get(gate.name)
    known = gate.name not in view.unknown
    return {
        "name": gate.name,
        "kind": gate.kind,
        "service": gate.is_service,
        "required": gate.required,
        "stage": gate.stage,
        "tags": list(gate.tags),
        "needs": list(plan.needs[gate.name]),
        "dropped_needs": list(plan.dropped.get(gate.name, ())),
        "pulled_in_by": plan.pulled_in.get(gate.name),
        "start_s": _rounded(view.starts[gate.name]) if known else None,
        "span_s": _rounded(span) if span is not None else None,
    }


def _rounded(value_s: float) -> float:
    return round(value_s, 3)


# --- mermaid ------------------------------------------------------------------


def _mermaid(plan: Plan, view: Forecast) -> str:
    """Left to right, an arrow from a need to what needs it.

    Stages are boxes with arrows between them: drawing what they imply gate by gate
    would hide the rest.  Ids are made up, because names such as `end` are keywords.
    """
    ids = {name: f"g{index}" for index, name in enumerate(plan.order)}
    gates = {gate.name: gate for gate in plan.gates}
    boxes = _boxes(plan)
    lines = ["graph LR"]
    boxed: set[GateName] = set()
    for index, (stage, names) in enumerate(boxes):
        lines.append(f'  subgraph s{index}["{drawn(stage)}"]')
        lines += [f"    {_box(ids[name], gates[name], view)}" for name in names]
        lines.append("  end")
        boxed.update(names)
    lines += [f"  {_box(ids[name], gates[name], view)}" for name in plan.order if name not in boxed]
    lines += [f"  s{index} --> s{index + 1}" for index in range(len(boxes) - 1)]
    for name in plan.order:
        own = [need for need in gates[name].needs if need in ids]
        lines += [f"  {ids[need]} --> {ids[name]}" for need in own]
    return "\n".join(lines)


def _boxes(plan: Plan) -> Sequence[tuple[str, Sequence[GateName]]]:
    stage_of = {gate.name: gate.stage for gate in plan.gates}
    found = [
        (stage, [name for name in plan.order if stage_of[name] == stage]) for stage in plan.config.stages
    ]
    return [(stage, names) for stage, names in found if names]


def _box(node: str, gate: Gate, view: Forecast) -> str:
    span = view.spans.get(gate.name)
    parts: Iterable[str] = [
        gate.name,
        *([seconds(span)] if span is not None and not gate.is_service else []),
        *(["not required"] if not gate.required else []),
    ]
    label = "<br/>".join(map(drawn, parts))
    if gate.is_service:
        return f'{node}[("{label}")]'
    return f'{node}(["{label}"])' if isinstance(gate.work, Tests) else f'{node}["{label}"]'
