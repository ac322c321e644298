"""What is wrong with a token, seen before anybody is asked: a refused one counts towards Home Assistant's IP ban.

Long-lived tokens of Home Assistant are JSON web tokens (183 characters); the supervisor's are 112 hexadecimal digits.
Every answer completes "the token …" and holds nothing of the token.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from typing import Final

from ingest.core.urls import SUPERVISOR

MAKE_ONE: Final = (
    "Make a long-lived access token in Home Assistant (your profile, Security, at the bottom) and put it into"
    " home_assistant.token_file or home_assistant.token."
)
"""What to do about a token that is none, or none any more."""

SEES_ALL: Final = "Make the token as a user who may see every entity."
"""What to do about one that may not ask for what is stored."""

_RESTART: Final = (
    "Restart the app: its Supervisor gives it another token at every start. If it stays so, `homeassistant_api: true` is"
    " missing from its config.yaml."
)
_SHORTEST: Final = 32
_SIGNATURE: Final = 43
"""Characters of an HS256 signature, the shortest that Home Assistant makes."""
_LABEL: Final = 63
"""Characters between two dots of a host's name at most."""
_LATEST: Final = 253_402_300_800
"""The year 10000: later is no time."""
_BRACKETED: Final = re.compile(r"<.*>|\[.*\]|\$\{.*\}|\{\{.*\}\}|%.*%", re.DOTALL)
_STAND_INS: Final = {"changeme", "none", "null", "placeholder", "todo", "token"}
_TELLTALE: Final = {"your", "paste", "insert", "replace", "here"}
_PREFIX: Final = re.compile(r"(bearer|token)\s", re.IGNORECASE)
_QUOTES: Final = "\"'`“”‘’„"


def token_problem(text: str) -> str | None:
    """What makes `text` no token of Home Assistant, or None when only the server can tell."""
    general = secret_problem(text)
    if general is not None:
        return general
    if re.search(r"\s", text):
        return "holds a space"
    if text.startswith("eyJ"):
        return _jwt_problem(text)
    if len(text) < _SHORTEST:
        return f"is too short ({len(text)} characters; a long-lived access token has about 180)"
    return None


def looks_like_token(text: str) -> bool:
    """Whether what was given as an address is rather a token, as no host is called: it must not be looked up or shown."""
    bare = re.sub(r"^\w+://", "", _PREFIX.sub("", text.strip()))
    if bare.startswith("eyJ"):
        return True
    if "." not in bare and ":" not in bare:  # what a database calls a token may hold a slash
        return len(bare) > _LABEL
    return any(len(part) > _LABEL for part in re.split(r"[/:?#]", bare)[0].split("."))


def token_remedy(where: str) -> str:
    """What to do when the token is not accepted at this address."""
    return _RESTART if where == SUPERVISOR else MAKE_ONE


def secret_problem(text: str) -> str | None:
    """What makes `text` unfit to be sent as any token or key in a header."""
    return next((words for words, is_so in _FAULTS if is_so(text)), None)


def _is_placeholder(text: str) -> bool:
    words = re.split(r"[-_ ]+", text.lower())
    is_sentence = all(word.isalpha() for word in words) and not _TELLTALE.isdisjoint(words)
    is_filling = len(text) > 2 and len(set(text)) == 1
    return is_sentence or is_filling or "".join(words) in _STAND_INS or _BRACKETED.fullmatch(text) is not None


_FAULTS: Final[Sequence[tuple[str, Callable[[str], object]]]] = (
    ("is empty", lambda text: not text.strip()),
    ("is wrapped in quotes", lambda text: text[0] in _QUOTES or text[-1] in _QUOTES),
    ("holds a newline", lambda text: "\n" in text or "\r" in text),
    ("starts or ends with a space", lambda text: text != text.strip()),
    ('starts with "Bearer " or "Token ", which is not part of it', _PREFIX.match),
    ("holds a character that no token has", lambda text: not text.isascii() or not text.isprintable()),
    ("is still a placeholder", _is_placeholder),
)
"""The first that holds is the one to name."""


def _jwt_problem(text: str) -> str | None:
    parts = text.split(".")
    if len(parts) != 3:
        return f"looks cut off: a JSON web token has three parts between dots, this has {len(parts)}"
    if not all(_is_object(part) for part in parts[:2]):
        return "is damaged: its first two parts do not decode (characters are missing or were changed)"
    if len(parts[2]) < _SIGNATURE or _decoded(parts[2]) is None:
        return "looks cut off: its signature is incomplete"
    return None


def lifetime(text: str) -> tuple[float, float] | None:
    """When a JSON web token was made and when it ends, in seconds since 1970; None where it does not say."""
    parts = text.split(".")
    if len(parts) != 3 or not _is_object(parts[1]):
        return None
    said = json.loads(_decoded(parts[1]) or b"")
    times = [said.get(name) for name in ("iat", "exp")]
    begun, end = (each if isinstance(each, int | float) and 0 <= each < _LATEST else None for each in times)
    return None if begun is None or end is None else (begun, end)


def _is_object(part: str) -> bool:
    try:
        return isinstance(json.loads(_decoded(part) or b""), dict)
    except (ValueError, RecursionError):
        return False


def _decoded(part: str) -> bytes | None:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
