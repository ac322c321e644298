"""What each schema costs by itself: a point made into a line, and the bytes of that line as it is sent."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence

from attrs import frozen

from ingest.config.settings import Settings
from ingest.core.homeassistant import Profile, homeassistant
from ingest.core.homeiq import homeiq
from ingest.core.point import Point
from ingest.core.sealing import Line
from ingest.core.store import Codec
from scripts.benchmark.floor import TRIES

SCHEMAS: dict[str, Callable[[], Codec[Line, bytes]]] = {
    "homeiq": homeiq,
    "homeassistant": lambda: homeassistant(Profile()),
}


@frozen
class Cost:
    """Of a point: microseconds of processor time to encode it, bytes of its line, and of that when it is compressed."""

    micros: float
    size: float
    packed: float


def schemas(points: Sequence[Point]) -> dict[str, Cost]:
    """The cost of each schema for these points, the best of three: each begins without anything it remembers."""
    gc.freeze()
    try:
        return {name: _cost(made, points) for name, made in SCHEMAS.items()}
    finally:
        gc.unfreeze()


def _cost(made: Callable[[], Codec[Line, bytes]], points: Sequence[Point]) -> Cost:
    micros = min(_micros(made().encode, points) for _ in range(TRIES))
    codec, batch = made(), Settings().batch.size
    lines = [line for line in map(codec.encode, points) if line is not None]
    payloads = [codec.seal(lines[start : start + batch]) for start in range(0, len(lines), batch)]
    count = len(lines)
    return Cost(micros, codec.size(lines) / count, sum(map(len, payloads)) / count)


def _micros(encode: Callable[[Point], Line | None], points: Sequence[Point]) -> float:
    before = time.process_time()
    for point in points:
        encode(point)
    return (time.process_time() - before) / len(points) * 1e6
