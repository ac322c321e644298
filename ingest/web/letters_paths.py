"""`GET /api/v1/dead-letters` for the OpenAPI document: the tests hold every answer against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ingest.web.letters import EXCERPT, MOST, PATH, REASON, USUAL
from ingest.web.recorded import described, listing
from ingest.web.schemas import TEXT, TIME, closed

_LETTER: Final = closed(
    {
        "number": {"type": "integer", "description": "What `homeiq-ingest dead-letters show` and `retry` take."},
        "at": TIME,
        "stage": {**TEXT, "description": "The store that refused it, or the stage that could not handle it."},
        "reason": {**TEXT, "maxLength": REASON},
        "entity_id": {**TEXT, "description": "Whose it is; empty where it does not say."},
        "excerpt": {**TEXT, "maxLength": EXCERPT, "description": "The beginning of the line or the change."},
    }
)

PATHS: Final[Mapping[str, Any]] = {
    PATH: described("deadLetters", "What was refused, and why.", listing("dead_letters", _LETTER), MOST, USUAL)
}
