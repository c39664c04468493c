"""Commands do not outlive the controller, however it dies.

A parent-death signal would have to be set between fork and exec, where no Python
may run beside threads, and would end the first process of a command only.
Instead one small shell per run (started in a millisecond, asleep in ``read``)
holds the end of a pipe.  When the controller is gone without a word the pipe
ends, and the shell ends every process group it was told of and, on Linux, every
process that carries the run's marker in its environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import threading
from pathlib import Path

_SCRIPT = r"""
trap '' HUP INT QUIT TERM
groups=
while read -r word group; do
  case $word in
    add) groups="$groups $group" ;;
    drop)
      kept=
      for each in $groups; do [ "$each" = "$group" ] || kept="$kept $each"; done
      groups=$kept ;;
    bye) exit 0 ;;
  esac
done
end() {
  for group in $groups; do kill -s "$1" -- "-$group"; done
  for file in $(grep -lsaF -e "$marker" /proc/[0-9]*/environ); do
    pid=${file#/proc/}
    kill -s "$1" "${pid%/environ}"
  done
}
clear() {
  case $folder in */batchgate-*) rm -rf -- "$folder" ;; esac
}
marker=$1
folder=$3
clear
end TERM
sleep "$2"
for round in 1 2 3 4 5; do end KILL; sleep 0.1; done
clear
"""

_GRACE_S = 1  # between SIGTERM and SIGKILL, once the controller is gone


class Guard:
    """Ends what is left of the run when the controller dies.  Safe to call from any thread.

    Where no shell can be started there is no guard, and nothing else changes.
    """

    def __init__(self, marker: bytes, folder: Path | None = None) -> None:
        """``folder``: of the run (``batchgate-*``), removed with everything in it."""
        self._marker = marker
        self._folder = "" if folder is None else str(folder)
        self._lock = threading.Lock()
        self._shell: subprocess.Popen[bytes] | None = None
        self._closed = False

    def start(self) -> None:
        """Start the shell unless it is there.  Call before the first command: nothing is then uncovered."""
        with self._lock:
            if self._shell is not None or self._closed:
                return
            words = [os.fsdecode(self._marker), str(_GRACE_S), self._folder]
            try:
                self._shell = subprocess.Popen(
                    ["/bin/sh", "-c", _SCRIPT, "batchgate-guard", *words],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C reaches the controller alone
                    cwd="/",
                    env={"PATH": os.defpath},  # without the marker: it would end itself
                    bufsize=0,
                )
            except OSError:
                self._closed = True

    @property
    def pid(self) -> int | None:
        """The shell's process id while it runs."""
        return self._shell.pid if self._shell is not None else None

    def add(self, group: int) -> None:
        """End this process group too."""
        self._say(f"add {group}\n")

    def drop(self, group: int) -> None:
        """The group is gone; its number may come to belong to others."""
        self._say(f"drop {group}\n")

    def close(self) -> None:
        """Let the shell go, ending nothing."""
        self._say("bye\n")
        with self._lock:
            self._closed = True
            shell, self._shell = self._shell, None
            if shell is None:
                return
            assert shell.stdin is not None
            with contextlib.suppress(OSError):
                shell.stdin.close()
            try:
                shell.wait(timeout=2)
            except subprocess.TimeoutExpired:  # stopped by someone: it owes us nothing now
                shell.kill()
                shell.wait()

    def _say(self, line: str) -> None:
        with self._lock:
            if self._shell is not None and self._shell.stdin is not None:
                with contextlib.suppress(OSError, ValueError):  # the shell was killed: no guard then
                    self._shell.stdin.write(line.encode())


def become_subreaper() -> bool:
    """Linux: orphans of our descendants become our children instead of init's; whether that worked.

    Never called here: it changes the whole process, the user's other children
    included, and whoever calls it owes their orphans a wait.
    """
    if sys.platform != "linux":
        return False
    pr_set_child_subreaper = 36
    try:
        return bool(ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False
