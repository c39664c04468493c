"""How a run goes: gates, commands, services, stops.  Each test draws its graph."""

from __future__ import annotations

from simworld import SimCommand
from stories import command, file, play, service, story, suite

from pytest_batchgate.core.model import GateState
from pytest_batchgate.core.protocol import StopAsked, StopCommand

FAILS = SimCommand(state=GateState.FAILED)


def test_a_chain_of_a_command_tests_and_a_command() -> None:
    """lint -> unit -> deploy"""
    gates = [command("lint"), suite("unit", "lint"), command("deploy", "unit")]
    assert story(play(gates, [file("a.py", "one", "two")]), times=True) == [
        "0 lint starts in 0",
        "0 run lint",
        "1 lint passed",
        "1 spawn gw0",
        "1 gw0 collects a.py",
        "1 unit starts",
        "2 gw0 ran a.py::one: passed",
        "2 gw0 finishes",
        "3 gw0 ran a.py::two: passed",
        "3 unit passed",
        "3 deploy starts in 0",
        "3 run deploy",
        "3 gw0 ended",
        "4 deploy passed",
    ]


def test_what_needs_a_failed_gate_is_skipped_and_always_runs_nevertheless() -> None:
    """lint (fails) -> unit -> deploy -> clean (when: always)"""
    gates = [
        command("lint"),
        suite("unit", "lint"),
        command("deploy", "unit"),
        command("clean", "deploy", when="always"),
    ]
    assert story(play(gates, [file("a.py", "one")], commands={"lint": FAILS})) == [
        "lint starts in 0",
        "run lint",
        "lint failed: exit 1",
        "unit skipped: needs lint, which failed",
        "deploy skipped: needs unit, which was skipped",
        "clean starts in 0",
        "run clean",
        "clean passed",
    ]


def test_a_gate_that_is_not_required_satisfies_needs_unless_it_was_skipped() -> None:
    """bad -> optional -> a;   security (fails, not required) -> b"""
    gates = [
        command("bad"),
        command("optional", "bad", required=False),
        command("a", "optional"),
        command("security", required=False),
        command("b", "security"),
    ]
    run = play(gates, slots=5, commands={"bad": FAILS, "security": FAILS})
    assert story(run, only="g") == [
        "bad starts in 0",
        "security starts in 1",
        "bad failed: exit 1",
        "optional skipped: needs bad, which failed",
        "a skipped: needs optional, which was skipped",
        "security failed: exit 1",
        "b starts in 0",
        "b passed",
    ]


def test_higher_priority_starts_first() -> None:
    gates = [command("low", priority=-1), command("mid"), command("high", priority=5)]
    starts = [line for line in story(play(gates), only="g") if "starts" in line]
    assert starts == ["high starts in 0", "mid starts in 0", "low starts in 0"]


def test_of_equal_priority_the_longest_remaining_path_starts_first() -> None:
    """short (2 s);  long (1 s) -> after (5 s)"""
    gates = [command("short"), command("long"), command("after", "long")]
    run = play(gates, record={"short": 2.0, "long": 1.0, "after": 5.0})
    starts = [line for line in story(run, only="g") if "starts" in line]
    assert starts == ["long starts in 0", "after starts in 0", "short starts in 0"]


def test_a_heavy_command_is_clamped_to_the_pool_and_lighter_ones_fill_the_gaps() -> None:
    """one (3 s, first);  heavy (weight 9, pool of 2);  small (1 s) runs beside one"""
    gates = [command("one", priority=2), command("heavy", weight=9, priority=1), command("small")]
    run = play(gates, slots=2, commands={"one": SimCommand(duration_s=3.0)})
    assert story(run, times=True, only="g") == [
        "0 one starts in 0",
        "0 small starts in 1",
        "1 small passed",
        "3 one passed",
        "3 heavy starts in 0, 1",
        "4 heavy passed",
    ]


def test_gates_that_share_a_resource_never_overlap() -> None:
    """a and b share "db"; c does not"""
    gates = [command("a", resources=("db",)), command("b", resources=("db",)), command("c")]
    assert story(play(gates, slots=3), times=True, only="g") == [
        "0 a starts in 0",
        "0 c starts in 1",
        "1 a passed",
        "1 b starts in 0",
        "1 c passed",
        "2 b passed",
    ]


def test_a_service_starts_for_its_users_gives_them_its_outputs_and_ends_after_the_last() -> None:
    """db (service) -> unit;   lint"""
    gates = [service("db"), suite("unit", "db"), command("lint")]
    db = SimCommand(ready_s=1.0, outputs={"URL": "pg"})
    assert story(play(gates, [file("a.py", "one")], commands={"db": db}), times=True) == [
        "0 db starts",
        "0 lint starts in 0",
        "0 run db",
        "0 run lint",
        "1 db is ready",
        "1 spawn gw0 {'URL': 'pg'}",
        "1 lint passed",
        "1 gw0 collects a.py",
        "1 unit starts",
        "1 gw0 finishes",
        "2 gw0 ran a.py::one: passed",
        "2 unit passed",
        "2 stop db (passed: None)",
        "2 gw0 ended",
        "2.05 db passed",
    ]


def test_a_service_that_dies_fails_those_that_wait_and_those_that_run() -> None:
    """db (service, dies) -> unit;  db -> x;  db, slow -> later

    The running test ends; the one that was announced after it is taken back with the others.
    """
    gates = [service("db"), suite("unit", "db"), command("x", "db"), command("later", "db", "x")]
    files = [file("a.py", "one", "two", "three", "four")]
    commands = {"db": SimCommand(ready_s=1.0, dies_s=1.5), "x": SimCommand(duration_s=5.0)}
    why = "service db ended while it was needed: died"
    run = play(gates, files, slots=2, commands=commands)
    assert story(run, times=True, only="gt") == [
        "0 db starts",
        "1 db is ready",
        "1 x starts in 0",
        "1 unit starts",
        "2 gw1 ran a.py::one: passed",
        "2.5 db failed: died",
        f"2.5 later failed: {why}",
        f"2.55 x failed: {why}",
        "3 gw1 ran a.py::two: passed",
        f"3 unit failed: {why}",
    ]
    assert run.watch.reports["unit"].counts["not_run"] == 2


def test_a_service_that_nothing_came_to_need_fails_nothing() -> None:
    """lint (fails), db (service, slow to start) -> it"""
    gates = [command("lint"), service("db"), command("it", "lint", "db")]
    run = play(gates, commands={"lint": FAILS, "db": SimCommand(ready_s=5.0)})
    assert story(run, only="g") == [
        "db starts",
        "lint starts in 0",
        "lint failed: exit 1",
        "it skipped: needs lint, which failed",
        "db deselected: no gate needs it any more",
    ]


def test_a_gate_that_shares_a_mutex_with_the_service_it_needs_fails_and_says_so() -> None:
    """db (service, holds "port") -> it (wants "port")"""
    gates = [service("db", resources=("port",)), command("it", "db", resources=("port",))]
    assert story(play(gates, commands={"db": SimCommand(ready_s=1.0)}), only="g") == [
        "db starts",
        "db is ready",
        "it failed: nothing could go on: the gate waits for the resource 'port', which db holds",
        "db passed",
    ]


def test_a_service_chosen_by_its_name_passes_when_it_is_ready() -> None:
    gates = [service("db"), suite("unit", "db")]
    run = play(gates, commands={"db": SimCommand(ready_s=1.0)}, select="db")
    assert story(run, only="g") == ["db starts", "db is ready", "db passed"]


def test_a_command_past_its_time_limit_is_stopped() -> None:
    run = play([command("lint", timeout_s=2.0)], commands={"lint": SimCommand(duration_s=9.0)})
    assert story(run, times=True) == [
        "0 lint starts in 0",
        "0 run lint",
        "2 stop lint (timed-out: timed out after 2 s)",
        "2.05 lint timed-out: timed out after 2 s",
    ]


def test_tests_past_their_gates_time_limit_are_ended_with_their_worker_and_others_run_elsewhere() -> None:
    """unit (2.5 s allowed: the third test is in it);  other"""
    gates = [suite("unit", paths=["t"], timeout_s=2.5), suite("other", paths=["o"])]
    files = [file("t/a.py", "one", "two", "three", "four"), file("o/b.py", "x")]
    run = play(gates, files)
    limit = "timed out after 2.5 s"
    assert story(run, times=True) == [
        "0 spawn gw0",
        "0 gw0 collects t/a.py",
        "0 gw0 collects o/b.py",
        "0 unit starts",
        "1 gw0 ran t/a.py::one: passed",
        "2 gw0 ran t/a.py::two: passed",
        f"2.5 kill gw0: {limit}",
        f"2.52 t/a.py::three failed: {limit} while running t/a.py::three",
        f"2.52 gw0 ended: {limit}",
        f"2.52 unit timed-out: {limit}",
        "2.52 spawn gw0",
        "2.52 gw0 collects o/b.py",
        "2.52 other starts",
        "2.52 gw0 finishes",
        "3.52 gw0 ran o/b.py::x: passed",
        "3.52 other passed",
        "3.52 gw0 ended",
    ]
    assert run.watch.reports["unit"].counts["not_run"] == 1


def test_a_file_whose_import_hangs_takes_its_gate_into_the_time_limit() -> None:
    files = [file("a.py", "x", collect_s=100.0)]
    run = play([suite("unit", timeout_s=5.0)], files)
    assert story(run, times=True, only="og")[2:] == [
        "5 kill gw0: a.py took too long to collect",
        "5.02 gw0 ended: a.py took too long to collect",
        "5.02 unit starts",
        "5.02 unit failed: 1 error during collection",
    ]


def test_fail_fast_ends_commands_lets_running_tests_end_and_cancels_the_rest() -> None:
    """lint (fails after 1.5 s);  slow;  unit;  clean needs slow"""
    gates = [command("lint"), command("slow"), suite("unit"), command("clean", "slow")]
    commands = {
        "lint": SimCommand(duration_s=1.5, state=GateState.FAILED),
        "slow": SimCommand(duration_s=9.0),
    }
    run = play(gates, [file("a.py", "one", "two", "three")], slots=3, fail_fast=True, commands=commands)
    why = "lint failed (fail-fast)"
    assert story(run, times=True, only="gt") == [
        "0 slow starts in 0",
        "0 lint starts in 1",
        "0 unit starts",
        "1 gw2 ran a.py::one: passed",
        "1.5 lint failed: exit 1",
        f"1.5 clean cancelled: {why}",
        f"1.55 slow cancelled: {why}",
        "2 gw2 ran a.py::two: passed",
        f"2 unit cancelled: {why}",
    ]


def test_fail_fast_takes_no_notice_of_a_gate_that_is_not_required() -> None:
    gates = [command("security", required=False), command("lint", "security")]
    run = play(gates, fail_fast=True, commands={"security": FAILS})
    assert story(run, only="g")[-1] == "lint passed"


def test_an_interrupt_waits_three_seconds_and_a_second_one_not_at_all() -> None:
    """slow, timed out before;  patient"""
    stop = StopAsked("interrupted", "SIGINT", 2)
    lasting = SimCommand(duration_s=99.0, stop_s=9.0)
    gates = [command("slow", timeout_s=1.0, grace_s=60.0), command("patient")]
    commands = {"slow": lasting, "patient": lasting}
    run = play(gates, slots=2, commands=commands, stops=[(2.0, stop), (3.0, stop)])
    orders = [(now, action) for now, step in run.steps for action in step.actions]
    assert [(now, order.gate, order.grace_s) for now, order in orders if isinstance(order, StopCommand)] == [
        (1.0, "slow", 60.0),
        (2.0, "slow", 3.0),
        (2.0, "patient", 3.0),
        (3.0, "slow", 0.0),
        (3.0, "patient", 0.0),
    ]


def test_an_interrupt_stops_everything() -> None:
    """unit;  slow"""
    stop = StopAsked("interrupted", "SIGINT", 2)
    slow = {"slow": SimCommand(duration_s=9.0)}
    files = [file("a.py", "x", "y", "z")]
    run = play([suite("unit"), command("slow")], files, slots=2, commands=slow, stops=[(1.5, stop)])
    assert story(run, times=True)[6:] == [
        "1 gw1 ran a.py::x: passed",
        "1 gw0 finishes",
        "1 gw0 ended",
        "1.5 stop slow (cancelled: SIGINT)",
        "1.5 gw1 halts",
        "1.55 slow cancelled: SIGINT",
        "2 gw1 ran a.py::y: passed",
        "2 gw1 ended",
        "2 unit cancelled: SIGINT",
    ]
    assert run.watch.reports["unit"].counts["not_run"] == 1


def test_maxfail_stops_tests_and_leaves_commands_alone() -> None:
    """unit -> after;  slow"""
    stop = StopAsked("maxfail", "stopping after 1 failures", 1)
    gates = [suite("unit"), command("slow"), command("after", "unit")]
    slow = {"slow": SimCommand(duration_s=4.0)}
    run = play(gates, [file("a.py", "x", "y", "z")], slots=2, commands=slow, stops=[(1.5, stop)])
    assert story(run, times=True, only="g") == [
        "0 slow starts in 0",
        "0 unit starts",
        "2 unit cancelled: stopping after 1 failures",
        "2 after skipped: needs unit, which was cancelled",
        "4 slow passed",
    ]


def test_after_a_collection_error_no_further_test_starts_but_every_error_is_named() -> None:
    """unit over a.py, b.py (an error), c.py, d.py (two errors);  lint is not concerned"""
    files = [
        file("a.py", "x", "y", "z"),
        file("b.py", errors=1, collect_s=1.5),
        file("c.py", "w"),
        file("d.py", errors=2),
    ]
    run = play([suite("unit"), command("lint")], files, commands={"lint": SimCommand(duration_s=0.0)})
    assert story(run, times=True)[4:] == [
        "0 gw0 collects a.py",
        "0 gw0 collects b.py",
        "0 unit starts",
        "1 gw0 ran a.py::x: passed",
        "2 gw0 ran a.py::y: passed",
        "3.5 gw0 gives back all",
        "3.5 gw0 gives back all",
        "3.5 gw0 collects c.py",
        "3.5 gw0 collects d.py",
        "3.5 unit failed: 3 errors during collection",
        "3.5 gw0 finishes",
        "3.5 gw0 ended",
    ]
    assert run.watch.reports["unit"].counts["not_run"] == 2


def test_with_continue_on_collection_errors_the_others_run() -> None:
    files = [file("a.py", errors=1), file("b.py", "x")]
    run = play([suite("unit")], files, continue_on_collection_errors=True)
    assert story(run, only="gt") == [
        "unit starts",
        "gw0 ran b.py::x: passed",
        "unit failed: 1 error during collection",
    ]


def test_only_collecting_runs_nothing() -> None:
    """lint -> unit"""
    run = play([command("lint"), suite("unit", "lint")], [file("a.py", "x")], collect_only=True)
    assert story(run) == [
        "lint deselected: only collecting: no command runs",
        "spawn gw0",
        "gw0 collects a.py",
        "unit starts",
        "unit passed",
        "gw0 finishes",
        "gw0 ended",
    ]


def test_a_gate_that_selects_nothing_is_empty_unless_that_is_allowed_or_typed() -> None:
    assert story(play([suite("unit", paths=["u"])], [file("a.py", "x")]), only="g")[-1].startswith(
        "unit empty"
    )
    run = play([suite("unit", paths=["u"])], [file("a.py", "x")], narrowed=True)
    assert story(run, only="g")[-1] == "unit deselected: the command line left no test of it"


def test_a_run_without_gates_is_over_at_once() -> None:
    assert story(play([])) == []
