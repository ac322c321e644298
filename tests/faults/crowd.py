"""Many clients of `/ws` in a process of their own: `python -m tests.faults.crowd PORT READERS SLEEPERS`.

Readers take what comes as fast as it does; the first of them looks into it. Sleepers never read. What happens is said on
standard output, a JSON object a line: `ready`, each client's end with the seconds since then, and each second what was read.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from typing import Any

from attrs import define, field
from wsproto import ConnectionType, WSConnection
from wsproto.events import Message, Ping, Request, TextMessage

ENDED = select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP


@define(eq=False)
class One:
    sock: socket.socket
    kind: str
    ws: WSConnection = field(factory=lambda: WSConnection(ConnectionType.CLIENT))
    text: str = ""
    events: int = 0
    omitted: int = 0
    frames: int = 0

    def greeted(self) -> One:
        """Through the handshake."""
        self.sock.sendall(self.ws.send(Request("localhost", "/ws")))
        while "connection" not in self.text:
            self.look(self.sock.recv(65536))
        self.text = ""
        return self

    def subscribe(self) -> None:
        self.sock.sendall(self.ws.send(TextMessage('{"type": "subscribe", "channels": ["*"]}')))

    def look(self, data: bytes) -> None:
        self.ws.receive_data(data)
        for event in self.ws.events():
            match event:
                case Message():
                    self.text += event.data
                    if event.message_finished and self.text.startswith('{"type":"events"'):
                        self.count(json.loads(self.text))
                    self.text = "" if event.message_finished and "events" in self.text else self.text
                case Ping():
                    self.sock.sendall(self.ws.send(event.response()))

    def count(self, frame: dict[str, Any]) -> None:
        self.frames += 1
        self.events += len(frame["events"])
        self.omitted += frame.get("omitted", 0)


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201  what others read


def main(port: int, readers: int, sleepers: int) -> None:
    """Until nobody is left."""
    kinds = ["reader"] * readers + ["sleeper"] * sleepers
    clients = [One(socket.create_connection(("127.0.0.1", port)), kind).greeted() for kind in kinds]
    for each in clients:
        each.subscribe()
    there = {each.sock.fileno(): each for each in clients}
    poll, read, room = select.epoll(), 0, bytearray(1 << 20)
    for number, each in there.items():
        poll.register(number, select.EPOLLRDHUP | (select.EPOLLIN if each.kind == "reader" else 0))
    begun = told = time.monotonic()
    say(ready=len(clients))
    while there:
        for number, flags in poll.poll(0.2):
            one = there[number]
            try:
                taken = one.sock.recv_into(room) if flags & select.EPOLLIN else 0
            except ConnectionResetError:
                taken = 0
            read += taken
            if one is clients[0] and taken:
                one.look(bytes(room[:taken]))
            if not taken and flags & (ENDED | select.EPOLLIN):
                error = one.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                say(ended=one.kind, after=time.monotonic() - begun, at=time.time(), error=error, left=len(there) - 1)
                poll.unregister(number)
                del there[number]
        if time.monotonic() - told >= 1:
            told = time.monotonic()
            first = clients[0]
            say(bytes=read, frames=first.frames, events=first.events, omitted=first.omitted, after=told - begun)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
