"""What HomeIQ's own consumers expect of every endpoint, as data: keys and types, strictly.

A text stands for itself, a tuple for the types that are allowed, a list for a list of what is in it, `Named` for an object
whose keys are names; in an object more keys are allowed, and none may lack.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from tests.web.test_app import CONTRACT, MAYBE, NUMBER, TEXT

COUNT = (int,)
FLAG = (bool,)


@frozen
class Named:
    """An object whose keys are names of something."""

    value: Any


@frozen
class Endpoint:
    """A path, the ways in which it is asked, the statuses that it may answer, and the shape of each."""

    path: str
    shape: Any
    method: str = "GET"
    statuses: tuple[int, ...] = (200,)


@frozen
class Stream:
    """A WebSocket: what is sent, and the shape of the answer. None: nothing is sent, the answer comes by itself."""

    path: str
    exchanges: Sequence[tuple[str | None, Any]]


def faults(value: Any, shape: Any, where: str = "") -> Iterator[str]:
    """Everything in which a value is not of that shape."""
    match shape:
        case str():
            if value != shape:
                yield f"{where}: {value!r} is not {shape!r}"
        case tuple():
            if not isinstance(value, shape) or (isinstance(value, bool) and bool not in shape):
                yield f"{where}: {value!r} is none of {shape}"
        case Named(inner) | [inner]:
            if not isinstance(value, dict if isinstance(shape, Named) else list):
                yield f"{where}: {value!r} is no {type(shape).__name__}"
                return
            each = value.items() if isinstance(value, dict) else enumerate(value)
            yield from (fault for key, found in each for fault in faults(found, inner, f"{where}.{key}"))
        case _:
            if not isinstance(value, dict):
                yield f"{where}: {value!r} is no object"
                return
            yield from (f"{where}: no {key}" for key in shape if key not in value)
            known = (key for key in shape if key in value)
            yield from (fault for key in known for fault in faults(value[key], shape[key], f"{where}.{key}"))


IDENTITY = {"service": TEXT, "version": TEXT, "status": TEXT}
EVENT_RATE: Mapping[str, Any] = {
    "service": TEXT,
    "events_per_second": NUMBER,
    "events_per_hour": NUMBER,
    "total_events_processed": COUNT,
    "uptime_seconds": NUMBER,
    "processing_stats": {
        "is_running": FLAG,
        "processed_events": COUNT,
        "failed_events": COUNT,
        "success_rate": NUMBER,
        "processing_rate_per_second": NUMBER,
        "queue_size": COUNT,
        "queue_maxsize": COUNT,
        "uptime_seconds": NUMBER,
        "last_processing_time": MAYBE,
    },
    "connection_stats": {
        "is_connected": FLAG,
        "is_subscribed": FLAG,
        "total_events_received": COUNT,
        "events_by_type": Named(COUNT),
        "last_event_time": MAYBE,
    },
    "timestamp": TEXT,
}
FILTER_STATS: Mapping[str, Any] = {
    "enabled": FLAG,
    "message": MAYBE,
    "statistics": {
        "filtered_count": COUNT,
        "passed_count": COUNT,
        "exception_count": COUNT,
        "total_processed": COUNT,
        "filter_rate": NUMBER,
        "uptime_seconds": NUMBER,
        "mode": TEXT,
        "patterns_count": COUNT,
        "exceptions_count": COUNT,
    },
}
DISCOVERY = {"success": FLAG, "devices_discovered": COUNT, "entities_discovered": COUNT, "timestamp": TEXT}
STATE = {"name": TEXT, "state": TEXT}
HOUSE: Mapping[str, Any] = {
    "climate": [
        {
            "entity_id": TEXT,
            "friendly_name": TEXT,
            "current_temperature": (int, float, type(None)),
            "target_temperature": (int, float, type(None)),
            "hvac_mode": MAYBE,
            "unit": MAYBE,
        }
    ],
    "presence": [STATE],
    "lights_by_area": [{"area": TEXT, "on_count": COUNT, "off_count": COUNT}],
    "sensors": Named([{**STATE, "device_class": TEXT}]),
    "switches_on": (list,),
    "active_automations": (list,),
    "timestamp": TEXT,
}

ENDPOINTS = [
    Endpoint("/", IDENTITY),
    Endpoint("/health", CONTRACT),
    Endpoint("/health/detailed", CONTRACT),
    Endpoint("/ready", {"ready": FLAG}, statuses=(200, 503)),
    Endpoint("/api/v1/event-rate", EVENT_RATE),
    Endpoint("/api/v1/filter/stats", FILTER_STATS),
    Endpoint("/api/v1/discovery/trigger", DISCOVERY, "POST", (200, 503)),
    Endpoint("/api/status/house", HOUSE),
]
"""What is answered with JSON."""

EVENT: Mapping[str, Any] = {
    "entity_id": TEXT,
    "domain": TEXT,
    "state": MAYBE,
    "previous_state": MAYBE,
    "value": (int, float, type(None)),
    "unit": MAYBE,
    "name": MAYBE,
    "area_id": MAYBE,
    "device_class": MAYBE,
    "last_updated": TEXT,
    "kind": MAYBE,
    "origin": MAYBE,
    "verdict": TEXT,
}
HELLO: Mapping[str, Any] = {"type": "connection", "status": "connected", "correlation_id": TEXT, "timestamp": TEXT}
SUBSCRIBED: Mapping[str, Any] = {
    "type": "subscription",
    "status": "subscribed",
    "channels": [TEXT],
    "correlation_id": "c3",
}
WRONG: Mapping[str, Any] = {"type": "error", "message": TEXT, "correlation_id": TEXT}

STREAMS: Sequence[Stream] = [
    Stream(
        "/ws",
        [
            (None, HELLO),
            ('{"type":"ping","correlation_id":"c1"}', {"type": "pong", "correlation_id": "c1"}),
            ('{"type":"hello","correlation_id":"c2"}', {"type": "echo", "correlation_id": "c2"}),
            ('{"type":', WRONG),
            ("[1]", WRONG),
            ('{"type":"subscribe","channels":["*"],"correlation_id":"c3"}', SUBSCRIBED),
            (None, {"type": "events", "timestamp": TEXT, "events": [EVENT]}),
        ],
    ),
    Stream("/ws/status", [(None, {"type": "snapshot", "data": HOUSE})]),
]
"""WebSockets that are there."""
