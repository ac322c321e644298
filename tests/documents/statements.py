"""The shell of the documents, statement by statement: which of them a test can run, and what is said where it cannot.

`not_run.toml` names them by their beginning, with the reason; `why` says the kind of reason, and each kind has a rule that
a statement must meet, so that none is listed that could be run.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from attrs import frozen

from tests.documents.blocks import Block, all_blocks

LIST = Path(__file__).with_name("not_run.toml")
FOLLOWED = re.compile(r"docs/tutorial/")
"""Pages whose terminals are followed from their first line to their last, several at once, by `scripts/tutorial`: not here."""

OWN = r"(?:\S*/)?homeiq-ingest"
KINDS: Mapping[str, re.Pattern[str]] = {
    "systemd": re.compile(rf"(systemctl|journalctl|loginctl|systemd-\w+|{OWN} systemd)\b"),
    "terminal": re.compile(rf"{OWN} (init|systemd uninstall)\b"),
    "minutes": re.compile(r"(\w+=\S+ )*(bash |sh )?(\S*/nox|nox|\S*\.ci/run|\S*scripts/[\w/-]+|python3 -m scripts)\b"),
    "program": re.compile(
        r"(\w+=\S+ )*(docker|podman|buildah|podman-compose|influx|ha|ssh|scp|rsync|pipx?|uvx?|apt|apt-get|git|gh|python3 -m (pip|venv))\b"
    ),
    "name": re.compile(r".*(\b[A-Z]{2,}\b|/path/to/)", re.DOTALL),
    "machine": re.compile(r"(mount|umount|useradd|chown|reboot|shutdown|ufw|iptables|nft)\b"),
    "elsewhere": re.compile(r"."),
}
"""What must stand in a statement that is not run: it asks systemd, or a person at a terminal; it runs for minutes and is
what CI runs anyway; its program is not among those that CI installs; a name in it is for the reader to fill in; it changes
the machine. `elsewhere`: a test that the reason names does it with real servers."""


@frozen
class NotRun:
    """An entry: how the statement begins, which kind of reason, the reason, and the page when it is for one only."""

    starts: str
    why: str
    reason: str
    page: str = ""

    def names(self, block: Block, statement: str) -> bool:
        """True when this statement is meant. What asks a person may be told everything by options: then it can run."""
        said, end = bare(statement), len(self.starts)
        if self.page not in {"", block.page} or not said.startswith(self.starts):
            return False
        return not said[end:] if self.why == "terminal" else not re.match(r"\w", said[end:])


@cache
def not_run() -> tuple[NotRun, ...]:
    """The whole list."""
    return tuple(NotRun(**entry) for entry in tomllib.loads(LIST.read_text("utf-8"))["statement"])


def excused(block: Block, statement: str) -> NotRun | None:
    """The entry that names a statement."""
    return next((entry for entry in not_run() if entry.names(block, statement)), None)


def bare(statement: str) -> str:
    """The statement on one line, without comments and a leading `sudo`, the demo's program by its name."""
    text = re.sub(r"\\\n\s*", " ", statement).strip()
    text = re.sub(r"(?m)\s+#\s.*$", "", text)
    return re.sub(r"^(sudo (-\w+ (?=-|\S+ ))*)?(\.venv-demo/bin/(?=homeiq-ingest))?", "", text)


@cache
def run_otherwise(why: str) -> tuple[NotRun, ...]:
    """Statements that are run, but whose `answer` is another every time; or that have to be `refused`."""
    return tuple(NotRun(**entry, why=why) for entry in tomllib.loads(LIST.read_text("utf-8")).get(why, []))


@cache
def complaint(text: str) -> str:
    """What bash says of a text that it cannot read as it stands; empty when it can."""
    told = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False, timeout=10)
    return told.stderr


def statements(text: str) -> Iterator[str]:
    """A script's statements, each with all of its lines. A ValueError where bash cannot read the end."""
    piece = ""
    for line in text.splitlines(keepends=True):
        piece += line
        if not piece.strip() or piece.lstrip().startswith("#"):
            piece = ""
        elif not piece.endswith("\\\n") and not complaint(piece):
            yield piece
            piece = ""
    if piece:
        raise ValueError(complaint(piece))


@frozen
class Said:
    """A statement of a session, and what was shown below it."""

    statement: str
    shown: str


def session(text: str) -> Iterator[Said]:
    """A `console` block: each `$` begins a statement, `>` goes on with it, and the rest is what came out."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        last = next((at for at in range(len(lines)) if not complaint(_typed(lines[: at + 1]))), 0)
        yield Said(_typed(lines[: last + 1]), "".join(lines[last + 1 :]))


def _typed(lines: list[str]) -> str:
    return "".join([lines[0], *(line.removeprefix("> ") for line in lines[1:])])


def shell_blocks(*languages: str) -> list[Block]:
    """The blocks in which something is typed."""
    return [block for block in all_blocks(*languages) if not FOLLOWED.match(block.page)]


def shells() -> Iterator[tuple[Block, str]]:
    """Every statement that the documents show, in its block."""
    for block in shell_blocks("sh", "bash"):
        yield from ((block, statement) for statement in statements(block.text))
    for block in shell_blocks("console"):
        yield from ((block, each.statement) for each in session(block.text))
