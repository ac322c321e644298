"""A text that must not be seen: masked wherever it is printed, shown only by `reveal()`."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

MASK: Final = "********"


class Secret:
    """A token or password. A plain class on purpose: `attrs.asdict` and its like cannot look inside."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

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


def _octets(text: str) -> bytes:
    # A variable of the environment may hold bytes that are no text; they arrive as lone surrogates.
    return text.encode(errors="surrogatepass")
