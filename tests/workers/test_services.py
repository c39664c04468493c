"""When a service counts as ready, and what becomes of those that never are.  Real services."""

from __future__ import annotations

import http.server
import os
import re
import shlex
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_kit import MakeBench, alive, benches, python, service, until

from pytest_batchgate.core.model import Gate, GateState
from pytest_batchgate.workers import services
from pytest_batchgate.workers.services import LineProbe, NeverReady, UrlProbe

pytestmark = pytest.mark.integration


@pytest.fixture(name="bench")
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    with benches(tmp_path) as make:
        yield make


@pytest.fixture
def port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listener(port: int, family: str = "AF_INET", host: str = "127.0.0.1") -> list[str]:
    return python(
        f"import socket, time; s = socket.socket(socket.{family}); s.setsockopt(1, 2, 1); "
        f"s.bind(({host!r}, {port})); s.listen(); time.sleep(1000)"
    )


def web(port: int, status: int = 200) -> list[str]:
    return python(
        "import http.server as h\n"
        "class H(h.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        f"        self.send_response({status} if self.path == '/up?x=1' else 500)\n"
        "        self.end_headers()\n"
        f"h.HTTPServer(('127.0.0.1', {port}), H).serve_forever()"
    )


def stop_ready(bench: MakeBench, one: Gate) -> None:
    """Start it, see it become ready, and stop it as if nobody needed it any more."""
    run = bench(one)
    run.start("s", slots=())
    assert run.ready().gate == "s"
    run.stop("s", GateState.PASSED, None)
    ended = run.ended()
    assert (ended.state, ended.reason) == (GateState.PASSED, None)
    assert run.inputs.empty()


def test_a_port_in_either_family_is_ready(bench: MakeBench, port: int) -> None:
    stop_ready(bench, service("s", listener(port), port=port))
    stop_ready(bench, service("s", listener(port, host=""), port=port))
    if socket.has_ipv6:
        stop_ready(bench, service("s", listener(port, "AF_INET6", "::1"), port=port))


def test_a_port_of_a_grandchild_in_another_session_is_ready(bench: MakeBench, port: int) -> None:
    run = f"setsid {shlex.join(listener(port))} & sh -c 'sleep 1000'"
    stop_ready(bench, service("s", run, port=port))


def test_a_page_is_ready_once_its_status_is_good(bench: MakeBench, port: int) -> None:
    stop_ready(bench, service("s", web(port), url=f"http://localhost:{port}/up?x=1"))
    stop_ready(bench, service("s", web(port, 302), url=f"http://127.0.0.1:{port}/up?x=1"))


def test_a_page_that_answers_with_an_error_is_not_ready(bench: MakeBench, port: int) -> None:
    run = bench(service("s", web(port), url=f"http://localhost:{port}/", timeout_s=1))
    run.start("s", slots=())
    ended = run.ended()
    assert (ended.state, ended.reason) == (GateState.FAILED, "not ready after 1 s")


@pytest.mark.parametrize(
    ("run", "line"),
    [
        ("echo starting; echo listening on 80; exec sleep 1000", r"listening on \d+$"),
        ("printf 'a\\r\\nready\\r\\n'; exec sleep 1000", "^ready$"),
        ("printf 'no line end: ready'; exec sleep 1000", "ready"),
        ("head -c 3000000 /dev/zero; echo; echo ready >&2; exec sleep 1000", "^ready"),
    ],
)
def test_a_line_of_the_log_is_ready(bench: MakeBench, run: str | list[str], line: str) -> None:
    stop_ready(bench, service("s", run, line=line))


def test_a_line_that_python_would_keep_in_a_buffer_is_seen(bench: MakeBench) -> None:
    code = "print('ready'); import time; time.sleep(1000)"
    run = bench(service("s", ["python", "-c", code], line="ready"), environ={"PATH": "/usr/bin:/bin"})
    run.start("s", slots=())
    run.ready()


def test_outputs_of_a_service_come_with_its_being_ready(bench: MakeBench) -> None:
    run = bench(service("s", 'echo PORT=81 > "$BATCHGATE_OUTPUT"; echo up; exec sleep 1000', line="up"))
    run.start("s", slots=())
    assert run.ready().outputs == {"PORT": "81"}


def test_malformed_outputs_of_a_service_fail_it(bench: MakeBench) -> None:
    run = bench(service("s", 'echo what > "$BATCHGATE_OUTPUT"; echo up; exec sleep 1000', line="up"))
    run.start("s", slots=())
    assert run.ended().reason == "BATCHGATE_OUTPUT line 1 is not KEY=VALUE: 'what'"


def test_a_service_that_is_late_is_ended(bench: MakeBench, tmp_path: Path, port: int) -> None:
    run = bench(service("s", "echo $$ > pid; exec sleep 1000", port=port, timeout_s=0.5))
    run.start("s", slots=())
    ended = run.ended()
    assert (ended.state, ended.reason) == (GateState.FAILED, "not ready after 0.5 s")
    assert not alive(run.wait_pid(tmp_path / "pid"))


def test_a_late_service_that_ignores_signals_is_ended_within_its_grace(bench: MakeBench) -> None:
    run = bench(
        service("s", "trap '' TERM; sleep 1000; sleep 1000", grace_s=0.1, line="never", timeout_s=0.1)
    )
    run.start("s", slots=())
    assert run.ended().reason == "not ready after 0.1 s"


@pytest.mark.parametrize(
    ("end", "state", "how"),
    [
        ("exit 3", GateState.FAILED, "(exit code 3)"),
        ("exit 0", GateState.FAILED, "(exit code 0)"),
        ("kill -SEGV $$", GateState.CRASHED, "(killed by SIGSEGV)"),
    ],
)
def test_a_service_that_ends_by_itself_fails(bench: MakeBench, end: str, state: GateState, how: str) -> None:
    run = bench(
        service("early", end, line="never"),
        service("late", f"echo up; while ! test -e go; do sleep 0.01; done; {end}", line="up"),
    )
    run.start("early", slots=())
    ended = run.ended()
    assert (ended.state, ended.reason) == (state, f"ended before it was ready {how}")
    run.start("late", slots=())
    run.ready()
    (run.rootdir / "go").touch()
    ended = run.ended()
    assert (ended.state, ended.reason) == (state, f"ended while needed {how}")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process listens on."""
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others' sockets are root's to see")
def test_a_port_that_another_has_fails_at_once(bench: MakeBench, taken: int) -> None:
    run = bench(
        service("waits", "exec sleep 1000", port=taken, timeout_s=100_000),
        service("dies", listener(taken), port=taken, timeout_s=100_000),
    )
    run.start("waits", slots=())
    ended = run.ended()
    assert ended.state is GateState.FAILED
    assert re.fullmatch(rf"port {taken} is taken by pid {os.getpid()} \(.+\)", str(ended.reason))
    run.start("dies", slots=())
    ended = run.ended()
    assert ended.state is GateState.FAILED
    assert f"port {taken} is taken by pid {os.getpid()}" in str(ended.reason)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others' sockets are root's to see")
def test_a_service_that_died_before_it_was_asked_is_told_what_of(
    bench: MakeBench, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "watch", lambda *_: None)
    run = bench(service("s", "exit 3", port=taken))
    run.start("s", slots=())
    reason = str(run.ended().reason)
    assert reason.startswith(f"ended before it was ready (exit code 3): port {taken} is taken by pid ")


def test_what_can_never_be_asked_fails_at_once(bench: MakeBench) -> None:
    run = bench(service("s", "exec sleep 1000", url="ftp://x", timeout_s=100_000))
    run.start("s", slots=())
    assert run.ended().reason == "ready.url 'ftp://x' is not an http or https URL"


def test_a_stop_while_it_is_being_asked_ends_it(bench: MakeBench) -> None:
    run = bench(service("s", "echo hello; exec sleep 1000", line="never", timeout_s=100_000))
    run.start("s", slots=())
    run.wait_log("s", "hello")
    run.stop("s", GateState.CANCELLED, "fail-fast")
    ended = run.ended()
    assert (ended.state, ended.reason) == (GateState.CANCELLED, "fail-fast")


def test_no_thread_goes_on_asking(bench: MakeBench, port: int) -> None:
    stop_ready(bench, service("s", listener(port), port=port))
    run = bench(service("s", "exit 1", line="never"))
    run.start("s", slots=())
    run.ended()
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("batchgate-ready")])


@pytest.mark.parametrize("url", ["http://", "http://x:port/", "localhost:80", "http://[::1"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(NeverReady, match=re.escape(url)):
        UrlProbe(url)


def test_a_line_is_found_over_reads_and_after_the_log_was_emptied(tmp_path: Path) -> None:
    log = tmp_path / "log"
    probe = LineProbe("^ready$", log)
    assert not probe.check()  # not even there
    log.write_text("rea")
    assert not probe.check()
    assert not probe.check()
    log.write_text("ready or not\n" + "x" * 70_000 + "ready")
    assert not probe.check()
    log.write_text("ready\n")  # shorter: a service that empties its own log
    assert probe.check()


def test_the_unfinished_line_counts_once_it_rests(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("ready")
    probe = LineProbe("ready", log)
    assert not probe.check()
    assert probe.check()


def test_a_line_that_is_no_expression(tmp_path: Path) -> None:
    with pytest.raises(NeverReady, match="is no regular expression"):
        LineProbe("(", tmp_path)
