"""How a command is refused: the code and the words of Home Assistant."""

from __future__ import annotations


class CommandError(Exception):
    """A command is refused: `code` is what clients match, `more` further keys of the error."""

    def __init__(self, code: str, message: str, **more: object) -> None:
        super().__init__(message)
        self.code, self.message, self.more = code, message, more
