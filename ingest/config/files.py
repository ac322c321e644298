"""The configuration file: where it is looked for, and its text as tables."""

from __future__ import annotations

import os
import pwd
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ingest.config.options import PREFIX
from ingest.errors import Refused

FILE_VARIABLE: Final = f"{PREFIX}CONFIG"
SYSTEM_FILE: Final = Path("/etc/homeiq-ingest/config.toml")
SYSTEM_STATE: Final = Path("/var/lib/homeiq-ingest")
"""Where systemd makes the folder of `StateDirectory=homeiq-ingest`."""
FOLDER_REMEDY: Final = "Give its folder back to the user it belongs to, or run this as root"
"""What to do where a configuration cannot be looked at."""


def find(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read: the given one, $HOMEIQ_INGEST_CONFIG's, else the first that exists of the user's and /etc's.

    The working directory is not searched: a file that lies about there could send the token elsewhere.
    Raises `Refused` where the variable's begins with the home of somebody unknown.
    """
    if (named := path or _named(environ)) is not None:
        return named
    return next((each for each in searched(environ) if os.path.lexists(each)), None)


def of_the_choice(path: Path | None, environ: Mapping[str, str]) -> Iterator[str]:
    """What a person should know of what `find` finds: that another one was passed over, or that none could be looked for."""
    if path or environ.get(FILE_VARIABLE):
        return
    for each in searched(environ):
        try:
            each.lstat()
        except PermissionError as error:
            yield f"whether there is a configuration {each} cannot be seen: {error.strerror}"
        except OSError:
            continue
        else:
            if each != SYSTEM_FILE and os.path.lexists(SYSTEM_FILE):
                yield f"this reads {each}, and the installed service {SYSTEM_FILE}: --config says which"
            return


def new_file(environ: Mapping[str, str]) -> Path:
    """Where a configuration is written that `find` finds before any other. Raises `Refused` as that, and without a home."""
    if (named := _named(environ)) is not None:
        return named
    first = next(searched(environ))
    if first == SYSTEM_FILE:
        remedy = "Name a file with --output, or set HOME."
        raise Refused("no home directory is known, where a person's configuration would be", remedy=remedy)
    return first


def _named(environ: Mapping[str, str]) -> Path | None:
    if not (named := environ.get(FILE_VARIABLE)):
        return None
    try:
        return Path(named).expanduser()
    except RuntimeError as error:
        remedy = "Write the whole path"
        raise Refused(
            f"{FILE_VARIABLE} begins with a home directory that is not known", where=named, remedy=remedy
        ) from error


def searched(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where a file is looked for when none is named, the first first."""
    user = user_directory(environ, "XDG_CONFIG_HOME", ".config")
    if user is not None:
        yield user / "homeiq-ingest" / "config.toml"
    yield SYSTEM_FILE


def user_directory(environ: Mapping[str, str], variable: str, fallback: str) -> Path | None:
    """A directory of the XDG specification: the variable when it is absolute, else below the home of who runs this."""
    named = environ.get(variable, "")
    if Path(named).is_absolute():
        return Path(named)
    home = environ.get("HOME") or passwd_home()
    return Path(home, fallback) if home else None


def passwd_home() -> str | None:
    """Of who has no $HOME, as under `env -i`; None for a user whom no passwd knows, as in a container."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return None


def read_toml(path: Path) -> dict[str, Any]:
    """The file's tables. Raises `Refused` when it cannot be read or is not TOML, with line and column."""
    try:
        data = path.read_bytes()
    except OSError as error:
        remedy = "Check the name, and that the user who runs this may read it"
        raise Refused(
            f"the configuration file cannot be read: {error.strerror}", where=str(path), remedy=remedy
        ) from error
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _not_toml(f"a byte that is not UTF-8 ({_place(data, error.start)})", path) from None
    except (ValueError, RecursionError) as error:
        raise _not_toml(str(error), path) from None


_TWICE: Final = re.compile(r"Cannot declare \((.*?),?\) twice (.*)")
_VALUE_TWICE: Final = re.compile(r"Cannot overwrite a value (.*)")
"""What `tomllib` says of a section, and of a key, that is there already."""


def _not_toml(what: str, path: Path) -> Refused:
    remedy = "Fix that line: texts are in quotes, and a section is a line such as [home_assistant]"
    if found := _TWICE.fullmatch(what):
        name = ".".join(part.strip("'\"") for part in found[1].split(", "))
        what = f"the section [{name}] is there twice {found[2]}"
        remedy = "Put what stands below both under one of them, and take the other out"
    elif found := _VALUE_TWICE.fullmatch(what):
        what, remedy = f"what this line gives is there already {found[1]}", "Keep one of the two"
    return Refused(f"the configuration file is not TOML: {what}", where=str(path), remedy=remedy)


def _place(data: bytes, offset: int) -> str:
    lines = data[:offset].split(b"\n")
    return f"at line {len(lines)}, column {len(lines[-1]) + 1}"
