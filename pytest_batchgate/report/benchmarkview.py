"""A benchmark for people: lines for a terminal, and `benchmark.md`.

Both are made from the document that `benchmark.json` holds, so that one written earlier shows as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from pytest_batchgate.report.markdown import code
from pytest_batchgate.report.table import columns
from pytest_batchgate.report.words import duration, percent, plural

Kind: TypeAlias = Literal["plain", "head", "warning", "bad"]
Told: TypeAlias = Mapping[str, Any]

IN_TURN = 1
QUIET = 0.10  # as `bench.noise`
_MIB = 1024 * 1024
_NAMED = 20  # tests and gates that differ
_HEAD = ("workers", "wall", "spread", "speedup", "efficiency", "tests/s", "CPU", "memory", "bound")


def how(workers: int) -> str:
    return "in turn" if workers == IN_TURN else f"{workers} workers"


def verdict(told: Told) -> str:
    """The last line: how much faster, and whatever is wrong."""
    best = best_level(told)
    alone = _level(told, IN_TURN)
    said = [_speed(told, best, alone)]
    bad = [*said_of_outcomes(told), *said_of_failures(told), *said_of_regressions(told)]
    said += bad or ["every outcome equal"]
    code_text = f" (exit code {told['exit_code']})" if told["exit_code"] else ""
    return f"benchmark: {'; '.join(said)}{code_text}"


def best_level(told: Told) -> Told:
    """The fastest level; of equals the one with fewer workers."""
    found: Told = min(told["levels"], key=lambda level: (level["wall_s"], level["workers"]))
    return found


def _speed(told: Told, best: Told, alone: Told) -> str:
    if len(told["levels"]) == 1:
        return f"in turn takes {duration(alone['wall_s'])}; with more workers nothing was measured"
    if told["rounds"] == 1 and best["workers"] != IN_TURN:
        return (
            f"{how(best['workers'])} took {duration(best['wall_s'])}, in turn {duration(alone['wall_s'])}: "
            "one round cannot tell how much of that is chance"
        )
    if best["workers"] == IN_TURN:
        if any(level["beside_in_turn"] == "unclear" for level in told["levels"]):
            return "too noisy to tell whether more workers are faster than in turn"
        return f"nothing was faster than in turn ({duration(alone['wall_s'])})"
    if best["beside_in_turn"] != "faster":
        return (
            f"too noisy to tell whether {how(best['workers'])} are faster than in turn"
            if best["beside_in_turn"] == "unclear"
            else f"as fast on {how(best['workers'])} as in turn ({duration(alone['wall_s'])})"
        )
    return (
        f"{best['speedup']:.2f} times as fast on {how(best['workers'])} as in turn "
        f"({duration(best['wall_s'])}, not {duration(alone['wall_s'])})"
    )


def said_of_outcomes(told: Told) -> list[str]:
    count = sum(each["differing_count"] for each in _each(told))
    return (
        [f"{plural(count, 'outcome')} differ{'s' if count == 1 else ''} from the run in turn"]
        if count
        else []
    )


def said_of_failures(told: Told) -> list[str]:
    names = dict.fromkeys(name for each in _each(told) for name in each["failed_gates"])
    return [f"gates failed: {', '.join(names)}"] if names else []


def said_of_regressions(told: Told) -> list[str]:
    slower = [level for level in _compared(told) if level["answer"] == "regression"]
    return [f"slower than the baseline: {', '.join(map(_change, slower))}"] if slower else []


def _compared(told: Told) -> Sequence[Told]:
    levels: Sequence[Told] = told.get("baseline", {}).get("levels", ())
    return levels


def _change(level: Told) -> str:
    return f"{how(level['workers'])} by {level['change'] * 100:.0f}%"


def _each(told: Told) -> list[Told]:
    return [told, *told["variants"]]


def _level(told: Told, workers: int) -> Told:
    return next(level for level in told["levels"] if level["workers"] == workers)


# --- lines ------------------------------------------------------------------------


def lines(told: Told, *, width: int = 200) -> Iterator[tuple[Kind, str]]:
    """Everything but the verdict."""
    yield "plain", ""
    yield from _as_table((_HEAD, *rows(told)), width)
    yield "plain", ""
    for text in cold(told):
        yield "plain", text
    for text in noise(told):
        yield "warning", text
    for text in outcomes(told):
        yield "bad", text
    for text in beside_first(told):
        yield "plain", text
    for level in _compared(told):
        yield ("bad" if level["answer"] == "regression" else "plain"), _beside_baseline(level)
    for text in (*bounded(told), *fitted(told)):
        yield "plain", text
    yield "plain", ""
    yield from _as_table((PROJECTED, *projected(told)), width)
    yield "plain", ""


def _as_table(table: Sequence[Sequence[str]], width: int) -> Iterator[tuple[Kind, str]]:
    head, *rest = columns(table, align="<" + ">" * (len(table[0]) - 1), width=width)
    yield "head", head
    for row in rest:
        yield "plain", row


def rows(told: Told) -> list[tuple[str, ...]]:
    """One for each number of workers, variants beside the first."""
    found: list[tuple[str, ...]] = []
    for number in range(len(told["levels"])):
        for each in _each(told):
            level = each["levels"][number]
            name = f" {each['name']}" if each["name"] else ""
            found.append(
                (
                    f"{how(level['workers'])}{name}",
                    f"{level['wall_s']:.2f}s",
                    percent(level["spread"]),
                    f"{level['speedup']:.2f}",
                    percent(level["efficiency"]),
                    f"{level['tests_per_s']:.1f}",
                    f"{level['cpu_s']:.2f}s",
                    f"{level['peak_rss_bytes'] / _MIB:.0f} MiB",
                    f"{level['lower_bound_s']:.2f}s",
                )
            )
    return found


PROJECTED = ("workers", "measured", "model", "by Amdahl's law")


def projected(told: Told) -> list[tuple[str, ...]]:
    """The first configuration's projection."""
    return [
        (
            how(point["workers"]),
            f"{point['wall_s']:.2f}s" if point["wall_s"] is not None else "-",
            f"{point['model_s']:.2f}s",
            f"{point['fit_s']:.2f}s" if point["fit_s"] is not None else "-",
        )
        for point in told["projection"]["points"]
    ]


def noise(told: Told) -> list[str]:
    """What the rounds cannot tell."""
    found = []
    if told["rounds"] == 1:
        found.append(
            "one round: nothing is known of the noise, and the first run, in turn, may have filled caches"
        )
    for each in _each(told):
        name = f" {each['name']}" if each["name"] else ""
        for level in each["levels"]:
            low, high = level["middle_s"]
            text = f"{how(level['workers'])}{name}: rounds from {low:.2f}s to {high:.2f}s"
            if level["beside_in_turn"] == "unclear":
                found.append(f"{text}: too noisy to tell from in turn")
            elif level["spread"] > QUIET:
                found.append(f"{text}: the machine was not quiet")
    return found


def outcomes(told: Told) -> list[str]:
    """Names what did not always end alike."""
    found = []
    for each in _each(told):
        name = f"{each['name']}: " if each["name"] else ""
        for one in each["differing"][:_NAMED]:
            ends = "; ".join(f"{how(int(n))} {', '.join(ended)}" for n, ended in one["outcomes"].items())
            found.append(f"{name}{one['kind']} {one['id']}: {ends}")
        more = each["differing_count"] - _NAMED
        if more > 0:
            found.append(f"{name}and {more:,} more that did not end alike")
    if found:
        found.append("--batch-verify says of tests that differ when, beside which other, and what mends them")
    return found


def beside_first(told: Told) -> list[str]:
    words = {
        "same": "as fast as",
        "unclear": "too noisy to tell from",
        "faster": "faster than",
        "slower": "slower than",
    }
    found = []
    for each in told["variants"]:
        for workers, beside in each["beside_first"].items():
            change = f" ({(beside['wall_ratio'] - 1) * 100:+.0f}%)"
            first = told["config"] or "what is configured"
            found.append(f"{each['name']}, {how(int(workers))}: {words[beside['answer']]} {first}{change}")
    return found


def _beside_baseline(level: Told) -> str:
    words = {
        "regression": "slower",
        "unclear": "slower, but too noisy to tell",
        "faster": "faster",
        "within": "within the tolerance",
    }
    return (
        f"baseline, {how(level['workers'])}: {level['before_s']:.2f}s then, {level['now_s']:.2f}s now "
        f"({level['change'] * 100:+.0f}%): {words[level['answer']]}"
    )


def bounded(told: Told) -> list[str]:
    """What bounds the fastest parallel run, and what would make it shorter."""
    bound = told["bounds"]
    where = how(bound["workers"])
    if bound["by"] == "path":
        what = f"the critical path {' -> '.join(bound['path'])}"
    else:
        what = "the work that they share" if bound["workers"] > 1 else "its work"
    least = f"{where}: at least {bound['bound_s']:.2f}s, bound by {what}; "
    found = [least + f"{bound['beyond_s']:.2f}s more are start-up, collection and waiting"]
    found += [f"would save up to {duration(one['saves_s'])}: {one['text']}" for one in told["advice"]]
    if not told["advice"]:
        found.append("no single split, cache or number of workers would save much")
    return found


def cold(told: Told) -> list[str]:
    """What the first run took, where that says something."""
    took_s = told["cold_s"]
    if took_s is None or took_s <= _level(told, IN_TURN)["wall_s"] * (1 + QUIET):
        return []
    return [f"the first run in turn took {took_s:.2f}s: tools filled their caches in it; it does not count"]


def fitted(told: Told) -> list[str]:
    share, floor_s = told["projection"]["serial_fraction"], told["projection"]["cpu_floor_s"]
    found = [] if share is None else [f"serial fraction, fitted: {share * 100:.1f}%"]
    if any(point["model_s"] < floor_s for point in told["projection"]["points"]):
        cpus = plural(told["cpus"], "CPU")
        found.append(
            f"on {cpus} no number of workers gets below {floor_s:.2f}s: the CPU time alone takes that"
        )
    return found


# --- benchmark.md -----------------------------------------------------------------


def markdown(told: Told) -> str:
    """`benchmark.md`: names of others stand in code only, where they can be no markup."""
    machine = told["machine"]
    about = (
        f"Medians of {plural(told['rounds'], 'round')}, interleaved, on {plural(told['cpus'], 'CPU')}; "
        f"Python {machine.get('python', '?')}, {machine.get('system', '?')}. Speedup and efficiency are "
        "beside the run in turn, `spread` is the width of the rounds over their median, `bound` is "
        "max(critical path, work / workers)."
    )
    parts = [f"# {_capital(verdict(told))}", "", *_table((_HEAD, *rows(told))), "", about, ""]
    for title, texts in (
        ("Noise", [*cold(told), *noise(told)]),
        ("Outcomes that differ", outcomes(told)),
        ("Variants", beside_first(told)),
        ("Baseline", [_beside_baseline(level) for level in _compared(told)]),
        ("What would make it shorter", bounded(told)),
    ):
        if texts:
            parts += [f"## {title}", "", *(f"- {code(text)}" for text in texts), ""]
    parts += ["## Other numbers of workers", "", *_table((PROJECTED, *projected(told))), ""]
    parts += [f"{_capital(text)}.\n" for text in fitted(told)]
    return "\n".join(parts)


def _table(table: Sequence[Sequence[str]]) -> list[str]:
    head, *rest = table
    marks = ["---", *(["---:"] * (len(head) - 1))]
    return [f"| {' | '.join(row)} |" for row in (head, marks, *rest)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
