"""What changes the machine, a step each. A dry run says them and does none; what is so already is not done again."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import click
from attrs import define

from ingest.core.secret import Secret
from ingest.edge.foreign import Runner, run
from ingest.errors import Refused


@define
class Steps:
    """`changed`: some file was not as it should be. Every step raises `Refused` where the disk does not take it."""

    dry: bool = False
    runner: Runner = run
    changed: bool = False

    def say(self, sentence: str) -> None:
        """Tell the person, who may have gone: what is under way comes to its end all the same."""
        with suppress(OSError):
            click.echo(sentence)

    def folder(self, path: Path, mode: int = 0o755) -> None:
        """A folder is there, with those above it, and has these rights."""
        with suppress(OSError):  # who tries a dry run may not look into every one
            if path.is_dir() and path.stat().st_mode & 0o7777 == mode:
                return
        if not self._goes_on(f"make  {path}/ (mode {mode:04o})"):
            return
        with _explained(path):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(mode)

    def file(self, path: Path, content: str | bytes | Secret, mode: int = 0o644) -> None:
        """A file holds that, written whole or not at all."""
        text = content.reveal() + "\n" if isinstance(content, Secret) else content
        data = text.encode() if isinstance(text, str) else text
        with suppress(OSError):
            if path.read_bytes() == data and path.stat().st_mode & 0o7777 == mode:
                return
        if not self._goes_on(f"write {path} (mode {mode:04o})"):
            return
        with _explained(path):
            draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            try:
                _create(draft, data, mode)
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)

    def link(self, path: Path, target: Path) -> None:
        """A link leads there; one that is there leads elsewhere from one moment to the next."""
        if path.is_symlink() and path.readlink() == target:
            return
        if not self._goes_on(f"link  {path} -> {target}"):
            return
        with _explained(path):
            draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            try:
                draft.symlink_to(target)
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)

    def remove(self, path: Path) -> None:
        """It is gone, with all that is in it."""
        if not os.path.lexists(path) or not self._goes_on(f"remove {path}"):
            return
        with _explained(path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def command(self, command: Sequence[str], seconds: float) -> str:
        """What a program says; nothing in a dry run. Raises as `run`."""
        if not self.dry:
            return self.runner(command, seconds)
        self.say(f"run   {shlex.join(command)}")
        return ""

    def _goes_on(self, step: str) -> bool:
        self.changed = True
        if self.dry:
            self.say(step)
        return not self.dry


def _create(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "Look at the disk, then run this again: what is done already is not done twice."
        raise Refused(f"it cannot be changed: {error.strerror}", where=str(path), remedy=remedy) from error
