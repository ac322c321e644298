"""What a comparison asks of Home Assistant: the registries, for rules that ask them; and whether its recorder has a point."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from attrs import define
from msgspec import Raw

from ingest.actors.history import History
from ingest.cli.home_asked import asked, silent
from ingest.config.settings import Settings
from ingest.core import history, history_query, recorder
from ingest.core.catalog import Catalog
from ingest.core.comparison import Finding
from ingest.core.coverage import Span
from ingest.core.history_query import Query
from ingest.core.wire import Malformed
from ingest.errors import IngestError, Transient
from ingest.runtime.supervise import one_error

ASKED: Final = 5_000
"""Points that Home Assistant's recorder is asked for, at most."""

TOGETHER_NS: Final = 300 * 10**9
MANY: Final = 200
"""Points within so many nanoseconds, of so many entities at most, are asked for together."""


@define
class Home:
    """A connected Home Assistant. `left`: how many points may still be asked for; `failed`: why there are no more answers."""

    history: History
    catalog: Catalog
    left: int = ASKED
    failed: str = ""

    async def recorded(self, found: Sequence[Finding]) -> dict[Finding, bool]:
        """Whether the recorder has a state of that entity and time; only of those that were asked for."""
        wanted = sorted(found[: self.left], key=lambda each: each.time_ns)
        self.left -= len(wanted)
        answers = dict[Finding, bool]()
        while wanted:
            together = _together(wanted)
            wanted = wanted[len(together) :]
            try:
                times = await self._times(together)
            except IngestError as error:
                self.left, self.failed = 0, str(error)
                break
            answers |= {each: (each.entity_id, each.time_ns) in times for each in together}
        return answers

    async def _times(self, found: Sequence[Finding]) -> set[tuple[str, int]]:
        from_ns, to_ns = found[0].time_ns, found[-1].time_ns
        spans = [Span(each, each, from_ns - 1, to_ns + 1) for each in {each.entity_id for each in found}]
        query = Query(spans, from_ns, to_ns, to_ns - from_ns)
        fields = {**query.fields(), "no_attributes": True}
        result = await self.history.answer(history_query.COMMAND, recorder.NO_HISTORY, **fields)
        try:
            return set(_times_in(result))
        except Malformed as problem:
            raise Transient(f"the answer of the history cannot be read: {problem}") from problem


def _times_in(result: Raw) -> list[tuple[str, int]]:
    found = []
    for entity_id, rows in history.listed(result):
        if not isinstance(rows, Malformed):
            found += [(entity_id, row.time_ns) for row in history.rows_of(rows) if not isinstance(row, Malformed)]
    return found


def _together(found: Sequence[Finding]) -> list[Finding]:
    """The first that may be asked for at once."""
    entities: set[str] = set()
    first = []
    for each in found:
        entities.add(each.entity_id)
        if len(entities) > MANY or each.time_ns - found[0].time_ns > TOGETHER_NS:
            break
        first.append(each)
    return first


@asynccontextmanager
async def home_of(settings: Settings) -> AsyncGenerator[Home]:
    """The configured home, as long as the block lasts. Raises `Transient` or `Refused` as the service would."""
    with one_error(IngestError):
        async with asked(settings) as home:
            yield Home(History(home.bulk, silent, time.time_ns), home.catalog)
