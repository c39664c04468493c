"""Services: started when needed, waited for, stopped at the end, mourned when they die."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from kit import Repo, leftovers

pytestmark = pytest.mark.integration

SERVER = """
import http.server, os, sys, time, tool
tool.note("service starts")
time.sleep(0.2)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die": os._exit(3)
        self.send_response(200); self.end_headers(); self.wfile.write(b"hello")
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
tool.note("service answers")
print("listening on", sys.argv[1], flush=True)
server.serve_forever()
"""
CLIENT = """
import os, urllib.request
def ask(path="/"):
    with urllib.request.urlopen(f"http://127.0.0.1:{os.environ['PORT']}{path}", timeout=10) as answer:
        return answer.read()
"""


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def repo_with(tmp_path: Path, port: int, gates: str, **files: str) -> Repo:
    config = f"defaults: {{env: {{PORT: '{port}'}}}}\ngates:\n{gates}".replace("PORT_", str(port))
    return Repo(tmp_path, config, server=SERVER, client=CLIENT, **files)


READY = {
    "port": "{port: PORT_}",
    "url": "{url: 'http://127.0.0.1:PORT_/'}",
    "line": "{line: '^listening'}",
}


@pytest.mark.parametrize(("how", "workers"), [("port", 2), ("url", 1), ("line", 0), ("line", 3)])
def test_tests_and_commands_find_the_service_ready(tmp_path: Path, port: int, how: str, workers: int) -> None:
    """It takes no worker, answers before its users start, and is gone at the end."""
    gates = f"""
  server: {{run: PY server.py PORT_, ready: {READY[how]}}}
  unused: {{run: PY tool.py note unused, ready: {{line: x}}}}
  free: {{tests: true}}
  needy: {{tests: needy, needs: [server]}}
  check: {{run: [PY, -c, "import client, tool; assert client.ask(); tool.note('check')"], needs: [server]}}
"""
    text = """
    import pytest, client, tool
    @pytest.mark.needy
    def test_ask():
        assert client.ask() == b"hello"
        tool.note("needy")
    def test_free(): pass
    """
    repo = repo_with(tmp_path, port, gates, test_it=text)
    repo.write("pytest.ini", "[pytest]\nmarkers =\n    needy\n")
    result = repo.run(f"--batch-workers={workers}", "--batch-select=server,free,needy,check")
    states = {"server": "passed", "free": "passed", "needy": "passed", "check": "passed"}
    result.expect(0, states)
    assert result.notes[:2] == ["service starts", "service answers"]
    assert sorted(result.notes[2:]) == ["check", "needy"]
    assert leftovers(tmp_path) == []
    if how == "port":
        not_needed = repo.run("--batch-select=free").expect(0)
        assert not_needed.gates == {"free": "passed"}
        assert not_needed.notes == []


def test_a_service_that_dies_fails_those_that_need_it(tmp_path: Path, port: int) -> None:
    """The one that runs and the one that waits fail, naming it; others go on."""
    gates = """
  server: {run: PY server.py PORT_, ready: {port: PORT_}}
  runs: {tests: true, needs: [server]}
  waits: {run: PY tool.py note waits, needs: [server, runs]}
  free: {run: PY tool.py note free}
"""
    text = """
    import client, pytest, tool, time
    def test_before(): assert client.ask() == b"hello"
    def test_kills():
        with pytest.raises(Exception): client.ask("/die")
        time.sleep(1)
    @pytest.mark.parametrize("n", range(20))
    def test_later(n): tool.note("later")
    """
    repo = repo_with(tmp_path, port, gates, test_it=text)
    result = repo.run("--batch-workers=2")
    assert result.code == 1, result.out
    states = result.gates
    assert states.pop("server") == "failed"
    assert states == {"runs": "failed", "waits": "failed", "free": "passed"}
    assert result.out.count("service server ended while it was needed") >= 2, result.out
    assert "waits" not in result.notes
    assert result.notes.count("later") <= 1, "only the next one was already on its way"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_service_that_never_answers(tmp_path: Path, port: int, workers: int) -> None:
    """Ended too early, not ready in time, or not startable: its users are skipped, naming it."""
    gates = """
  ends: {run: PY -c pass, ready: {port: PORT_}}
  mute: {run: PY -c 'import time; time.sleep(99)', ready: {line: never, timeout: 300ms}, grace: 100ms}
  absent: {run: no-such-server, ready: {port: PORT_}}
  unit: {tests: true, needs: [ends]}
  one: {run: PY tool.py note one, needs: [mute]}
  two: {run: PY tool.py note two, needs: [absent]}
"""
    repo = repo_with(tmp_path, port, gates, test_it="def test_it(): pass")
    result = repo.run(f"--batch-workers={workers}")
    services, users = ["ends", "mute", "absent"], ["unit", "one", "two"]
    result.expect(1, {**dict.fromkeys(services, "failed"), **dict.fromkeys(users, "skipped")})
    for words in ("not ready after 0.3 s", "ended before it was ready", "needs mute, which failed"):
        assert words in result.out
    assert result.notes == []
    assert leftovers(tmp_path) == []


def test_services_alone(tmp_path: Path, port: int) -> None:
    """One selected by its name starts, passes when ready and is stopped; only services is exit 5."""
    gates = "  server: {run: PY server.py PORT_, ready: {port: PORT_}}\n"
    repo = repo_with(tmp_path, port, gates)
    result = repo.run("--batch-workers=1", "--batch-select=server").expect(5, {"server": "passed"})
    assert result.notes == ["service starts", "service answers"]
    assert leftovers(tmp_path) == []


def test_a_marker_needs_a_service(tmp_path: Path, port: int) -> None:
    """`gate(needs=[...])` keeps the service up for that test, though no gate needs it."""
    gates = """
  server: {run: PY server.py PORT_, ready: {port: PORT_}}
  unit: {tests: true}
  user: {run: [PY, -c, "import client; client.ask()"], needs: [server]}
"""
    text = """
    import pytest, client
    @pytest.mark.gate("unit", needs=["server"])
    def test_ask(): assert client.ask() == b"hello"
    def test_free(): pass
    """
    repo = repo_with(tmp_path, port, gates, test_it=text)
    states = {"server": "passed", "unit": "passed", "user": "passed"}
    repo.run("--batch-workers=2").expect(0, states, test_ask="passed", test_free="passed")


def test_outputs_of_a_service(tmp_path: Path, port: int) -> None:
    """What it wrote to BATCHGATE_OUTPUT before it was ready reaches the tests that need it."""
    gates = """
  server: {run: PY start.py, ready: {line: up}}
  unit: {tests: true, needs: [server]}
"""
    start = """
    import os, time
    open(os.environ["BATCHGATE_OUTPUT"], "w").write("ADDRESS=here\\n")
    print("up")
    time.sleep(99)
    """
    test = "import os\ndef test_it(): assert os.environ['ADDRESS'] == 'here'"
    repo = repo_with(tmp_path, port, gates, start=start, test_it=test)
    repo.run("--batch-workers=1").expect(0, {"server": "passed", "unit": "passed"}, test_it="passed")
