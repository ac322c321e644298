"""The text of a configuration with other settings, for everybody to read.

Its comments are kept, but for those that tell a secret.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from attrs import frozen

from ingest.config.secrets import TWINS
from ingest.config.settings import SECTIONS
from ingest.config.toml import toml_value
from ingest.config.write import render
from ingest.core.secret import SHORTEST, Secret
from ingest.core.token import looks_like_token

Edits: TypeAlias = Mapping[str, tuple[str, object] | None]
"""By the setting that is there: the setting and value in its place; None: it goes."""

_HEADING: Final = re.compile(r"\s*\[\s*([\w.-]+)\s*\]")
_KEY: Final = re.compile(r"\s*([\w.-]+)\s*=")
_COMMENT: Final = re.compile(r"\s*#")
_SECRETS: Final = "|".join(sorted({name.rpartition(".")[2] for name in TWINS}))
_ASSIGNED: Final = re.compile(rf"(?:{_SECRETS}|pass(?:word|wd)?|secret)[\"']?\s*[=:]", re.IGNORECASE)
"""A secret that is given, also by a name in the environment: HA_TOKEN=…"""
_BARE: Final = re.compile(r"eyJ[\w-]{10,}\.|[^\s:/@]+:[^\s/@]+@")
"""A token of Home Assistant's wherever it stands, and an address with a password."""
_BETWEEN: Final = (re.compile(r"[^\w.+/-]+"), re.compile(r"[^\w.+/=-]+"))
"""What stands between words; an equals sign may belong to one."""


@frozen
class Public:
    """A text that everybody may read, and what to say of the comments that are not in it any more."""

    text: str
    remarks: tuple[str, ...] = ()


def settings_in(text: str) -> dict[str, object]:
    """What a TOML text gives, by dotted name. Raises `tomllib.TOMLDecodeError`."""
    return dict(_flat(tomllib.loads(text)))


def edited(text: str, edits: Edits, secrets: Collection[Secret]) -> Public:
    """The text with some settings changed or gone; written anew where it is too artful for that, or still tells a secret."""
    table = settings_in(text)
    wanted = {name: value for name, value in table.items() if name not in edits}
    wanted |= dict(edit for edit in edits.values() if edit is not None)
    lines = re.split(r"(?<=\n)", text)  # as TOML does: other ends of lines are part of one
    telling = {at for at, line in enumerate(lines, 1) if _COMMENT.match(line) and _tells(line, secrets)}
    draft = "".join(_changed((line for at, line in enumerate(lines, 1) if at not in telling), edits))
    if not _gives(draft, wanted):
        return Public(render(wanted))
    if any(_tells(line, secrets) for line in draft.split("\n")):
        why = "a comment seems to tell a secret, and everybody can read this file: it is written without its comments"
        return Public(render(wanted), (why,))
    if not telling:
        return Public(draft)
    why = "left out, because everybody can read this file and it seems to tell a secret: the comment in line"
    return Public(draft, tuple(f"{why} {at}" for at in sorted(telling)))


def _gives(draft: str, wanted: Mapping[str, object]) -> bool:
    try:
        return settings_in(draft) == wanted
    except tomllib.TOMLDecodeError:
        return False


def _flat(table: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if name in SECTIONS and isinstance(value, Mapping):
            yield from ((f"{name}.{key}", inner) for key, inner in value.items())
        else:
            yield name, value


def _changed(lines: Iterable[str], edits: Edits) -> Iterator[str]:
    section = ""
    for line in lines:
        if heading := _HEADING.match(line):
            section = f"{heading[1]}."
        key = _KEY.match(line)
        name = f"{section}{key[1]}" if key else ""
        if name not in edits:
            yield line
        elif edit := edits[name]:
            yield f"{edit[0].removeprefix(section)} = {toml_value(edit[1])}\n"


def _tells(line: str, secrets: Iterable[Secret]) -> bool:
    """Whether a secret is in it, or its comment gives one or holds what looks like one: an old token may still be good."""
    comment = line.partition("#")[2]
    return (
        any(len(each.reveal()) >= SHORTEST and each.reveal() in line for each in secrets)
        or _ASSIGNED.search(comment) is not None
        or _BARE.search(comment) is not None
        or any(looks_like_token(word.strip(".")) for between in _BETWEEN for word in between.split(comment))
    )
