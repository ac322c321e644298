"""Back-ups of what the service remembers, made beside it, and putting one back.

The state file is copied first, the embedded store after it: of all that the ledger's copy calls stored, the store's copy
has everything. What came in between is in the store and not in the ledger; the history is asked for it once more, and what
it tells replaces nothing.

A back-up is all of its files or none, and nothing is ever written over: what is in the way of a restore is renamed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Final

from attrs import frozen

from ingest.edge.aside import PARTS, moved_aside
from ingest.edge.database_copy import Look, check_sound, draft_of, sync
from ingest.edge.database_file import is_there
from ingest.edge.sqlite import Connection, open_reader, pragma, translated
from ingest.edge.state_read import state_read
from ingest.edge.state_versions import VERSION
from ingest.errors import Refused, Transient

BEFORE: Final = "before-restore"
"""What the name of a file that was in the way ends with, and a time."""

_REMEDY: Final = "Restart the service, which repairs a state file and sets a damaged store aside, then run this again."
_EARLIER: Final = "Take an earlier back-up."


@frozen
class Kept:
    """A file at `path` that is `name` in a back-up; `check` raises `Refused` for one that is not of its kind."""

    path: Path
    name: str
    check: Callable[[Connection, Path], None]


def check_state(connection: Connection, path: Path) -> None:
    """Raises `Refused` unless it is a state file that this program can use."""
    found = int(pragma(connection, "user_version"))
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'batch'").fetchone():
        raise Refused("this file is no state file of homeiq-ingest", where=str(path), remedy=_EARLIER)
    if found > VERSION:
        what = f"the state file is of version {found}, this program knows {VERSION}"
        raise Refused(what, where=str(path), remedy="Use the version that made it.")


def back_up(files: Sequence[Kept], folder: Path, look: Look) -> list[Path]:
    """Copy the files into `folder`, which is made, in their order; blocking. The service may run.

    Raises `Refused` where a file of such a name is there, and as `draft_of`; then nothing is left there.
    """
    made, drafts = not is_there(folder), list[Path]()
    try:
        _make(folder, files)
        for each in files:
            drafts.append(draft_of(each.path, folder / each.name, look))
            check_sound(drafts[-1], _REMEDY)
        return [_named(draft, folder / each.name) for draft, each in zip(drafts, files, strict=True)]
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
        if made:
            with suppress(OSError):  # a back-up is in it
                folder.rmdir()


def restore(files: Sequence[Kept], folder: Path, now_ns: int, look: Look) -> list[Path]:
    """Put the files of the back-up in `folder` to where they belong; blocking. No service may run.

    Returns what was there, under its new name. Raises `Refused` for files that are not of their kind, and as `draft_of`;
    what was there is there then.
    """
    drafts = list[Path]()
    try:
        for each in files:
            _check(each, folder / each.name)
        for each in files:
            drafts.append(draft_of(folder / each.name, each.path, look))
        with ExitStack() as undo:
            there = [_put(draft, each.path, now_ns, undo) for draft, each in zip(drafts, files, strict=True)]
            undo.pop_all()
        return [aside for aside in there if aside]
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)


def known_until(state: Path) -> int:
    """Until when a state file knows the home, in nanoseconds; 0: it does not say. Raises as `state_read`."""
    with state_read(state) as connection, translated(state):
        return int(connection.execute("SELECT coalesce(max(heard_ns), 0) FROM coverage").fetchone()[0])


def _make(folder: Path, files: Sequence[Kept]) -> None:
    taken = [each.name for each in files if is_there(folder / each.name)]
    if taken:
        what = f"there is a {taken[0]} already, and no back-up is written over"
        raise Refused(what, where=str(folder), remedy="Give a folder of its own to each, such as one named by the day.")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        remedy = "Choose another place, or give this user the right to write there."
        raise Refused(f"the folder cannot be made: {error.strerror}", where=str(folder), remedy=remedy) from error


def _named(draft: Path, path: Path) -> Path:
    try:
        draft.rename(path)
    except OSError as error:
        raise Transient(f"the copy cannot be given its name: {error.strerror}", where=str(path)) from error
    with suppress(OSError):  # some file systems of a network know no such thing
        sync(path.parent)
    return path


def _check(kept: Kept, file: Path) -> None:
    with closing(open_reader(file)) as connection, translated(file):
        kept.check(connection, file)
    check_sound(file, _EARLIER)


def _put(draft: Path, path: Path, now_ns: int, undo: ExitStack) -> Path | None:
    """The log of what was there goes with it: beside another file it would be taken for that one's."""
    aside = None
    if any(path.with_name(path.name + suffix).exists() for suffix in PARTS):
        try:
            aside = moved_aside(path, BEFORE, now_ns)
        except OSError as error:
            raise Transient(f"it cannot be renamed: {error.strerror}", where=str(path)) from error
    undo.callback(_put_back, draft, path, aside)
    _named(draft, path)
    return aside


def _put_back(draft: Path, path: Path, aside: Path | None) -> None:
    """As it was before `_put`; what cannot be renamed now keeps the name that says what it is."""
    with suppress(OSError):
        if not draft.exists():
            path.rename(draft)
        for suffix in PARTS:
            if aside and (part := aside.with_name(aside.name + suffix)).exists():
                part.rename(path.with_name(path.name + suffix))
