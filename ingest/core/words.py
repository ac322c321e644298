"""Small words that the sentences of reports and commands share: counts, lists that are cut short, what may be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from unicodedata import category

NAMED = 3
"""Names that a sentence lists at most."""

REPLACEMENT = "\ufffd"
JOINERS = "\u200c\u200d"

LAYOUT = "\n\t"
"""What a text of several lines keeps."""

_tagged = re.compile(r",domain=(\w+),entity_id=(\w+)")
_entity = re.compile(r'(?:\A|[,{" ]entity_id"?[=:]\s*"?)([^\W.]+\.[^\W.]+)(?=["\s,}]|\Z)')


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 point`, `1,234 points`; the plural has an `s` unless it is given."""
    return f"{count} {noun}" if count == 1 else f"{count:,} {plural or f'{noun}s'}"


def entities(count: int) -> str:
    """`1 entity`, `1,234 entities`."""
    return counted(count, "entity", "entities")


def cut(text: str, most: int) -> str:
    """At most so many characters; `…` says that there is more."""
    return text if len(text) <= most else text[: most - 1] + "…"


def printable(text: str, keep: str = "") -> str:
    """What a terminal would obey becomes a replacement character, each of them one: a state or a name may hold it.

    Spaces of any width, and what joins letters and emoji, stay; so do the characters of `keep`.
    """
    if text.isprintable():
        return text
    return "".join(each if _is_printable(each) or each in keep else REPLACEMENT for each in text)


def _is_printable(character: str) -> bool:
    return character.isprintable() or character in JOINERS or category(character) == "Zs"


def waits(count: int) -> str:
    """`1 point waits`, `7 points wait`."""
    return f"{counted(count, 'point')} {'waits' if count == 1 else 'wait'}"


def all_is_well(waiting: int, refused: int) -> str:
    """What is said of a healthy service: what is not stored is named also then."""
    last = f", the last {counted(waiting, 'point')} on the way to the store" if waiting else " and stored"
    others = f"; {counted(refused, 'point')} refused since the start" if refused else ""
    return f"every change is received{last}{others}"


def entity_of(text: str) -> str:
    """The entity that a refused line, or the JSON of a change, is about; empty when it does not say."""
    if found := _entity.search(text):
        return found[1]
    return f"{found[1]}.{found[2]}" if (found := _tagged.search(text)) else ""


def some(names: Iterable[str]) -> str:
    """The first few different ones: `a, b, c and 4 more`."""
    distinct = list(dict.fromkeys(each for each in names if each))
    more = f" and {len(distinct) - NAMED} more" if len(distinct) > NAMED else ""
    return ", ".join(distinct[:NAMED]) + more
