"""A database in memory: what it holds, how it answers, and how it may be out of sorts.

It keeps lines as an InfluxDB does, a series and a time once. What it says when it refuses is what real ones say
(`tests/edge/refusing.py`). A request takes time before it is stored and again before it is answered, so that whatever
happens to the service meanwhile falls before, between or after the two.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from email.utils import format_datetime

import trio
from attrs import define, field

from ingest.core.influx_answer import Answer
from ingest.errors import Transient
from tests.edge import refusing
from tests.support.gzipped import first_member

LATENCY = 0.02
"""Seconds before a request is stored, and again before it is answered."""

Key = tuple[str, int]
"""An entity's id and a time in nanoseconds: a change, wherever it is."""

PAGE = {"content-type": "text/html; charset=utf-8"}
BUSY = '{"code":"unavailable","message":"the cache is full"}'

ANSWERS: dict[str, Answer | None] = {
    "200 page": Answer(200, "<!doctype html><title>the UI</title>", PAGE),
    "307": Answer(307, "moved"),
    "400 proxy": Answer(400, "<html>Bad Request</html>", PAGE),
    "401": Answer(401, '{"code":"unauthorized","message":"unauthorized access"}'),
    "403": Answer(403, '{"code":"forbidden","message":"insufficient permissions"}'),
    "404": Answer(404, '{"code":"not found","message":"bucket \\"home\\" not found"}'),
    "408": Answer(408, "too slow"),
    "429 seconds": Answer(429, BUSY, {"retry-after": "9"}),
    "429 date": Answer(429, BUSY, {"retry-after": "DATE"}),
    "500": Answer(500, '{"code":"internal error","message":"engine is closed"}'),
    "502 page": Answer(502, "<html>Bad Gateway</html>", PAGE),
    "503": Answer(503, BUSY),
    "503 nonsense": Answer(503, BUSY, {"retry-after": "soon"}),
    "refused": None,
    "hangs": None,
    "answer lost": None,
    "slow": None,
}
"""By name; those of None are no answers."""

WAYS = refusing.WAYS
"""How products refuse lines."""

NOTHING_STORED = {"2", "2 quoting one", "2.0", "nameless"}
"""The ways in which a request with a refused line stores nothing; in the others the rest is stored."""

_entity = re.compile(rb",entity_id=([^, ]+)")
_state = re.compile(rb'[ ,]state_value="((?:[^"\\]|\\.)*)"')


def key_of(line: bytes) -> Key:
    """Whose change a line tells, and when it was."""
    found = _entity.search(line)
    assert found is not None, line
    return found[1].decode(), int(line.rpartition(b" ")[2])


def state_of(line: bytes) -> str:
    """The state that a line tells."""
    found = _state.search(line)
    assert found is not None, line
    return re.sub(r"\\(.)", r"\1", found[1].decode())


def refusal(way: str, lines: list[bytes], bad: list[bytes]) -> Answer:
    """What a product says of a request with lines that it refuses."""
    listing = [
        {"original_line": line.decode()[:20], "line_number": number, "error_message": "no fields"}
        for number, line in enumerate(lines, start=1)
        if line in bad
    ]
    answers = {
        "2": refusing.error(400, "\n".join(map(refusing.quoted, bad))),
        "2 quoting one": refusing.error(400, refusing.quoted(bad[0])),
        "2 conflict": refusing.error(422, refusing.CONFLICT.format(len(bad))),
        "2 conflict in several shards": refusing.error(422, refusing.CONFLICT.format(1)),  # the count of the first
        "2.0": refusing.error(500, refusing.CONFLICT.format(1)),
        "3": Answer(400, json.dumps({"error": "partial write of line protocol", "data": listing})),
        "nameless": refusing.error(400, "cannot parse the request"),
    }
    return answers[way]


def is_about_the_endpoint(answer: Answer) -> bool:
    """It is no verdict on lines: whoever gets it has to keep everything, and to say so."""
    if answer.headers.get("content-type", "").startswith("text/html"):
        return True
    return answer.status not in {204, 400, 413, 422} and "type conflict" not in answer.text


@define(eq=False)
class Database:
    """`points` are the lines that were given for a series and a time, in their order; `met` counts what happened here."""

    wall: Callable[[], datetime]
    mood: str = ""
    way: str = ""
    every: int = 0
    limit: int = 1_000_000
    points: dict[tuple[bytes, int], list[bytes]] = field(factory=dict)
    keys: set[Key] = field(factory=set)
    condemned: set[bytes] = field(factory=set)
    met: Counter[str] = field(factory=Counter)
    better: trio.Event = field(factory=trio.Event)

    async def post(self, payload: bytes) -> Answer:
        """Answer as the mood is. Raises `Transient` where there is no answer."""
        await trio.sleep(LATENCY)
        mood = self.mood
        self.met[f"answer {mood or self.way or 'ok'}"] += 1
        match mood:
            case "refused":
                raise Transient("connection refused", where="memory")
            case "hangs":
                with trio.move_on_after(30):
                    await self.better.wait()
                raise Transient("timed out", where="memory")
            case "slow":
                await trio.sleep(12)
            case "" | "answer lost":
                pass
            case _:
                return self._said(mood)
        answer = self._take(payload)
        await trio.sleep(LATENCY)
        if mood == "answer lost":
            raise Transient("connection reset by peer", where="memory")
        return answer

    def recover(self) -> None:
        """Be well."""
        self.mood, self.way, self.every, self.limit = "", "", 0, 1_000_000
        self.better.set()
        self.better = trio.Event()

    def _said(self, mood: str) -> Answer:
        answer = ANSWERS[mood]
        assert answer is not None
        if answer.headers.get("retry-after") == "DATE":
            now = self.wall()
            dates = {"date": format_datetime(now), "retry-after": format_datetime(now + timedelta(seconds=20))}
            return Answer(answer.status, answer.text, dates)
        return answer

    def _take(self, payload: bytes) -> Answer:
        lines = first_member(payload).removesuffix(b"\n").split(b"\n")
        if len(lines) > self.limit:
            self.met["answer 413"] += 1
            return refusing.error(413, "unable to read data: points batch is too large")
        bad = [line for line in lines if self._refuses(line)]
        if not bad or (self.way or "2") not in NOTHING_STORED:
            self._store(line for line in lines if line not in bad)
        if not bad:
            return Answer(204)
        self.met["lines refused"] += len(bad)
        self.condemned.update(bad)
        return refusal(self.way or "2", lines, bad)

    def _refuses(self, line: bytes) -> bool:
        # By the time and not by chance: the same line is always treated alike.
        return self.every > 0 and int(line.rpartition(b" ")[2]) // 1000 % self.every == 0

    def _store(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            series, time = line.split(b" ", 1)[0], int(line.rpartition(b" ")[2])
            known = self.points.setdefault((series, time), [])
            if line not in known:
                known.append(line)
            self.keys.add(key_of(line))
