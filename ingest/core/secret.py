"""A text that must not be seen: masked wherever it is printed, shown only by `reveal()`.

Whom we send a secret to may say it back, in an error or in a header, and a bug may have it in its words. So what others
wrote, and what breaks, goes through `masked` before a person sees it: it knows every secret that this process was given.
"""

from __future__ import annotations

import hmac
import re
from functools import lru_cache
from typing import Final, NoReturn
from urllib.parse import quote

MASK: Final = "********"

SHORTEST: Final = 8
"""Characters of a secret that is looked for in texts: a shorter one stands in ordinary words."""

REMEMBERED: Final = 256
"""So many secrets are, the latest: a file's is another one each time that it is changed."""

_known: tuple[str, ...] = ()
"""Replaced whole: another thread may be masking something meanwhile."""


class Secret:
    """A token or password. A plain class on purpose: `attrs.asdict` and its like cannot look inside."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text
        _remember(text)

    def reveal(self) -> str:
        """The text itself, for the one line that sends it."""
        return self.__text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_octets(self.__text), _octets(other.__text))

    def __hash__(self) -> int:
        return hash(self.__text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: it would be written in clear")


def masked(text: str) -> str:
    """The text without any secret of this process, in whatever capitals, plain or as an address has it."""
    forms, small = _forms(_known), text.lower()
    if not any(map(small.__contains__, forms)):  # nearly always, and ten times as fast as to look and replace
        return text
    return _pattern(forms).sub(MASK, text)


def _remember(text: str) -> None:
    global _known  # noqa: PLW0603  a process has one memory of its secrets
    if len(text) >= SHORTEST:  # what is read again is the latest, however long it has been known
        _known = (*(each for each in _known if each != text), text)[-REMEMBERED:]


@lru_cache(maxsize=1)
def _forms(texts: tuple[str, ...]) -> tuple[str, ...]:
    """In small letters, the longest first: it may begin with another."""
    made = {form.lower() for text in texts for form in (text, quote(text, safe="", errors="replace"))}
    return tuple(sorted(made, key=len, reverse=True))


@lru_cache(maxsize=1)
def _pattern(forms: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, forms)), re.IGNORECASE)


def _octets(text: str) -> bytes:
    # A variable of the environment may hold bytes that are no text; they arrive as lone surrogates.
    return text.encode(errors="surrogatepass")
