"""`GET /api/v1/gaps` for the OpenAPI document: the tests hold every answer against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ingest.core.coverage import Cause, Progress
from ingest.web.gaps import MOST, PATH, USUAL
from ingest.web.recorded import described, listing
from ingest.web.schemas import COUNT, TEXT, TIME, closed, one_of

_GAP: Final = closed(
    {
        "number": {"type": "integer", "description": "What `homeiq-ingest gaps show` takes."},
        "cause": one_of(*(each.value for each in Cause)),
        "state": one_of(*(each.value for each in Progress)),
        "from": TIME,
        "to": TIME,
        "entities": {**COUNT, "description": "Spans of entities in which something may be missing; 0: nothing is."},
        "states_filled": {**COUNT, "description": "States of Home Assistant's history that filled it."},
        "reason": {**TEXT, "description": "Why not all of it could be had; empty where it could."},
    }
)

PATHS: Final[Mapping[str, Any]] = {
    PATH: described(
        "gaps",
        "When changes may have been missed, and how far that has been filled in.",
        listing("gaps", _GAP),
        MOST,
        USUAL,
    )
}
