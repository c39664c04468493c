"""A PostgreSQL server of the run's own, in a temporary folder, until SIGTERM.

It listens on a Unix socket in that folder and on no port, so that any number of runs can have
one at once.  PostgreSQL refuses to run as root: then it runs as the user `postgres`, or `nobody`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Any

PATIENCE_S = 45.0
USER = "shelf"


def find(name: str) -> str | None:
    """On PATH, else where Debian keeps it: the newest version."""
    versions = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = sorted(versions, key=lambda path: float(path.parts[-3]))
    return str(newest[-1]) if newest else shutil.which(name)


def not_root() -> dict[str, Any]:
    """Arguments for a process that PostgreSQL accepts."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise SystemExit("PostgreSQL does not run as root, and there is no user postgres or nobody")


def on_sigterm(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    programs = {name: find(name) for name in ("initdb", "postgres", "psql", "pg_isready")}
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        print("not found:", ", ".join(missing), "(on Debian: apt-get install postgresql)")
        return 1
    signal.signal(signal.SIGTERM, on_sigterm)
    other = not_root()
    folder = tempfile.mkdtemp(prefix="shelf-")
    if other:
        os.chown(folder, other["user"], other["group"])
    try:
        run(programs, folder, other)
    except KeyboardInterrupt:
        return 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1  # it ended by itself


def run(programs: dict[str, str | None], folder: str, other: dict[str, Any]) -> None:
    data = f"{folder}/data"
    # --no-sync, -F: nobody will miss this database after a power cut.
    made = subprocess.run(
        [str(programs["initdb"]), "-D", data, "-U", USER, "--auth=trust", "--no-sync"]
        + ["--encoding=UTF8", "--locale=C"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        check=False,
        **other,
    )
    if made.returncode:
        raise SystemExit("initdb failed")
    server = subprocess.Popen(
        [str(programs["postgres"]), "-D", data, "-k", folder, "-F", "-c", "listen_addresses="],
        cwd=folder,
        **other,
    )
    try:
        wait_until_ready([str(programs["pg_isready"]), "-q", "-h", folder], server)
        values = {"PGHOST": folder, "PGUSER": USER, "PGDATABASE": "postgres"}
        values |= {"PSQL": str(programs["psql"]), "SHELF_POSTGRES": "1"}
        if "BATCHGATE_OUTPUT" in os.environ:
            text = "".join(f"{key}={value}\n" for key, value in values.items())
            Path(os.environ["BATCHGATE_OUTPUT"]).write_text(text, encoding="utf-8")
        print("ready in", folder, flush=True)
        server.wait()
    finally:
        server.send_signal(signal.SIGINT)  # "fast": open connections are closed
        server.wait()


def wait_until_ready(question: list[str], server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE_S
    while subprocess.run(question, check=False).returncode:
        if server.poll() is not None or time.monotonic() > until:
            raise SystemExit("PostgreSQL did not come up")
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
