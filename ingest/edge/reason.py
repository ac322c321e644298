"""Why something failed, as the system says it: libraries and trio wrap that in words and groups of their own."""

from __future__ import annotations

import socket


def reason(error: BaseException) -> str:
    """In a few words; of several attempts to connect, why the first failed."""
    if isinstance(error, OSError) and error.__cause__ is not None and error.errno is None:
        return reason(_first(error.__cause__))
    text = str(getattr(error, "strerror", None) or str(error) or type(error).__name__)
    return text.rpartition(": ")[2] if text.startswith("Error connecting to") else text  # trio names the address, too


def reach(error: BaseException) -> str:
    """What to do about a server that cannot be reached."""
    if isinstance(error, socket.gaierror):
        return "No host of this name is known here: check it, or write the IP address instead."
    return "Is it running there, and are host and port right?"


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
