"""State files for tests of the commands, written as the service writes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from click.testing import Result

from ingest.cli.main import main
from ingest.core.sealing import resealed, unsealed
from ingest.edge.letter_file import Letter, Letters
from ingest.edge.spool_rows import Key
from ingest.edge.spool_succession import insert
from ingest.edge.sqlite import Connection, transaction
from ingest.edge.state_file import open_state
from tests.cli.stores import NOON, S
from tests.cli.stores import run as run_command

KEY = Key("home", "influxdb")
TOKEN = "secret-token-of-the-database"


@contextmanager
def opened(path: Path) -> Iterator[Connection]:
    connection, _ = open_state(path, lambda: NOON)
    with closing(connection):
        yield connection


def lines(count: int, first: int = 0) -> list[bytes]:
    return [b"m,n=%d v=1 %d" % (number, NOON + number * S) for number in range(first, first + count)]


def spooled(path: Path, *batches: Sequence[bytes], key: Key = KEY, every: int = S) -> Path:
    """A state file in which these batches wait, put `every` so many nanoseconds."""
    with opened(path) as connection, transaction(connection):
        row = None
        for number, batch in enumerate(batches):
            after = 0 if row is None else row.id
            row = insert(connection, key, resealed(batch), NOON + number * every, after)
    return path


def buried(path: Path, *given: tuple[str, str], store: str = "influxdb") -> Path:
    """A state file with these lines and reasons as dead letters."""
    with opened(path) as connection:
        Letters(connection, path).add([Letter(0, "home", store, NOON, line, reason) for line, reason in given])
    return path


def waiting_lines(path: Path) -> list[bytes]:
    """Everything in the spool, in order."""
    with opened(path) as connection:
        rows = connection.execute("SELECT payload FROM batch ORDER BY id").fetchall()
    return [line for (payload,) in rows for line in unsealed(payload)]


def letters(path: Path) -> list[tuple[str, str]]:
    with opened(path) as connection:
        return [(each.line, each.reason) for each in Letters(connection, path).listed()]


def run(path: Path, *arguments: object, url: str = "") -> Result:
    """A command over that state file; with `url` a database is configured."""
    sets = [f"spool.path={path}"]
    if url:
        token = path.with_name("token")
        token.write_text(TOKEN)
        token.chmod(0o600)
        sets += [f"influxdb.url={url}", f"influxdb.token_file={token}", "influxdb.create_bucket=false"]
    return run_command(main, *arguments, *(word for each in sets for word in ("--set", each)))
