# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Colour, a status line and the errors that are meant for the user."""

import os
import sys
import time


class BenchError(Exception):
    """Something that stops the benchmark; its text is for the user."""


def paint(text, colour, stream=None):
    """The text in green, red or grey where the stream is a terminal."""
    stream = stream or sys.stdout
    if not stream.isatty() or os.environ.get("NO_COLOR"):
        return text
    code = {"green": 32, "red": 31, "yellow": 33, "grey": 90}[colour]
    return f"\x1b[{code}m{text}\x1b[0m"


class Status:
    """One line on stderr that says what goes on; nothing when it is no terminal."""

    def __init__(self, stream=None):
        self.stream = stream or sys.stderr
        self.enabled = self.stream.isatty()
        self.shown = 0.0

    def show(self, text, share=None, always=False):
        """`share` between 0 and 1 draws a bar in front of the text. Bars that come in
        quick succession are left out, unless `always`."""
        often = share is not None and not always and time.monotonic() - self.shown < 0.1
        if not self.enabled or often:
            return
        self.shown = time.monotonic()
        if share is not None:
            filled = round(24 * min(max(share, 0), 1))
            text = f"[{'#' * filled}{'.' * (24 - filled)}] {text}"
        try:
            width = os.get_terminal_size(self.stream.fileno()).columns or 80
        except OSError:
            width = 80
        self.stream.write(f"\r\x1b[K{text[: width - 1]}")
        self.stream.flush()

    def clear(self):
        if self.enabled:
            self.stream.write("\r\x1b[K")
            self.stream.flush()


def duration(seconds):
    """1.50 s, 24.1 ms, 7.31 us: three digits that mean something."""
    for unit, scale in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        value = seconds * scale
        if value >= 1 or unit == "us":
            digits = 2 if value < 10 else 1 if value < 100 else 0
            return f"{value:.{digits}f} {unit}"
    raise AssertionError("unreachable")
