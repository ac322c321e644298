"""Databases that refuse lines, each in the way of a real one; in memory, with the same rules."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence

from attrs import define, field

from ingest.core.influx_answer import Answer
from ingest.core.sealing import seal
from ingest.core.store import Batch

COLUMN = "iox::column_type::field::"
CONFLICT = "partial write: field type conflict: input field is type string, already exists as type float dropped={}"


def batch(lines: Sequence[bytes]) -> Batch[bytes]:
    return Batch(seal(lines), len(lines), sum(map(len, lines)), 0, 0)


def error(status: int, message: str) -> Answer:
    return Answer(status, json.dumps({"code": "invalid", "message": message}))


SHARD = 100
"""How long a shard is, in the time of the lines."""

KINDS = {"i": "integer", '"': "string", "e": "boolean"}


@define
class Database:
    """`refused` lines are malformed, so are lines of another type than `types` says of a field, in a shard or in all.

    `limit` is the longest request in lines. `way` names the product. `alike`: it refuses everything in its way.
    """

    refused: set[bytes] = field(factory=set)
    way: str = "2"
    limit: int = 1_000_000
    types: dict[tuple[int | None, str], str] = field(factory=dict)
    alike: bool = False
    down: Answer | None = None
    down_at: int | None = None
    """The number of the one request that finds it down."""
    stored: set[bytes] = field(factory=set)
    condemned: set[bytes] = field(factory=set)
    """What was refused for its own sake."""
    requests: int = 0

    async def post(self, payload: bytes) -> Answer:
        self.requests += 1
        if self.down is not None:
            return self.down
        if self.requests == self.down_at:
            return Answer(503, "later")
        lines = gzip.decompress(payload).removesuffix(b"\n").split(b"\n")
        if len(lines) > self.limit:
            return error(413, "unable to read data: points batch is too large")
        if self.alike:
            return self._refuse(lines, lines, [])
        malformed = [line for line in lines if line in self.refused]
        conflicts = [line for line in lines if line not in self.refused and self.conflict(line)]
        self.condemned.update(malformed, conflicts)
        if malformed or conflicts:
            return self._refuse(lines, malformed, conflicts)
        self.stored.update(lines)
        return Answer(204)

    def conflict(self, line: bytes) -> str:
        """The conflict that a line `measurement field=value time` runs into, in words."""
        if not self.types:
            return ""
        measurement, (name, value), time = parsed(line)
        kind = KINDS.get(value[-1], "float")
        exists = self.types.get((time // SHARD, name)) or self.types.get((None, name)) or kind
        if exists == kind:
            return ""
        if self.way == "3":
            return f"invalid column type for column '{name}', expected {COLUMN}{exists}, got {COLUMN}{kind}"
        return f'input field "{name}" on measurement "{measurement}" is type {kind}, already exists as type {exists}'

    def _refuse(self, lines: list[bytes], malformed: list[bytes], conflicts: list[bytes]) -> Answer:
        bad = malformed + conflicts
        if self.way == "3":  # the rest is stored
            self.stored.update(set(lines) - set(bad))
            listing = list(self._listed(lines, set(bad)))
            return Answer(400, json.dumps({"error": "partial write of line protocol", "data": listing}))
        if self.way == "nameless":
            return error(400, "cannot parse the request")
        if self.way in {"2", "2 quoting one"} and malformed:  # nothing is stored
            return error(400, "\n".join(map(quoted, malformed[:1] if self.way == "2 quoting one" else malformed)))
        return self._partial(lines, bad)

    def _partial(self, lines: list[bytes], bad: list[bytes]) -> Answer:
        """The answer speaks of the first shard that complains."""
        if self.way != "2.0":
            self.stored.update(set(lines) - set(bad))
        first = bad[0]
        counted = [line for line in bad if parsed(line)[2] // SHARD == parsed(first)[2] // SHARD]
        dropped = 1 if self.way == "2 conflict in several shards" else len(counted)
        said = self.conflict(first)
        text = f"partial write: field type conflict: {said} dropped={dropped}" if said else CONFLICT.format(dropped)
        return error(500 if self.way == "2.0" else 422, text)

    def _listed(self, lines: list[bytes], bad: set[bytes]) -> Iterator[dict[str, object]]:
        for number, line in enumerate(lines, start=1):
            if line in bad:
                words = self.conflict(line) or "no fields"
                yield {"original_line": line.decode()[:20], "line_number": number, "error_message": words}


def parsed(line: bytes) -> tuple[str, tuple[str, str], int]:
    measurement, pair, time = line.decode().split(" ")
    name, _, value = pair.partition("=")
    return measurement, (name, value), int(time)


def quoted(line: bytes) -> str:
    return f"unable to parse '{line.decode()}': missing fields"


WAYS = ("2", "2 quoting one", "2 conflict", "2 conflict in several shards", "2.0", "3", "nameless")
