"""`homeiq-ingest explain`: why an entity is stored or not, what is written of it, and what is known of it."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Final

import click
import msgspec
import trio
from attrs import field, frozen

from ingest.cli.database import schema
from ingest.cli.exits import explained
from ingest.cli.home_asked import asked
from ingest.cli.options import configured, loaded
from ingest.cli.present import points
from ingest.config.settings import Settings
from ingest.core.explaining import Explanation, Stored
from ingest.core.marks import state_ns
from ingest.core.point import Attributes, Facts, Point
from ingest.core.rows import row_of
from ingest.core.rules import NO_ATTRIBUTES, Rules, treated
from ingest.core.sealing import line_of
from ingest.edge.embedded_read import open_store
from ingest.edge.ledger_entity import Known, known_of, names_in
from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import translated
from ingest.edge.state_read import Absent, state_read
from ingest.errors import IngestError, Refused
from ingest.runtime.supervise import one_error

ALIKE: Final = 3
"""Names that are proposed for one that is not known."""


@click.command()
@click.argument("entity")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@configured
def explain(*, entity: str, as_json: bool, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Explain why ENTITY is stored or left out, and what is written for it.

    Which rule decided, what the registries say, the line that would be written now, the last that was, and what is missing.
    Home Assistant is asked; the service may run, and nothing is written.
    """
    from ingest.cli.explain_show import as_object, screen  # noqa: PLC0415  only where there is something to show

    with explained():
        settings = loaded(config_path, assignments, for_running=True).settings
        with one_error(IngestError):
            found = trio.run(_explained, settings, entity)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(as_object(found))).decode())
    else:
        click.echo("\n".join(screen(found)))


@frozen
class _Home:
    """What Home Assistant says: the entity's present state, if it has one, and its facts, if it is known."""

    point: Point | None
    facts: Facts | None
    names: frozenset[str] = field(factory=frozenset)


async def _explained(settings: Settings, entity_id: str) -> Explanation:
    home = await _asked(settings, entity_id)
    known, renamed = _known(settings, entity_id, home.facts)
    if home.facts is None and renamed is None:
        alike = get_close_matches(entity_id, home.names, ALIKE) or sorted(_holding(entity_id, home.names))[:ALIKE]
        remedy = f"Did you mean {', '.join(alike)}?" if alike else "`homeiq-ingest estimate` lists the busiest ones."
        raise Refused(f"Home Assistant knows no entity {entity_id}, and nothing of it is stored", remedy=remedy)
    facts = home.facts or Facts(renamed or entity_id)
    return _judged(settings, entity_id, home.point, facts, known, there=home.facts is not None)


async def _asked(settings: Settings, entity_id: str) -> _Home:
    async with asked(settings) as home:
        there = {each.entity_id: each for each in await points(home.bulk, settings, home.catalog)}
        registered = frozenset(home.catalog.registered_ids())
        is_known = entity_id in there or entity_id in registered
        facts = home.catalog.facts(entity_id) if is_known else None
        return _Home(there.get(entity_id), facts, frozenset(there) | registered)


def _holding(part: str, names: frozenset[str]) -> list[str]:
    last = part.rpartition(".")[2].lower()
    return [name for name in names if last and last in name]


def _known(settings: Settings, entity_id: str, facts: Facts | None) -> tuple[Known, str | None]:
    """What the state file says; and under which id the name is stored."""
    key, path = Key(settings.home, settings.store_kind), settings.spool.path
    try:
        with state_read(path) as connection, translated(path):
            stored_as = names_in(connection, key).get(entity_id)
            registry_id = stored_as if facts is None else facts.registry_id
            return known_of(connection, key, registry_id or entity_id, entity_id), stored_as
    except Absent:
        return Known(None, None), None


def _judged(
    settings: Settings, entity_id: str, point: Point | None, facts: Facts, known: Known, *, there: bool
) -> Explanation:
    rules = Rules(settings.filter)
    attributes: Attributes = NO_ATTRIBUTES if point is None else point.attributes
    decision = rules.decide(entity_id, attributes, facts)
    agreeing, overrides = rules.agreeing(entity_id, attributes, facts)
    return Explanation(
        entity_id=entity_id,
        there=there,
        point=point,
        facts=facts,
        attributes=attributes,
        decision=decision,
        agreeing=agreeing,
        overrides=overrides,
        certain=point is not None or not rules.by_state,
        store=settings.store_kind,
        line=None if point is None else _line(settings, treated(point, decision)),
        last=_last(settings, entity_id, known),
        since_ns=known.since_ns,
        mark=known.mark,
        spans=known.spans,
        unnamed=known.unnamed,
    )


def _line(settings: Settings, point: Point) -> str:
    """As the store would be given it; empty where the schema writes no such point."""
    if settings.store_kind == "embedded":
        row = row_of(point)
        return msgspec.json.encode({**row._asdict(), "tags": row.tags}).decode()
    line = line_of(schema(settings), point)
    return "" if line is None else line.decode()


def _last(settings: Settings, entity_id: str, known: Known) -> Stored | None:
    if settings.store_kind == "embedded":
        try:
            with open_store(settings.embedded.path) as reader:
                for found in reader.find(entity_id):
                    if (last := reader.last(found.ids)) is not None:
                        return Stored(last[0], last[1])
        except Refused:
            return None
    return None if known.mark is None else Stored(state_ns(known.mark))
