"""A process beside the service that hears the same changes and does nothing else: when they could be heard at all.

    python -m tests.faults.bystander WS_URL TOKEN

Prints a line for every change: the entity, its time in nanoseconds, and when it was here by the system's steady clock.
"""

from __future__ import annotations

import sys
import time

import trio
from trio_websocket import open_websocket_url

from ingest.core.conversation import Conversation, auth
from ingest.core.state import Frame, moment_of, nanoseconds


async def hear(url: str, token: str) -> None:
    conversation = Conversation()
    async with open_websocket_url(url, max_message_size=2**26, receive_buffer_size=2**18) as socket:
        await socket.get_message()
        await socket.send_message(auth(token))
        await socket.get_message()
        await socket.send_message(conversation.command("supported_features", features={"coalesce_messages": 1})[1])
        await socket.send_message(conversation.subscribe("state_changed")[1])
        while True:
            text, now = await socket.get_message(), time.monotonic()
            for value in conversation.receive(text if isinstance(text, str) else ""):
                if isinstance(value, Frame):
                    for change in value.changes:
                        print(change.data.entity_id, nanoseconds(moment_of(change)), now)  # noqa: T201  what it is for
            sys.stdout.flush()


if __name__ == "__main__":
    trio.run(hear, sys.argv[1], sys.argv[2])
