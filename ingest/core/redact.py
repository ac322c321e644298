"""Taking secrets out of text that a person may see: excerpts of messages and dead letters.

Home Assistant puts short-lived access tokens into attributes (`access_token`, and `?token=…` in `entity_picture`) and
answers some commands with others. What is kept for a person to read is kept without them.
"""

from __future__ import annotations

import re

MASK = "********"

_VALUES = re.compile(r'("(?:[a-z_]*token|password|secret|api_key|webhook_id)\\*"\s*:\s*\\*")[^"\\]*', re.IGNORECASE)
_QUERIES = re.compile(r"([?&](?:token|access_token|authSig)=)[^\"&\\\s]*")


def redacted(text: str) -> str:
    """The text with every value that looks like a secret masked."""
    return _QUERIES.sub(rf"\g<1>{MASK}", _VALUES.sub(rf"\g<1>{MASK}", text))
