"""What `app.py` answers, for the OpenAPI document: the tests hold every answer against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ingest.core.health import Status
from ingest.web.health_schema import HEALTH
from ingest.web.schemas import FLAG, TEXT, Schema, answer, closed, one_of

_IDENTITY = closed({"service": TEXT, "version": TEXT, "status": one_of(*(each.value for each in Status))})
_READY = closed({"ready": FLAG, "connected": FLAG, "subscribed": FLAG, "database": FLAG, "reason": TEXT})
_FOR_BOTH: Final[Schema] = {
    "description": "Always: JSON for programs, the status page for a browser.",
    "content": {"application/json": {"schema": _IDENTITY}, "text/html": {"schema": TEXT}},
}


def _health(operation: str, **more: Any) -> Schema:
    text = "All that the service knows of itself, from one value."
    answered = {"200": answer("Whatever the status is, so that it can be read.", HEALTH)}
    return {"get": {"operationId": operation, "summary": text, "responses": answered, **more}}


PATHS: Final[Mapping[str, Any]] = {
    "/": {
        "get": {
            "operationId": "identity",
            "summary": "Who this is, and how it is.",
            "responses": {"200": _FOR_BOTH},
        }
    },
    "/health": _health("health", security=[]),
    "/health/detailed": _health("healthDetailed"),
    "/ready": {
        "get": {
            "operationId": "ready",
            "summary": "Whether it is connected, subscribed, and the store takes points.",
            "security": [],
            "responses": {
                "200": answer("All of it is so.", _READY),
                "503": answer("Not yet, or not now: `reason` says why.", _READY),
            },
        }
    },
    "/metrics": {
        "get": {
            "operationId": "metrics",
            "summary": "The same figures for Prometheus.",
            "responses": {
                "200": {
                    "description": "In the text format, or in OpenMetrics for who asks for that.",
                    "content": {"text/plain": {"schema": TEXT}, "application/openmetrics-text": {"schema": TEXT}},
                }
            },
        }
    },
}
