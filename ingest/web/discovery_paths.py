"""What `discovery.py` answers, for the OpenAPI document: the tests hold every answer against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ingest.web.discovery import ANSWERS
from ingest.web.schemas import COUNT, FLAG, TEXT, TIME, answer, closed, one_of, with_some

_FOUND = closed({"success": FLAG, "devices_discovered": COUNT, "entities_discovered": COUNT, "timestamp": TIME})
_NOT_FOUND = {**with_some(_FOUND, {"error": TEXT}), "required": [*_FOUND["required"], "error"]}

PATHS: Final[Mapping[str, Any]] = {
    "/api/v1/discovery/trigger": {
        "post": {
            "operationId": "triggerDiscovery",
            "summary": "Have the registries read now, and answer when they were.",
            "parameters": [
                {
                    "name": "everything",
                    "in": "query",
                    "description": "Tell data-api all of it again, not only what changed.",
                    "schema": one_of(*ANSWERS),
                }
            ],
            "responses": {
                "200": answer("They were read, and data-api has them, if one is configured.", _FOUND),
                "400": answer("`everything` is neither true nor false.", _NOT_FOUND),
                "502": answer("They could not be read, or data-api did not take them in time.", _NOT_FOUND),
                "503": answer("There is no connection to Home Assistant.", _NOT_FOUND),
            },
        }
    }
}
