"""Lasting totals in the state file: blocking functions on one connection, each one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

from attrs import field, frozen

from ingest.edge.spool_rows import Key
from ingest.edge.sqlite import Connection, open_reader, ours, transaction, translated
from ingest.errors import IngestError


@frozen
class Account:
    """What is known of a home's store: since when it is counted, and how fast bytes last went into its spool."""

    since_ns: int
    totals: Mapping[str, int] = field(factory=dict)
    bytes_per_second: float | None = None


@frozen
class Totals:
    """One key's totals. Every method may raise what `translated` says."""

    connection: Connection
    path: Path
    key: Key

    def opened(self, now_ns: int) -> Account:
        """The totals so far; those of a key that is new begin now."""
        with translated(self.path):
            with transaction(self.connection):
                self.connection.execute(
                    "INSERT INTO account (home, store, since_ns) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                    (self.key.home, self.key.store, now_ns),
                )
            return accounts(self.connection)[self.key]

    def add(self, more: Mapping[str, int], bytes_per_second: float | None) -> None:
        """Add what was counted since the last time; a rate that is not known leaves the last one."""
        home, store = self.key.home, self.key.store
        with translated(self.path), transaction(self.connection):
            count(self.connection, self.key, more)
            self.connection.execute(
                "UPDATE account SET bytes_per_second = coalesce(?, bytes_per_second) WHERE home = ? AND store = ?",
                (bytes_per_second, home, store),
            )


def count(connection: Connection, key: Key, more: Mapping[str, int]) -> None:
    """Add to totals, in the transaction of the caller."""
    connection.executemany(
        "INSERT INTO total (home, store, name, value) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET value = value + excluded.value",
        [(key.home, key.store, name, value) for name, value in more.items()],
    )


def accounts(connection: Connection) -> dict[Key, Account]:
    """Every home's and store's account, totals included. For a reader, too."""
    found = connection.execute("SELECT home, store, since_ns, bytes_per_second FROM account").fetchall()
    totals = connection.execute("SELECT home, store, name, value FROM total").fetchall()
    return {
        Key(home, store): Account(since_ns, {name: value for *key, name, value in totals if key == [home, store]}, rate)
        for home, store, since_ns, rate in found
    }


def carry_over(source: Path, connection: Connection, path: Path) -> None:
    """Into a new file what a file that was set aside counted, when it can be read: it is counted on."""
    with suppress(IngestError):
        with closing(open_reader(source, damaged=True)) as reader, ours(source):
            found = accounts(reader)
        for key, account in found.items():
            totals = Totals(connection, path, key)
            totals.opened(account.since_ns)
            totals.add(account.totals, account.bytes_per_second)
