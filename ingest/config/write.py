"""A first configuration file: what was asked, each with its meaning, readable by its owner only."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from ingest.config.complaint import complaint
from ingest.config.kinds import Wrong
from ingest.config.options import Key
from ingest.config.settings import KEYS
from ingest.config.toml import toml_value
from ingest.core.secret import Secret
from ingest.errors import Problems, Refused

_HEAD: Final = """\
# Configuration of homeiq-ingest.
# `homeiq-ingest config show` lists every setting, its value and where it came from.
"""


def render(values: Mapping[str, object], remarks: Sequence[str] = ()) -> str:
    """The text of a file that gives these values (by dotted name, in any form that `load` takes), after some remarks.

    It holds the secrets among them in clear. Raises `Problems` for values that `load` would not take.
    """
    _check(values)
    given = [key for name, key in KEYS.items() if values.get(name) is not None]
    parts = [_HEAD + "".join(f"# {each}\n" for each in remarks)]
    for section, keys in groupby(given, key=_section):
        parts.append("\n".join(_lines(section, list(keys), values)))
    return "\n".join(parts)


def write(path: Path, values: Mapping[str, object], remarks: Sequence[str] = (), *, force: bool = False) -> None:
    """Write a configuration file, as `write_own` does. Raises as that, and `Problems` as `render`."""
    write_own(path, render(values, remarks), "the configuration file", force=force)


def write_own(path: Path, text: str, what: str, *, force: bool = False) -> None:
    """Write a file with mode 0600, whole or not at all, and its directory when it is missing.

    Raises `Refused`, which calls it `what`, when it exists and `force` is not said, or cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if path.parent.exists() and not path.parent.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{path.parent} is a file and no folder")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(draft, text)
        try:
            _put(draft, path, force=force)
        finally:
            draft.unlink(missing_ok=True)
    except FileExistsError:
        raise Refused(f"{what} exists already", where=str(path), remedy="Add --force to replace it") from None
    except OSError as error:
        remedy = "Choose another place, or run as a user who may write there"
        raise Refused(f"{what} cannot be written: {error.strerror}", where=str(path), remedy=remedy) from error


def _create(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _put(draft: Path, path: Path, *, force: bool) -> None:
    if force:
        draft.replace(path)
    else:
        # A link, unlike a rename, fails when the name is taken.
        path.hardlink_to(draft)


def _check(values: Mapping[str, object]) -> None:
    problems = []
    for name, value in values.items():
        try:
            KEYS[name].kind.parse("" if value is None and KEYS[name].kind.optional else value)
        except Wrong as error:
            problems += [complaint(name, "", what, f"Give {KEYS[name].kind.wanted}") for what in error.args]
    if problems:
        raise Problems(tuple(problems))


def _section(key: Key) -> str:
    return key.name.rpartition(".")[0]


def _lines(section: str, keys: list[Key], values: Mapping[str, object]) -> Iterator[str]:
    if section:
        yield f"[{section}]"
    for key in keys:
        yield f"# {key.option.doc}"
        yield f"{key.name.rpartition('.')[2]} = {_on_lines(_plain(key, values[key.name]))}"
    yield ""


def _on_lines(value: object) -> str:
    """A list of tables with a line for each."""
    if not isinstance(value, list) or len(value) < 2 or not isinstance(value[0], Mapping):
        return toml_value(value)
    return "[\n" + "".join(f"  {toml_value(each)},\n" for each in value) + "]"


def _plain(key: Key, value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    return value if isinstance(value, str | int | float) else key.kind.show(key.kind.parse(value))
