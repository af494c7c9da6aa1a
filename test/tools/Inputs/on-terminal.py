# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs a command as if at a terminal and prints what it wrote there.

  on-terminal.py COLUMNS command...
"""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

master, slave = pty.openpty()
size = struct.pack("HHHH", 40, int(sys.argv[1]), 0, 0)
fcntl.ioctl(slave, termios.TIOCSWINSZ, size)
environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
environment["TERM"] = "xterm-256color"
process = subprocess.Popen(sys.argv[2:], stdout=slave, env=environment)
os.close(slave)
output = b""
while True:
    try:
        part = os.read(master, 65536)
    except OSError:  # the other end is closed
        break
    if not part:
        break
    output += part
sys.stdout.write(output.decode().replace("\r\n", "\n"))
sys.exit(process.wait())
