"""HTTP over a line: requests are answered, and the one for `/api/websocket` becomes a WebSocket."""

from __future__ import annotations

from datetime import datetime
from email.utils import format_datetime

import h11
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request
from wsproto.utilities import RemoteProtocolError

from ingest.simulator.instance import HomeAssistant
from ingest.simulator.line import Line
from ingest.simulator.rest import Response, answer

MOST_BODY = 1024 * 1024
"""Bytes of a request's body."""

WEBSOCKET = b"/api/websocket"


async def serve_http(line: Line, instance: HomeAssistant) -> WSConnection | None:
    """Answer requests until the client is gone, None, or has its WebSocket."""
    connection = h11.Connection(h11.SERVER)
    while True:
        try:
            request = await _next(line, connection)
            if not isinstance(request, h11.Request):
                return None
            if request.target.partition(b"?")[0] == WEBSOCKET:
                return await _upgrade(line, connection, request, instance)
            body = await _body(line, connection)
            response = answer(instance, request, body)
        except h11.RemoteProtocolError:
            return None
        await _respond(line, connection, response, instance.home.wall())
        if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
            return None
        connection.start_next_cycle()


async def _next(line: Line, connection: h11.Connection) -> object:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await line.receive())
    return event


async def _body(line: Line, connection: h11.Connection) -> bytes:
    body = b""
    while isinstance(event := await _next(line, connection), h11.Data):
        body += event.data
        if len(body) > MOST_BODY:
            raise h11.RemoteProtocolError("the body is too large")
    return body


async def _respond(line: Line, connection: h11.Connection, response: Response, now: datetime) -> None:
    told = format_datetime(now.replace(microsecond=0), usegmt=True)
    headers = [("Content-Type", response.kind), ("Content-Length", str(len(response.body))), ("Date", told)]
    head = connection.send(h11.Response(status_code=response.status, headers=headers)) or b""
    data = connection.send(h11.Data(data=response.body)) or b""
    await line.send(head + data + (connection.send(h11.EndOfMessage()) or b""))


async def _upgrade(
    line: Line, connection: h11.Connection, request: h11.Request, instance: HomeAssistant
) -> WSConnection | None:
    ws = WSConnection(ConnectionType.SERVER)
    try:
        ws.initiate_upgrade_connection(list(request.headers), request.target.decode("ascii"))
    except RemoteProtocolError:
        await _body(line, connection)
        bad = Response(400, b'No WebSocket UPGRADE hdr: None\n Can "Upgrade" only to "WebSocket".', "text/plain")
        await _respond(line, connection, bad, instance.home.wall())
        return None
    for event in ws.events():
        if isinstance(event, Request):
            await line.send(ws.send(AcceptConnection()))
    early, _ = connection.trailing_data
    if early:
        ws.receive_data(early)
    return ws
