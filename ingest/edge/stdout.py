"""Line protocol on standard output: for a look, for a pipe, for a file.

A reader may stall for as long as it likes, and a thread that waits for it cannot be cancelled: it is abandoned when the
service stops. Nothing is buffered in between, so nothing is left to flush at the end.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import chain

import trio

from ingest.core.sealing import Line
from ingest.core.store import Batch, Codec, Delivered, Keep, Store, Verdict
from ingest.errors import Refused

NAME = "stdout"


def stdout_store(schema: Codec[Line, bytes], descriptor: int = 1) -> Store[Line, bytes]:
    """The store that writes the schema's lines to an open file descriptor.

    `deliver` raises Refused when the reader is gone: no later attempt can reach it.
    """

    async def deliver(batch: Batch[bytes]) -> Verdict:
        try:
            await trio.to_thread.run_sync(_write, descriptor, batch.payload, abandon_on_cancel=True)
        except BrokenPipeError as error:
            raise Refused(
                "nobody reads the lines any more", where="standard output", remedy="Start again with a reader"
            ) from error
        except OSError as error:
            return Keep(f"standard output cannot be written: {error.strerror}", remedy="Make room where it leads to")
        return Delivered()

    return Store(NAME, Codec(schema.encode, schema.size, _seal, heartbeats=True), deliver)


def _seal(lines: Sequence[Line]) -> bytes:
    return b"".join(chain.from_iterable(lines))


def _write(descriptor: int, payload: bytes) -> None:
    rest = memoryview(payload)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
