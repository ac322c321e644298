"""The least that any program in this language would have to do for the same events, with the same libraries but isal.

Decode each message with msgspec into the service's own classes, in one pass; join lines that are there already; compress
them with Python's gzip at level 1, also where the service has isal. Nothing is enriched, encoded, queued, checked or sent.
"""

from __future__ import annotations

import gc
import gzip
import time
from collections.abc import Callable, Sequence

import msgspec
from attrs import frozen

from ingest.config.settings import Settings
from ingest.core.state import Change

TRIES = 3
"""The best of so many counts: it is a floor, and whatever disturbs it only adds."""


@frozen
class Message:
    """An event's envelope, as flat as it can be."""

    type: str
    event: Change
    id: int


@frozen
class Floor:
    """Microseconds of processor time for an event, by part."""

    decode: float
    join: float
    gzip: float

    @property
    def total(self) -> float:
        """Microseconds of processor time for an event, all parts together."""
        return self.decode + self.join + self.gzip


_one = msgspec.json.Decoder(Message)
_many = msgspec.json.Decoder(list[Message])


def floor(texts: Sequence[bytes], together: int, lines: Sequence[bytes]) -> Floor:
    """The floor for these messages of `together` events each, and the lines of the same events."""
    decode = _one.decode if together == 1 else _many.decode
    size = Settings().batch.size
    batches = [lines[start : start + size] for start in range(0, len(lines), size)]
    joined = [b"\n".join(batch) for batch in batches]
    # The collector must not walk through what only the bench keeps in memory.
    gc.freeze()
    try:
        return Floor(
            _micros(lambda: _each(decode, texts), len(lines)),
            _micros(lambda: _each(b"\n".join, batches), len(lines)),
            _micros(lambda: _each(lambda text: gzip.compress(text, 1, mtime=0), joined), len(lines)),
        )
    finally:
        gc.unfreeze()


def _each(work: Callable[..., object], pieces: Sequence[object]) -> None:
    for piece in pieces:
        work(piece)


def _micros(work: Callable[[], None], events: int) -> float:
    return min(_seconds(work) for _ in range(TRIES)) / events * 1e6


def _seconds(work: Callable[[], None]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before
