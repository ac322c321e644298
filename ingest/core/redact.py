"""Taking secrets out of text that a person may see: excerpts of messages and dead letters.

Home Assistant puts short-lived access tokens into attributes (`access_token`, and `?token=…` in `entity_picture`) and
answers some commands with others. What is kept for a person to read is kept without them, and without our own.
"""

from __future__ import annotations

import re

from ingest.core.secret import MASK, masked

# JSON may stand in a string of JSON: then its quotes come with backslashes, `q` of them. What is in a text ends at the
# next quote with exactly `q`; a pair of (q + 1) backslashes is one of the text's own, and 2q + 1 before a quote as well.
_VALUES = re.compile(
    r"""
    (?P<key> "(?:[\w-]*(?:token|password|secret|api[_-]?key)|webhook_id)(?P<q>\\*)"\s*:\s* )
    (?: (?P=q)" (?: (?:\\(?P=q)){2} | \\(?P=q)(?P=q)" | (?!(?P=q)"). )* | -?\d[\w.+-]* (?P<number>) )
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_QUERIES = re.compile(r"([?&](?:token|access_token|authSig)=)[^\"&\\\s]*")


def _masked(found: re.Match[str]) -> str:
    quote = found["q"] + '"'
    end = quote if found["number"] is not None else ""
    return f"{found['key']}{quote}{MASK}{end}"


def redacted(text: str) -> str:
    """The text with every value that looks like a secret masked, and every secret of this process."""
    return masked(_QUERIES.sub(rf"\g<1>{MASK}", _VALUES.sub(_masked, text)))
