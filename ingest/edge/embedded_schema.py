"""The layout of the embedded store, and who may open it.

* `entity`: one row for an entity's life, keyed by its registry id; `facts` points to what is true of it now.
* `facts`: names and tags as they were at some time; a rename, a move or a firmware update adds a row.
* `attributes`: each distinct text once a week. A week is what a text is shared within: when the last change of a week
  has gone its texts can go too, without looking for who else may use them.
* `change`: the changes, in the order of their time, one per entity and time. Clustered by time, not by entity: all
  writes go to the end of the file, which costs a sixth of the bytes written.
* `rollup`: what an entity did in one hour, from its first change in it to the hour's end (`ingest.core.rollup`).
* `hour`: the hours that have changes: how many at the last roll-up, and in how many batches some came since (`late`).
* views `changes`, `hourly` and `entities`: the same for people, with names and ISO 8601 times.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ingest.core.rows import KINDS, ORIGINS, TAGS
from ingest.core.state import HOUR_NS
from ingest.edge.sqlite import Connection, DiskFails, pragma, transaction, translated
from ingest.errors import Refused, Transient

VERSION = 1
APPLICATION = 0x686F6D65
"""`PRAGMA application_id`: "home"."""

WEEK_NS = 7 * 24 * HOUR_NS


def _names(numbers: dict[str, int], column: str) -> str:
    cases = " ".join(f"WHEN {number} THEN '{name}'" for name, number in numbers.items())
    return f"CASE {column} {cases} END"


_KIND = _names({kind.value: number for kind, number in KINDS.items()}, "change.kind")
_ORIGIN = _names({origin.value: number for origin, number in ORIGINS.items()}, "change.origin")
_TIME = """strftime('%Y-%m-%dT%H:%M:%S', change.time_ns / 1000000000, 'unixepoch')
    || printf('.%06dZ', change.time_ns / 1000 % 1000000)"""
_DOMAIN = "substr(facts.entity_id, 1, instr(facts.entity_id, '.') - 1)"
_KNOWN = ", ".join(f"facts.{tag} AS {tag}" for tag in TAGS[1:])

TABLES = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

CREATE TABLE entity (
    id INTEGER PRIMARY KEY,
    registry_id TEXT NOT NULL UNIQUE,
    facts INTEGER NOT NULL DEFAULT 0,
    facts_ns INTEGER NOT NULL DEFAULT {-(1 << 63)}
);

CREATE TABLE facts (
    id INTEGER PRIMARY KEY,
    entity INTEGER NOT NULL,
    digest BLOB NOT NULL,
    {", ".join(TAGS)},
    UNIQUE (entity, digest)
);

CREATE TABLE attributes (
    id INTEGER PRIMARY KEY,
    week INTEGER NOT NULL,
    digest BLOB NOT NULL,
    json TEXT NOT NULL,
    UNIQUE (week, digest)
);

CREATE TABLE change (
    time_ns INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    state TEXT NOT NULL,
    value REAL,
    previous_state TEXT,
    duration REAL,
    kind INTEGER,
    origin INTEGER,
    facts INTEGER NOT NULL,
    attributes INTEGER NOT NULL,
    context_id TEXT,
    context_parent_id TEXT,
    context_user_id TEXT,
    PRIMARY KEY (time_ns, entity)
) WITHOUT ROWID;

CREATE TABLE rollup (
    entity INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    changes INTEGER NOT NULL,
    first_ns INTEGER NOT NULL,
    low REAL,
    high REAL,
    area REAL NOT NULL,
    seconds REAL NOT NULL,
    last_value REAL,
    last_state TEXT NOT NULL,
    states TEXT,
    PRIMARY KEY (entity, hour)
) WITHOUT ROWID;

CREATE TABLE hour (hour INTEGER PRIMARY KEY, changes INTEGER NOT NULL DEFAULT 0, late INTEGER NOT NULL);
"""

# In `hourly`, CROSS JOIN has SQLite begin with the entities: a question about one then reads that one's hours only.
VIEWS = f"""
CREATE VIEW changes AS
SELECT {_TIME} AS time, facts.entity_id AS entity_id, change.state AS state, change.value AS value,
    change.previous_state AS previous_state, change.duration AS duration_in_state_seconds,
    {_KIND} AS kind, {_ORIGIN} AS origin, {_DOMAIN} AS domain, {_KNOWN}, attributes.json AS attributes,
    change.context_id AS context_id, change.context_parent_id AS context_parent_id,
    change.context_user_id AS context_user_id, entity.registry_id AS registry_id, change.time_ns AS time_ns
FROM change JOIN facts ON facts.id = change.facts JOIN attributes ON attributes.id = change.attributes
    JOIN entity ON entity.id = change.entity;

CREATE VIEW entities AS
SELECT facts.entity_id AS entity_id, {_DOMAIN} AS domain, {_KNOWN}, entity.registry_id AS registry_id, entity.id AS id
FROM entity JOIN facts ON facts.id = entity.facts;

CREATE VIEW hourly AS
SELECT facts.entity_id AS entity_id,
    strftime('%Y-%m-%dT%H:%M:%SZ', known.hour * 3600, 'unixepoch') AS hour, known.changes AS changes,
    coalesce(min(known.low, known.before), known.low, known.before) AS min,
    (known.area + coalesce(known.before * known.lead, 0))
        / nullif(known.seconds + iif(known.before IS NULL, 0, known.lead), 0) AS mean,
    coalesce(max(known.high, known.before), known.high, known.before) AS max,
    known.last_value AS last, known.last_state AS last_state, facts.unit AS unit, known.states AS seconds_by_state,
    entity.registry_id AS registry_id
FROM entity CROSS JOIN facts ON facts.id = entity.facts CROSS JOIN (
    SELECT rollup.*, (first_ns - rollup.hour * {HOUR_NS}) / 1e9 AS lead,
        (SELECT earlier.last_value FROM rollup AS earlier
            WHERE earlier.entity = rollup.entity AND earlier.hour < rollup.hour
            ORDER BY earlier.hour DESC LIMIT 1) AS before
    FROM rollup
) AS known ON known.entity = entity.id;
"""  # noqa: S608  our own names and numbers


def prepare(connection: Connection, path: Path) -> None:
    """Make the layout in a new file; accept our own of this version, and give it the views as they are today.

    Raises Refused for a newer version and for a database that is not ours.
    """
    if is_new(connection):
        _create(connection)
    check(connection, path)
    with (
        suppress(Transient, DiskFails),
        translated(path),
    ):  # locked or full: the older views say the same, and the next opening comes
        _renew_views(connection)


def check(connection: Connection, path: Path) -> None:
    """Raises Refused unless the file is an embedded store of this version."""
    if pragma(connection, "application_id") != APPLICATION:
        raise Refused(
            "this file is not an embedded store of homeiq-ingest",
            where=str(path),
            remedy="Choose another path for it (embedded.path)",
        )
    if (version := pragma(connection, "user_version")) > VERSION:
        raise Refused(
            f"the embedded store was written by a newer homeiq-ingest (layout {version}; this one knows {VERSION})",
            where=str(path),
            remedy="Install the newer version again, or choose another path (embedded.path)",
        )


def is_new(connection: Connection) -> bool:
    """True while nobody has made anything of the file: a service that starts for the first time is about to."""
    unmarked = pragma(connection, "application_id") == 0 and pragma(connection, "user_version") == 0
    return unmarked and connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


def _renew_views(connection: Connection) -> None:
    stored = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'").fetchall())
    today = {statement.split()[2]: statement for statement in map(str.strip, VIEWS.rstrip(";\n").split(";\n"))}
    if changed := [name for name in today if stored.get(name, today[name]) != today[name]]:
        with transaction(connection):
            for name in changed:
                connection.execute(f"DROP VIEW {name}")
                connection.execute(today[name])


def _create(connection: Connection) -> None:
    with transaction(connection):
        for statement in (TABLES + VIEWS).split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
