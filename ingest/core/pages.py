"""A page for a browser, where something else was expected: what it calls itself."""

from __future__ import annotations

import html
import re
from typing import Final

from ingest.core.influx_answer import Answer, is_page
from ingest.core.words import cut

_TITLE: Final = re.compile(r"<title[^>]*>([^<]*)</title>", re.IGNORECASE)

LONGEST: Final = 60
"""Characters of a title that are told."""


def title(answer: Answer) -> str:
    """What the page calls itself; empty when it does not say, or is none."""
    found = _TITLE.search(answer.text) if is_page(answer) else None
    return cut(" ".join(html.unescape(found[1]).split()), LONGEST) if found else ""
