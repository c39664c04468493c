"""examples/service with a circuit breaker, its server killed in mid-run: with and without a way back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from example_kit import Ran, copy_of, replace, run

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TESTS = 60
KILLER = 10

# Keeps the service's promise to the run, whatever becomes of the server: that is started again, or not.
SUPERVISOR = """
import os, pathlib, socket, subprocess, sys, time

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]

def start():
    env = {name: value for name, value in os.environ.items() if name != "BATCHGATE_OUTPUT"}
    server = subprocess.Popen(
        [sys.executable, "-m", "shelf.server", str(port)], stdout=subprocess.PIPE, text=True, env=env
    )
    assert server.stdout.readline().startswith("listening")
    pathlib.Path("server.pid").write_text(str(server.pid))
    return server

server = start()
pathlib.Path(os.environ["BATCHGATE_OUTPUT"]).write_text(f"SHELF_URL=http://127.0.0.1:{port}\\n")
print("listening on", port, flush=True)
server.wait()
print("the server is gone", flush=True)
if sys.argv[1] == "restart":
    time.sleep(1)
    server = start()
    print("the server is back", flush=True)
    server.wait()
time.sleep(600)
"""

MANY = f"""
import os, pathlib, signal, time
import pytest

pytestmark = pytest.mark.integration

@pytest.mark.parametrize("number", range({TESTS}))
def test_store(client, number):
    if number == {KILLER}:
        os.kill(int(pathlib.Path("server.pid").read_text()), signal.SIGKILL)
    time.sleep(0.05)
    client.put(f"key{{number}}", "value")
"""


def service_with(tmp_path: Path, breaker: str, *, way_back: str) -> Ran:
    example = copy_of("service", tmp_path)
    (example / "tools/supervised.py").write_text(SUPERVISOR)
    (example / "tests/integration/test_many.py").write_text(MANY)
    config = example / "batchgate.yaml"
    replace(config, "run: python3 -m shelf.server\n", f"run: python3 tools/supervised.py {way_back}\n")
    replace(config, "    timeout: 2m\n", f"    timeout: 2m\n    breaker: {breaker}\n")
    chosen = "integration,no:lint,no:typecheck,no:security"
    return run(example, f"--batch-select={chosen}", "tests/integration/test_many.py")


def count(ran: Ran, outcome: str) -> int:
    found = re.search(rf"(\d+) {outcome}", ran.row("integration"))
    return int(found[1]) if found else 0


def changes(ran: Ran) -> list[str]:
    """The states that the breaker went through, as the run told them."""
    return re.findall(r"integration +(\S+) +breaker: ", ran.out)


def test_only_the_tests_that_met_the_outage_are_lost(tmp_path: Path) -> None:
    """The rest waits for the server, and passes; a probe that came too early is one more that met it."""
    breaker = '{threshold: 3, cooldown: 2s, match: "ConnectionRefusedError|RemoteDisconnected"}'
    ran = service_with(tmp_path, breaker, way_back="restart")
    seen = changes(ran)
    assert seen[:2] == ["open", "half-open"], str(ran)
    assert seen[-1] == "closed", str(ran)
    assert ran.code == 1, str(ran)
    assert ran.gates["integration"] == "failed", str(ran)
    assert count(ran, "passed") + count(ran, "failed") == TESTS, str(ran)
    early_probes = seen.count("half-open") - 1
    # Three that trip it, and on each of two workers the one that runs and the one that is announced.
    assert 3 <= count(ran, "failed") - early_probes <= 3 + 4, str(ran)
    assert re.search(r"3 failures matching .* in a row; \d+ tests held back; tried again in 2.0s", ran.out)


def test_without_a_cooldown_the_gate_is_broken(tmp_path: Path) -> None:
    """What did not run is reported once, as skipped, with the reason."""
    ran = service_with(tmp_path, "{threshold: 3}", way_back="stay-away")
    assert ran.code == 1, str(ran)
    assert changes(ran) == ["broken"], str(ran)
    assert ran.gates["integration"] == "broken", str(ran)
    assert 3 <= count(ran, "failed") <= 3 + 4, str(ran)
    assert count(ran, "skipped") >= TESTS / 2, str(ran)
    assert sum(count(ran, outcome) for outcome in ("passed", "failed", "skipped")) == TESTS, str(ran)
    assert "breaker open: 3 failures in a row, and no cooldown is set" in ran.out, str(ran)
