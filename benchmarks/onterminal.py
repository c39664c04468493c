"""``python onterminal.py PROGRAM ARG...``: run the program at a terminal and pass on what it writes.

For contenders whose output depends on having a terminal; exits as the program does.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios


def main() -> int:
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        os.execvp(sys.argv[1], sys.argv[1:])
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # Linux ends a terminal that nobody holds any more so
            break
        if not data:
            break
        os.write(1, data)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
