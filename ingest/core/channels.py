"""Channels: which live events a client of `/ws` wants.

    *  all  events       everything (three names of one channel)
    light                every entity of a domain
    light.kitchen        one entity
    sensor.*_power       every entity_id that a glob agrees with

A client names them, the service chooses: what nobody wants is not even written down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from typing import Final, TypeAlias

EVERYTHING: Final = frozenset({"*", "all", "events"})

MOST: Final = 100
"""Channels that one client may have."""

GLOBS: Final = 20
"""How many of them may be globs: one of 255 characters takes a millisecond to compile, and meanwhile nothing comes in."""

LONGEST: Final = 255
"""Characters of a channel: Home Assistant allows an entity_id no more."""

WILD: Final = 8
"""How often `*`, `?` and `[` may stand in a glob: each multiplies what a comparison costs."""

_WORD: Final = re.compile(r"[A-Za-z0-9_.*?!\[\]-]+")
_WILD: Final = re.compile(r"[*?\[]")

Wants: TypeAlias = Callable[[str], bool]
"""True for the entity_ids that somebody wants to hear of."""


def channels_of(given: object) -> tuple[str, ...]:
    """The channels in a message, in order and each once. Raises `ValueError` with a sentence that names the fault."""
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise ValueError('"channels" must be a list of texts')
    if not given:
        raise ValueError('"channels" is empty: name a domain, an entity_id, a glob, or * for everything')
    for each in given:
        if len(each) > LONGEST or not _WORD.fullmatch(each):
            raise ValueError(f"{each[:40]!r} is no channel: name a domain, an entity_id, a glob, or * for everything")
        if len(_WILD.findall(each)) > WILD:
            raise ValueError(f"{each[:40]!r} has more than {WILD} of * ? [")
    return joined((), given)


def joined(known: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    """Both, in order and each once. Raises `ValueError` with a sentence when that is too many."""
    together = tuple(dict.fromkeys((*known, *more)))
    if len(together) > MOST:
        raise ValueError(f"{len(together)} channels are more than {MOST}: a glob stands for many")
    globs = sum(_is_glob(each) for each in together)
    if globs > GLOBS:
        raise ValueError(f"{globs} globs are more than {GLOBS}: a domain stands for many, and * for everything")
    return together


def _is_glob(channel: str) -> bool:
    return channel not in EVERYTHING and _WILD.search(channel) is not None


def alike(channels: Iterable[str]) -> frozenset[str]:
    """The same for all that want the same, as far as that is easily told."""
    known = frozenset(channels)
    return frozenset({"*"}) if known & EVERYTHING else known


def wanting(channels: frozenset[str]) -> Wants:
    """What these channels want."""
    if channels & EVERYTHING:
        return lambda _: True
    globs = re.compile("|".join(translate(each) for each in sorted(channels) if _is_glob(each)) or "(?!)").match
    return lambda entity_id: (
        entity_id in channels or entity_id.partition(".")[0] in channels or globs(entity_id) is not None
    )
