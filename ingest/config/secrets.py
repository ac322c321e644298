"""Secrets in files: a setting `token` has a twin `token_file`, which may also be a systemd credential."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Final

from ingest.config.settings import KEYS
from ingest.core.secret import Secret
from ingest.errors import Refused

TWINS: Final[Mapping[str, str]] = {name: f"{name}_file" for name, key in KEYS.items() if key.kind.secret}
"""Each secret setting and the setting that names its file."""
_FOLDER: Final = (
    "Name the file in it that holds the secret; Docker makes such a folder where the file to mount is missing"
)
_LARGEST: Final = 64 * 1024
_LONG: Final = 32


def read_secret(path: Path) -> Secret:
    """The secret that a file holds, without the line's end. Read it again whenever the file changes.

    Raises `Refused` when the file cannot be read or holds no text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except IsADirectoryError:
        raise Refused(f"{path} is a folder, not a file", where=str(path), remedy=_FOLDER) from None
    except OSError as error:
        raise _refused(f"cannot be read: {error.strerror}", path, allowed=not is_forbidden(error)) from error
    try:
        text = data.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise _refused("is not a text", path) from None
    if not text or len(data) > _LARGEST:
        raise _refused("is empty" if not text else "is far too large for a secret", path)
    return Secret(text)


def readable_by_all(path: Path) -> bool:
    """Whether every user of this machine can read this file, and get to it. Raises `OSError`."""
    real = path.resolve()
    return bool(real.stat().st_mode & stat.S_IROTH) and all(map(_lets_all_through, real.parents))


def _lets_all_through(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IXOTH)


def credentials(environ: Mapping[str, str]) -> Mapping[str, Path]:
    """The systemd credentials that are named as a secret setting: `$CREDENTIALS_DIRECTORY/home_assistant.token`."""
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        return {}
    # Not `is_file()`: before 254 systemd names the folder to the command of a reload, too, and does not let it in.
    return {name: path for name in TWINS if os.path.isfile(path := Path(directory, name))}  # noqa: PTH113


def is_forbidden(error: BaseException | None) -> bool:
    """True when a file may not be read by this user, whatever is in it."""
    return isinstance(error, PermissionError)


def _refused(what: str, path: Path, *, allowed: bool = True) -> Refused:
    remedy = f"Let the file hold the secret alone, readable by the user the service runs as (here uid {os.geteuid()})"
    if not allowed:  # a secret of root's is not to be opened to whoever asks with a command
        itself = f"if this is the service itself (here uid {os.geteuid()}), let that user read the file"
        remedy = f"Run this with sudo, or as the user the service runs as; {itself}"
    if _may_be_the_secret(path):
        return Refused(f"the file {what} (its name is not shown: it may be the secret itself)", remedy=remedy)
    return Refused(f"the file {path} {what}", where=str(path), remedy=remedy)


def _may_be_the_secret(path: Path) -> bool:
    """True where a long name leads to nothing: people put the secret where its file belongs."""
    missing = takewhile(lambda each: not os.path.exists(each), (path, *path.parents))  # noqa: PTH110  takes any name
    return any(len(each.name) >= _LONG for each in missing)
