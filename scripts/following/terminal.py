"""A terminal with a shell in it, at which somebody types."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import secrets
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.following.screen import Screen

COLUMNS = 80
GRACE = 10.0
"""Seconds that a program has to end when its terminal is closed."""


@dataclass
class Terminal:
    """Bash in a folder, with exactly these variables. It is at its prompt, or a program runs."""

    folder: Path
    environment: Mapping[str, str]
    grace: float = GRACE
    screen: Screen = field(default_factory=Screen)
    _mark: str = field(default_factory=lambda: secrets.token_hex(6))

    def __post_init__(self) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        path = os.ttyname(theirs)
        # A leader of a session that opens a terminal gets it as its own: Ctrl-C then reaches what runs in it.
        shell = 'exec bash --norc --noprofile --noediting -i <"$0" >"$0" 2>&1'
        self._shell = subprocess.Popen(
            ["sh", "-c", shell, path],
            cwd=self.folder,
            env={**self.environment, "TERM": "xterm", "PS1": f"[{self._mark}:$?] "},
            start_new_session=True,
        )
        os.close(theirs)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._prompt = re.compile(rf"(.*)\[{self._mark}:(\d+)\] $")

    def look(self, seconds: float) -> None:
        """Take in what is written within so many seconds, or at once what there is."""
        if select.select([self._ours], [], [], seconds)[0]:
            try:
                self.screen.feed(self._decoder.decode(os.read(self._ours, 65536)))
            except OSError:  # the shell is gone
                time.sleep(seconds)

    def status(self) -> int | None:
        """The exit status of the last command when the shell waits for another one; None while one runs."""
        found = self._prompt.match(self.screen.rows[-1])
        return None if found is None else int(found[2])

    def rows(self) -> list[str]:
        """Everything that was written so far, without the prompt that waits."""
        last = self._prompt.match(self.screen.rows[-1])
        rows = [*self.screen.rows[:-1], last[1] if last else self.screen.rows[-1]]
        while rows and not rows[-1].strip():
            rows.pop()
        return rows

    def send(self, text: str) -> None:
        """Type these characters, control characters among them; what the terminal echoes is read like everything else."""
        os.write(self._ours, text.encode())

    def close(self) -> None:
        """Hang up; what does not end of that is killed."""
        os.close(self._ours)
        end = time.monotonic() + self.grace
        while (left := self._members()) and time.monotonic() < end:
            self._shell.poll()
            time.sleep(0.05)
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._shell.wait(GRACE)

    def _members(self) -> list[int]:
        """Every process of the terminal's session."""
        self._shell.poll()
        return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and self._is_member(path)]

    def _is_member(self, process: Path) -> bool:
        try:
            state, _, _, session = (process / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it ended meanwhile
            return False
        return int(session) == self._shell.pid and state != "Z"
