"""How much an import would be: of how many entities, from when to when, and about how many states.

Home Assistant is asked in samples (`cli/sampling.py`). An import of a few hours is looked through whole: then it is the
number that will come. Nothing is written.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import trio
from attrs import field, frozen

from ingest.actors.connection import Connection
from ingest.cli.home_asked import asked as asked_home
from ingest.cli.moments import shown
from ingest.cli.present import present
from ingest.cli.sampling import LONGEST_NS, WINDOWS, sampled
from ingest.config.settings import Settings
from ingest.core import control
from ingest.core.catalog import Catalog
from ingest.core.coverage import Mark, Span
from ingest.core.history_reading import MARGIN_NS
from ingest.core.importing import (
    NOTHING,
    Wanted,
    check_named,
    chosen,
    known,
    spans_of,
    stored_since,
    whole_microseconds,
    with_left_out,
)
from ingest.core.marks import bearers
from ingest.core.rules import Rules
from ingest.core.words import counted, entities
from ingest.edge.ledger_filtered import left_out
from ingest.edge.ledger_import import pending_imports, unmarked_since
from ingest.edge.ledger_marks import stored_marks
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import translated
from ingest.edge.state_read import Absent, state_read
from ingest.errors import IngestError
from ingest.runtime.supervise import one_error


@frozen
class Estimate:
    """An import as it would be. Times in nanoseconds; `exact`: the windows are all of the time."""

    entities: int
    from_ns: int
    to_ns: int
    states: int
    exact: bool

    def __str__(self) -> str:
        if not self.entities:
            return "Nothing: everything since then is stored, or was asked for already (--again reads it all the same)."
        about = "" if self.exact else "about "
        whole = f"from {shown(self.from_ns, 'seconds')} to {shown(self.to_ns, 'seconds')}"
        how = "" if self.exact else f"\n({WINDOWS} windows of {LONGEST_NS // 60_000_000_000} minutes were counted)"
        said = f"{entities(self.entities)}, {whole}:\n{about}{counted(self.states, 'state')} in Home Assistant's history{how}."
        return f"{said}\nNothing was written."


@frozen
class _Stored:
    """What the state file says."""

    marks: dict[str, Mark]
    pending: dict[str, int]
    unmarked_ns: int | None = None
    left_out: Mapping[str, Sequence[Span]] = field(factory=dict)


def estimate(settings: Settings, asked: control.Import) -> Estimate:
    """Ask Home Assistant, and look into the state file. Raises `Transient` or `Refused`."""
    with one_error(IngestError):
        return trio.run(_estimate, settings, asked, _stored(settings))


def _stored(settings: Settings) -> _Stored:
    key = Key(settings.home, settings.store_kind)
    try:
        with state_read(settings.spool.path) as connection, translated(settings.spool.path):
            return _Stored(
                stored_marks(connection, key),
                pending_imports(connection, key),
                unmarked_since(connection, key),
                left_out(connection, key),
            )
    except Absent:
        return _Stored({}, {})


async def _estimate(settings: Settings, asked: control.Import, stored: _Stored) -> Estimate:
    async with asked_home(settings) as home:
        return await _count(home.bulk, await _spans(home.bulk, settings, home.catalog, asked, stored))


async def _spans(
    bulk: Connection, settings: Settings, catalog: Catalog, asked: control.Import, stored: _Stored
) -> Sequence[Span]:
    there, left_out = await present(bulk, settings, catalog)
    rules = Rules(settings.filter)

    def passes(entity: Mark) -> bool:
        facts = catalog.facts(entity.entity_id)
        return entity.registry_id not in left_out and rules.may_pass(entity.entity_id, facts)

    registered = (
        Mark(catalog.facts(entity_id).registry_id, entity_id, NOTHING) for entity_id in catalog.registered_ids()
    )
    found = tuple(chosen((*there, *bearers(stored.marks), *registered), asked.entities, passes))
    check_named(found, asked.entities)
    since_ns = None if asked.again else stored.unmarked_ns
    entities = [stored_since(known(each, stored.marks.get(each.registry_id)), since_ns) for each in found]
    until_ns = whole_microseconds(time.time_ns() - MARGIN_NS)
    wanted = Wanted(whole_microseconds(asked.since_ns), until_ns, entities, asked.again)
    marks = [stored_since(each, since_ns) for each in stored.marks.values()]
    return with_left_out(wanted, spans_of(wanted, stored.pending, marks), stored.left_out)[0]


async def _count(bulk: Connection, spans: Sequence[Span]) -> Estimate:
    if not spans:
        return Estimate(0, 0, 0, 0, exact=True)
    first, last = min(each.after_ns for each in spans), max(each.before_ns for each in spans)
    found = await sampled(bulk, spans)
    return Estimate(len({each.registry_id for each in spans}), first, last, found.count, found.exact)
