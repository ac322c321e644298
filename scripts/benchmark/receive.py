"""Receiving alone: trio-websocket with the service's own options, every message thrown away.

    TOKEN=… python -m scripts.benchmark.receive URL MESSAGES

It subscribes as the service does, throws so many messages away, and prints what those after the first took: seconds, and
seconds of processor time.
"""

from __future__ import annotations

import os
import sys
import time

import trio
import trio_websocket

from ingest.core.conversation import STATE_CHANGED, Conversation, auth
from ingest.edge.websocket import QUEUED_MESSAGES, RECEIVE_BUFFER, Target


async def receive(url: str, token: str, messages: int) -> None:
    """Receive so many messages after subscribing."""
    target = Target(url)
    async with trio_websocket.open_websocket_url(
        url,
        message_queue_size=QUEUED_MESSAGES,
        max_message_size=target.max_message_size,
        receive_buffer_size=RECEIVE_BUFFER,
    ) as socket:
        conversation = Conversation()
        await socket.get_message()
        for text in (auth(token), conversation.subscribe(STATE_CHANGED)[1]):
            await socket.send_message(text)
            await socket.get_message()
        await socket.get_message()
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(messages - 1):
            await socket.get_message()
        print(time.perf_counter() - began, time.process_time() - cpu, flush=True)


if __name__ == "__main__":
    trio.run(receive, sys.argv[1], os.environ["TOKEN"], int(sys.argv[2]))
