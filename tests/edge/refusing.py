"""Databases that refuse lines, each in the way of a real one; in memory, with the same rules."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence

from attrs import define, field

from ingest.core.homeiq import seal
from ingest.core.influx_answer import Answer
from ingest.core.store import Batch

CONFLICT = "partial write: field type conflict: input field is type string, already exists as type float dropped={}"


def batch(lines: Sequence[bytes]) -> Batch[bytes]:
    return Batch(seal(lines), len(lines), sum(map(len, lines)), 0, 0)


def error(status: int, message: str) -> Answer:
    return Answer(status, json.dumps({"code": "invalid", "message": message}))


@define
class Database:
    """`refused` lines are refused; `limit` is the longest request in lines. `way` names the product."""

    refused: set[bytes] = field(factory=set)
    way: str = "2"
    limit: int = 1_000_000
    stored: set[bytes] = field(factory=set)
    requests: int = 0
    down: Answer | None = None

    async def post(self, payload: bytes) -> Answer:
        self.requests += 1
        if self.down is not None:
            return self.down
        lines = gzip.decompress(payload).removesuffix(b"\n").split(b"\n")
        if len(lines) > self.limit:
            return error(413, "unable to read data: points batch is too large")
        bad = [line for line in lines if line in self.refused]
        if not bad:
            self.stored.update(lines)
            return Answer(204)
        return self._refuse(lines, bad)

    def _refuse(self, lines: list[bytes], bad: list[bytes]) -> Answer:
        if self.way in {"2 conflict", "2 conflict in several shards", "3"}:  # the rest is stored
            self.stored.update(set(lines) - self.refused)
        answers = {
            "2": error(400, "\n".join(map(quoted, bad))),
            "2 quoting one": error(400, quoted(bad[0])),
            "2 conflict": error(422, CONFLICT.format(len(bad))),
            "2 conflict in several shards": error(422, CONFLICT.format(1)),  # the count of the first
            "2.0": error(500, CONFLICT.format(1)),
            "3": Answer(
                400, json.dumps({"error": "partial write of line protocol", "data": listed(lines, self.refused)})
            ),
            "nameless": error(400, "cannot parse the request"),
        }
        return answers[self.way]


def quoted(line: bytes) -> str:
    return f"unable to parse '{line.decode()}': missing fields"


def listed(lines: list[bytes], refused: set[bytes]) -> list[dict[str, object]]:
    return [
        {"original_line": line.decode()[:8], "line_number": number, "error_message": "no fields"}
        for number, line in enumerate(lines, start=1)
        if line in refused
    ]


WAYS = ("2", "2 quoting one", "2 conflict", "2 conflict in several shards", "2.0", "3", "nameless")
