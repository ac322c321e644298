"""A command on a terminal, and what its screen shows in the end: as much of an emulator as a progress bar needs."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence

_PART = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|(\r)|(\n)|(\x1b\S)|([^\x1b\r\n]+)")


def on_a_terminal(arguments: Sequence[str], columns: int = 80, timeout: float = 60.0) -> tuple[int, bytes]:
    """Run `homeiq-ingest` with these arguments; its exit code and everything that it wrote to the terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environ = {**os.environ, "TERM": "xterm"}
    environ.pop("COLUMNS", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "ingest", *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environ
    )
    os.close(theirs)
    written, end = bytearray(), time.monotonic() + timeout
    try:
        while select.select([ours], [], [], max(0.0, end - time.monotonic()))[0]:
            try:
                written += os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
        else:
            raise AssertionError(f"it goes on and on:\n{written.decode(errors='replace')}")
        return process.wait(10), bytes(written)
    finally:
        process.kill()
        process.wait(10)
        os.close(ours)


def screen(written: bytes, columns: int = 80) -> list[str]:
    """The lines that are left on the screen, as if it had no lower end."""
    lines, row, column = [""], 0, 0
    for numbers, letter, back, feed, _, text in _PART.findall(written.decode("utf-8", "replace")):
        if back:
            column = 0
        elif feed:
            row += 1
        elif letter == "A":
            row = max(0, row - int(numbers or 1))
        elif letter == "K":
            lines[row] = "" if numbers == "2" else lines[row][:column]
        for each in text:
            if column == columns:
                row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
            lines[row] = lines[row].ljust(column)[:column] + each + lines[row][column + 1 :]
            column += 1
        lines += [""] * (row + 1 - len(lines))
    return [line.rstrip() for line in lines]
