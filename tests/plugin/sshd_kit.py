"""A real sshd on loopback, with keys and settings of its own in a temporary folder."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

REQUIRED = "TESTS_SSHD"  # in CI, where what cannot be shown has failed
PATIENCE_S = 30.0
_SERVER = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
"""
_CLIENT = """
Host box
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/user
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
"""


class Sshd:
    """``config`` is for ssh's -F; the host is called ``box`` there."""

    def __init__(self, folder: Path, program: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        for name in ("host", "user"):
            key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(key, check=True)
        values = {"port": port, "folder": folder, "user": getpass.getuser()}
        (folder / "sshd_config").write_text(_SERVER.format(**values))
        self.config = folder / "ssh_config"
        self.config.write_text(_CLIENT.format(**values))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.log = folder / "log"
        command = [program, "-D", "-f", str(folder / "sshd_config"), "-E", str(self.log)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                return
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < give_up_at, "sshd does not listen"
            time.sleep(0.05)

    def spec(self, root: Path, python: str) -> str:
        return f"ssh=box//ssh_config={self.config}//python={python}//chdir={root}"

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10.0)


def running(folder: Path) -> Iterator[Sshd]:
    """A fixture's body: skips where there is no sshd, unless `REQUIRED` says that there must be one."""
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None or shutil.which("ssh") is None:
        if REQUIRED in os.environ:
            pytest.fail(f"{REQUIRED} is set, and there is no sshd")
        pytest.skip("no sshd (openssh-server)")
    server = Sshd(folder, program)
    try:
        yield server
    finally:
        server.close()
