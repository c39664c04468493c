"""The environment that gates and test workers see, and the outputs gates hand on.

Pure functions from mappings to mappings: the caller passes `os.environ` and the
interpreter in.  Three rules: nothing that lets a program steer a CI runner gets
through, the tools of pytest's own environment are found first, and every process
of a command can be told apart from all others by one variable.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import PurePath

# With these a program sets variables, paths and outputs of the GitHub job around it.
_HIDDEN = frozenset({"GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_STATE"})
_HIDDEN_PREFIX = "ACTIONS_"
_OWN_PREFIX = "BATCHGATE_"

# ":RUN/GATE:RUN/GATE:", a run inside a gate of another run appending its own: a
# process left behind deep inside is still known to belong to the outer gate.
TRACE = "BATCHGATE_TRACE"

OUTPUT_LIMIT_BYTES = 64 * 1024
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class OutputError(ValueError):
    """A BATCHGATE_OUTPUT file that cannot be understood; the message names the line."""


def is_hidden(key: str) -> bool:
    """Whether gates never see the variable that the run itself was given under ``key``."""
    return key in _HIDDEN or key.startswith(_HIDDEN_PREFIX)


def base_environment(
    environ: Mapping[str, str], *, executable: str, in_virtualenv: bool, defpath: str = os.defpath
) -> dict[str, str]:
    """What all gates share: ``environ`` without what is hidden and what an outer run set.

    The directory of ``executable`` (not resolved: a virtual environment's python
    is a link) comes first on PATH when it is a virtual environment, and when PATH
    lacks it: a bare ``python`` or ``ruff`` is then the one beside pytest, even
    where nothing was activated.
    """
    base = {
        key: value
        for key, value in environ.items()
        if not is_hidden(key) and (key == TRACE or not key.startswith(_OWN_PREFIX))
    }
    base["BATCHGATE"] = "1"
    if executable:
        own = str(PurePath(executable).parent)
        path = base.get("PATH", defpath)
        entries = path.split(os.pathsep)
        if entries[0] != own and (in_virtualenv or own not in entries):
            base["PATH"] = own + os.pathsep + path if path else own
    return base


def gate_environment(
    base: Mapping[str, str],
    *,
    run_id: str,
    gate: str,
    slots: tuple[int, ...],
    attempt: int,
    output: str,
    extra: Mapping[str, str],
) -> dict[str, str]:
    """What one command sees.  ``extra`` (outputs of needs, the gate's own) yields to ours.

    ``slots`` is empty for a service, which then has neither worker nor slot;
    ``attempt`` counts from 1; ``output`` is the path of its outputs file.
    """
    env = {**base, **extra}
    env["BATCHGATE"] = "1"
    env["BATCHGATE_RUN_ID"] = run_id
    env["BATCHGATE_GATE"] = gate
    env["BATCHGATE_ATTEMPT"] = str(attempt)
    env["BATCHGATE_OUTPUT"] = output
    env[TRACE] = _trace(base, run_id, gate)
    if slots:
        env["BATCHGATE_WORKER"] = f"gw{slots[0]}"
        env["BATCHGATE_SLOT"] = str(slots[0])
    return env


def worker_environment(
    base: Mapping[str, str], *, run_id: str, slot: int, extra: Mapping[str, str]
) -> dict[str, str]:
    """What one tests worker starts with.  Its gate changes from test to test and is set there."""
    env = {**base, **extra}
    env["BATCHGATE"] = "1"
    env["BATCHGATE_RUN_ID"] = run_id
    env["BATCHGATE_WORKER"] = f"gw{slot}"
    env["BATCHGATE_SLOT"] = str(slot)
    env["BATCHGATE_ATTEMPT"] = "1"
    env[TRACE] = worker_trace(base, run_id=run_id, slot=slot)
    return env


def worker_trace(base: Mapping[str, str], *, run_id: str, slot: int) -> str:
    """The value of TRACE in a worker and all that its tests start."""
    return _trace(base, run_id, f"@gw{slot}")  # "@": never a gate's name


def run_marker(run_id: str) -> bytes:
    """Bytes found in the environment of every process of the run, and of no other."""
    return f":{run_id}/".encode()


def gate_marker(run_id: str, gate: str) -> bytes:
    """Bytes found in the environment of every process of one gate's command, and of no other."""
    return f":{run_id}/{gate}:".encode()


def _trace(base: Mapping[str, str], run_id: str, who: str) -> str:
    return f"{base.get(TRACE, ':')}{run_id}/{who}:"


def parse_outputs(data: bytes) -> dict[str, str]:
    """``KEY=VALUE`` lines of a BATCHGATE_OUTPUT file; blank lines are skipped, the last of a key holds.

    Values are taken as they are, quotes and blanks included.  Names that are ours
    or hidden are refused; others, PATH among them, are not: the command that
    wrote them runs with the same rights as the gates that get them.

    Raises OutputError for the first line that is not understood, and for more
    than OUTPUT_LIMIT_BYTES.
    """
    if len(data) > OUTPUT_LIMIT_BYTES:
        raise OutputError(f"BATCHGATE_OUTPUT holds more than {OUTPUT_LIMIT_BYTES // 1024} KiB")
    outputs: dict[str, str] = {}
    for number, raw in enumerate(data.split(b"\n"), start=1):
        where = f"BATCHGATE_OUTPUT line {number}"
        try:
            line = raw.removesuffix(b"\r").decode()
        except UnicodeDecodeError:
            raise OutputError(f"{where} is not UTF-8") from None
        if not line.strip():
            continue
        key, equals, value = line.partition("=")
        if not equals or not _KEY.fullmatch(key):
            raise OutputError(f"{where} is not KEY=VALUE: {_shown(line)}")
        if key.startswith(_OWN_PREFIX) or key == "BATCHGATE" or is_hidden(key):
            raise OutputError(f"{where} sets {key}, which no gate may set")
        if "\0" in value:
            raise OutputError(f"{where} has a NUL byte in the value of {key}")
        outputs[key] = value
    return outputs


def _shown(line: str) -> str:
    """The start of a line up to any "=": what follows may be a secret."""
    head = line.partition("=")[0]
    return repr(head[:40] + "..." if len(head) > 40 or head != line else head)
