"""`GET /api/v1/gaps` for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ingest.core.coverage import Cause, Progress
from ingest.web.gaps import MOST, PATH, USUAL
from ingest.web.recorded import closed, described, listing

_COUNT: Final = {"type": "integer", "minimum": 0}
_TIME: Final = {"type": "string", "format": "date-time"}

_GAP: Final = closed(
    {
        "number": {"type": "integer", "description": "What `homeiq-ingest gaps show` takes."},
        "cause": {"type": "string", "enum": [each.value for each in Cause]},
        "state": {"type": "string", "enum": [each.value for each in Progress]},
        "from": _TIME,
        "to": _TIME,
        "entities": {**_COUNT, "description": "Spans of entities in which something may be missing; 0: nothing is."},
        "states_filled": {**_COUNT, "description": "States of Home Assistant's history that filled it."},
        "reason": {"type": "string", "description": "Why not all of it could be had; empty where it could."},
    }
)

PATHS: Final[Mapping[str, Any]] = {
    PATH: described(
        "gaps", "When changes may have been missed, and how far that is mended.", listing("gaps", _GAP), MOST, USUAL
    )
}
