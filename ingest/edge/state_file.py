"""The state file: what the service must remember when it is not running, in one SQLite file of its own.

    batch         the spool: payloads as they will be sent, keyed by home and store
    dead_letter   what a store refused or no schema could write, with the words that refused it
    total         counts that survive restarts
    account       since when they are counted, and how fast the spool fills
    coverage      since when a home is known; minus every gap, of whose spans some are filled
    mark          of every entity the newest state that is stored or safe
    moved         marks that moved together, until they are folded into their rows
    catalog       what the registries of a home last said
    unmarked      since when states are stored of which no mark tells, where an earlier file or version stored some
    meta          whether the file is damaged

One writing process, one lane, `synchronous=FULL`: a commit that returned survives a power cut. An older file is
migrated in one transaction. A damaged or newer one is set aside under another name, at most `KEPT_ASIDE` of them, and
a new one begun: the service never refuses to start because of it, and `spool recover` reads what is readable. Where
damage was met only while running, the file says so itself, and the next start brings what is readable into a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import evolve

from ingest.edge.aside import SetAside, set_aside, thin_out
from ingest.edge.catalog_file import carry_catalogs_over
from ingest.edge.free_space import USUAL
from ingest.edge.ledger_carry import carry_ledger_over
from ingest.edge.renew import finish_renewal, renew
from ingest.edge.salvage import left_in
from ingest.edge.sqlite import Connection, Damaged, open_writer, ours, pragma, transaction
from ingest.edge.state_damage import damage, look_through
from ingest.edge.state_versions import MIGRATIONS, VERSION
from ingest.edge.totals_file import carry_over
from ingest.errors import IngestError, Refused

KEPT_ASIDE: Final = 3
"""Files set aside that are kept; of more, the oldest goes."""

CACHE_KIB: Final = 1_024
"""Of the file in memory, at most: a batch and its marks, several times. With four times as much nothing is done in less time."""


class Newer(Refused):
    """The file was made by a later version of this program."""


def open_state(path: Path, now_ns: Callable[[], int], min_free: int = USUAL) -> tuple[Connection, SetAside | None]:
    """The one writing connection, migrated; and what had to be set aside for it. Blocking.

    A second file, to renew a damaged one, is made only where `min_free` bytes of the disk stay free.

    Raises `Transient` or `Refused` when no file can be used or made there.
    """
    finish_renewal(path)
    try:
        connection = _opened(path)
    except Newer as error:
        return _begun_anew(path, error, now_ns())
    except Damaged as error:
        aside = _renewed(path, error.what, now_ns(), min_free)
        return _begun_anew(path, error, now_ns()) if aside is None else (_opened(path), aside)
    reason = damage(connection, path)
    if not reason:
        return connection, None
    connection.close()
    aside = _renewed(path, reason, now_ns(), min_free)
    return _opened(path), aside


def _renewed(path: Path, reason: str, now_ns: int, min_free: int) -> SetAside | None:
    """Put a new file in its place, with all that is readable. Where that is not possible, the damaged one stays."""
    aside = renew(path, reason, now_ns, _opened, min_free)
    if aside is not None:
        thin_out(path, KEPT_ASIDE)
    return aside


def _begun_anew(path: Path, error: IngestError, now_ns: int) -> tuple[Connection, SetAside]:
    """A new file, with what the old one counted and knew, as far as it can be read; its batches wait there."""
    aside = set_aside(path, error, now_ns)
    connection = _opened(path)
    carry_over(aside.kept_as, connection, path)
    with suppress(IngestError):  # coverage then begins now
        why = f"its points wait in {aside.kept_as.name}: homeiq-ingest spool recover brings back what is readable"
        carry_ledger_over(aside.kept_as, connection, path, missing=why)
        carry_catalogs_over(aside.kept_as, connection, path)
    thin_out(path, KEPT_ASIDE)
    return connection, evolve(aside, left=left_in(aside.kept_as))


def _opened(path: Path) -> Connection:
    connection = open_writer(path)
    try:
        with ours(path):
            _migrate(connection, path)
            look_through(connection)
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: Connection, path: Path) -> None:
    found = int(pragma(connection, "user_version"))
    if found > VERSION:
        remedy = f"Use the version that made it, or: homeiq-ingest spool recover {path}"
        raise Newer(
            f"the state file is of version {found}, this program knows {VERSION}", where=str(path), remedy=remedy
        )
    if found == VERSION:
        return
    with transaction(connection):
        for version in range(found + 1, VERSION + 1):
            for statement in _statements(MIGRATIONS[version]):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")


def _statements(script: str) -> Sequence[str]:
    """`executescript` would commit by itself."""
    return [each for each in script.split(";") if each.strip()]
