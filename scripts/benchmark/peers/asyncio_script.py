"""A straightforward script that does what the service does: every change of state becomes a point in InfluxDB.

    HOME_ASSISTANT_URL=http://… HOME_ASSISTANT_TOKEN=… INFLUXDB_URL=http://… INFLUXDB_TOKEN=… \
        python -m scripts.benchmark.peers.asyncio_script

Written as the documentation of both libraries advises: `websockets` connects in a loop that reconnects by itself, and
influxdb-client's batching API, with gzip, groups points in a thread of its own, retries with its defaults and is closed at
the end, so that what it holds is written. It takes coalesced messages, and batches as large and as old as the service's.
A point has tags by which one would group (entity, domain, device class, unit) and as fields the state, its number, and
every attribute. It knows neither areas nor devices, keeps nothing on disk, and does not ask for what it missed.
"""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import suppress
from datetime import datetime
from typing import Any

from influxdb_client import InfluxDBClient, Point, WriteApi, WriteOptions  # type: ignore[attr-defined]
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

BATCH = WriteOptions(batch_size=5_000, flush_interval=1_000)
ORG, BUCKET = "home", "home"


def point_of(event: dict[str, Any]) -> Point:
    """The point of one `state_changed` event."""
    data = event["data"]
    new, entity_id = data["new_state"], data["entity_id"]
    state, attributes = (new["state"], new["attributes"]) if new else ("removed", {})
    point: Point = Point("state")
    point.tag("entity_id", entity_id).tag("domain", entity_id.partition(".")[0])
    point.tag("device_class", attributes.get("device_class")).tag("unit", attributes.get("unit_of_measurement"))
    point.field("state", state)
    with suppress(ValueError):  # not every state is a number
        point.field("value", float(state))
    for name, value in attributes.items():
        point.field(name, field_of(value))
    point.time(datetime.fromisoformat(event["time_fired"]))
    return point


def field_of(value: object) -> float | str | bool | None:
    """An attribute as a field whose type does not change from point to point."""
    if isinstance(value, bool | str) or value is None:
        return value
    return float(value) if isinstance(value, int | float) else json.dumps(value)


async def subscribe(socket: ClientConnection, token: str) -> None:
    """Greet the server, and ask for all changes of state."""
    await socket.recv()
    await socket.send(json.dumps({"type": "auth", "access_token": token}))
    if json.loads(await socket.recv())["type"] != "auth_ok":
        raise PermissionError("Home Assistant refuses the token")
    coalesce = {"id": 1, "type": "supported_features", "features": {"coalesce_messages": 1}}
    await socket.send(json.dumps(coalesce))
    await socket.send(json.dumps({"id": 2, "type": "subscribe_events", "event_type": "state_changed"}))


async def follow(url: str, token: str, api: WriteApi) -> None:
    """Write every change, for ever; connect again whenever the connection is lost."""
    async for socket in connect(url.replace("http", "ws", 1) + "/api/websocket"):
        try:
            await subscribe(socket, token)
            async for message in socket:
                known = json.loads(message)
                for each in known if isinstance(known, list) else [known]:
                    if each["type"] == "event":
                        api.write(BUCKET, record=point_of(each["event"]))
        except ConnectionClosed:
            continue


async def main() -> None:
    """Run until SIGTERM."""
    there, token = os.environ["INFLUXDB_URL"], os.environ["INFLUXDB_TOKEN"]
    with (
        InfluxDBClient(there, token, org=ORG, enable_gzip=True) as client,
        client.write_api(write_options=BATCH) as api,
    ):
        home = os.environ["HOME_ASSISTANT_URL"], os.environ["HOME_ASSISTANT_TOKEN"]
        following = asyncio.create_task(follow(*home, api))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, following.cancel)
        await asyncio.wait([following])


if __name__ == "__main__":
    asyncio.run(main())
