"""A benchmark as people read it: the table, what is wrong, and what was too noisy to tell."""

from __future__ import annotations

from typing import Any

from pytest_batchgate.report.benchmarkview import lines, markdown, verdict


def level(workers: int, wall_s: float, alone_s: float = 8.0, **more: Any) -> dict[str, Any]:
    return {
        "workers": workers,
        "wall_s": wall_s,
        "speedup": alone_s / wall_s,
        "efficiency": alone_s / wall_s / workers,
        "tests_per_s": 100 / wall_s,
        "cpu_s": 6.0,
        "peak_rss_bytes": 50 * workers * 1024 * 1024,
        "lower_bound_s": 7.5 / workers,
        "rounds_s": [wall_s] * 3,
        "middle_s": [wall_s, wall_s],
        "spread": 0.0,
        "beside_in_turn": "same" if workers == 1 else "faster",
        **more,
    }


def told(*levels: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "exit_code": 0,
        "rounds": 3,
        "cpus": 2,
        "machine": {"python": "3.11.7", "system": "Linux x86_64"},
        "name": "",
        "config": "batchgate.yaml",
        "cold_s": 8.5,
        "levels": list(levels or (level(1, 8.0), level(2, 4.0))),
        "differing": [],
        "differing_count": 0,
        "failed_gates": [],
        "bounds": {"workers": 2, "by": "path", "bound_s": 3.5, "path": ["build", "unit"], "beyond_s": 0.5},
        "advice": [{"saves_s": 1.5, "text": "build split into two gates"}],
        "projection": {
            "serial_fraction": 0.125,
            "cpu_floor_s": 3.0,
            "points": [
                {"workers": 2, "wall_s": 4.0, "model_s": 3.75, "fit_s": 4.5},
                {"workers": 4, "wall_s": None, "model_s": 3.5, "fit_s": 2.75},
            ],
        },
        "variants": [],
        **more,
    }


def shown(document: dict[str, Any]) -> list[str]:
    return [text for _, text in lines(document)]


def test_the_whole_of_it() -> None:
    assert shown(told()) == [
        "",
        "workers     wall  spread  speedup  efficiency  tests/s    CPU   memory  bound",
        "in turn    8.00s      0%     1.00        100%     12.5  6.00s   50 MiB  7.50s",
        "2 workers  4.00s      0%     2.00        100%     25.0  6.00s  100 MiB  3.75s",
        "",
        (
            "2 workers: at least 3.50s, bound by the critical path build -> unit; "
            "0.50s more are start-up, collection and waiting"
        ),
        "would save up to 1.5s: build split into two gates",
        "serial fraction, fitted: 12.5%",
        "",
        "workers    measured  model  by Amdahl's law",
        "2 workers     4.00s  3.75s            4.50s",
        "4 workers         -  3.50s            2.75s",
        "",
    ]
    assert verdict(told()) == (
        "benchmark: 2.00 times as fast on 2 workers as in turn (4.0s, not 8.0s); every outcome equal"
    )


def test_workers_beyond_the_cpus_are_not_praised_for_work_that_needs_these() -> None:
    busy = {**told()["projection"], "cpu_floor_s": 3.6}
    said = "on 2 CPUs no number of workers gets below 3.60s: the CPU time alone takes that"
    assert said in shown(told(projection=busy))
    assert said not in shown(told())


def test_all_that_is_wrong_stands_in_the_last_line() -> None:
    differing = [{"kind": "test", "id": "t.py::x", "outcomes": {"1": ["passed"], "2": ["failed", "passed"]}}]
    slower = {"workers": 2, "before_s": 3.0, "now_s": 4.0, "change": 1 / 3, "answer": "regression"}
    document = told(
        exit_code=1,
        differing=differing,
        differing_count=30,
        failed_gates=["unit"],
        baseline={"levels": [slower, {**slower, "workers": 1, "answer": "unclear"}]},
    )
    assert verdict(document) == (
        "benchmark: 2.00 times as fast on 2 workers as in turn (4.0s, not 8.0s); "
        "30 outcomes differ from the run in turn; gates failed: unit; "
        "slower than the baseline: 2 workers by 33% (exit code 1)"
    )
    text = shown(document)
    assert "test t.py::x: in turn passed; 2 workers failed, passed" in text
    assert "and 10 more that did not end alike" in text
    assert "baseline, 2 workers: 3.00s then, 4.00s now (+33%): slower" in text
    assert "baseline, in turn: 3.00s then, 4.00s now (+33%): slower, but too noisy to tell" in text


def test_noise_is_said_instead_of_a_number() -> None:
    wild = level(2, 7.0, middle_s=[4.0, 9.0], spread=0.7, beside_in_turn="unclear")
    restless = level(1, 8.0, middle_s=[8.0, 9.0], spread=0.125)
    document = told(restless, wild)
    assert verdict(document).startswith(
        "benchmark: too noisy to tell whether 2 workers are faster than in turn;"
    )
    text = shown(document)
    assert "in turn: rounds from 8.00s to 9.00s: the machine was not quiet" in text
    assert "2 workers: rounds from 4.00s to 9.00s: too noisy to tell from in turn" in text
    said = "the first run in turn took 12.00s: tools filled their caches in it; it does not count"
    assert said in shown(told(cold_s=12.0))
    assert any(line.startswith("one round: ") for line in shown(told(rounds=1)))


def test_where_nothing_is_gained_nothing_is_claimed() -> None:
    assert "nothing was faster than in turn (8.0s)" in verdict(told(level(1, 8.0), level(2, 8.1)))
    unclear = told(level(1, 8.0), level(2, 8.1, beside_in_turn="unclear"))
    assert "too noisy to tell whether more workers are faster than in turn" in verdict(unclear)
    once = verdict(told(rounds=1))
    assert "2 workers took 4.0s, in turn 8.0s: one round cannot tell how much of that is chance" in once
    assert "in turn takes 8.0s; with more workers nothing was measured" in verdict(told(level(1, 8.0)))
    same = told(level(1, 8.0), level(2, 7.9, beside_in_turn="same"))
    assert "as fast on 2 workers as in turn (8.0s)" in verdict(same)


def test_variants_stand_beside_the_first() -> None:
    variant = {**told(), "name": "lean", "beside_first": {"2": {"wall_ratio": 0.8, "answer": "faster"}}}
    text = shown(told(variants=[variant]))
    assert [line.split("  ")[0] for line in text[2:6]] == [
        "in turn",
        "in turn lean",
        "2 workers",
        "2 workers lean",
    ]
    assert "lean, 2 workers: faster than batchgate.yaml (-20%)" in text


def test_markdown_shows_names_of_others_as_code_alone() -> None:
    hostile = {"kind": "test", "id": "t.py::x[<b>@me|`]", "outcomes": {"1": ["passed"], "2": ["failed"]}}
    page = markdown(told(differing=[hostile], differing_count=1, exit_code=1))
    assert "<b>" not in page
    assert "@me" not in page
    assert page.startswith("# Benchmark: 2.00 times as fast on 2 workers")
    assert "| 2 workers | 4.00s | 0% | 2.00 | 100% | 25.0 | 6.00s | 100 MiB | 3.75s |" in page
    assert page.endswith("Serial fraction, fitted: 12.5%.\n")
