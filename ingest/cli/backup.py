"""`homeiq-ingest backup` and `restore`: copies of the state file and the embedded store, and putting them back."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from attrs import frozen

from ingest.cli.exits import explained
from ingest.cli.held import stopped_service
from ingest.cli.moments import parse_span, shown
from ingest.cli.options import configured, loaded
from ingest.cli.own_file import SECTIONS, state_of, store_of
from ingest.cli.progress import Tell, telling
from ingest.config.load import Loaded
from ingest.edge.backup import Kept, back_up, check_state, known_until
from ingest.edge.backup import restore as put_back
from ingest.edge.database_copy import Look
from ingest.edge.database_file import is_there
from ingest.edge.embedded_schema import check as check_store
from ingest.edge.free_space import Floor, floor_at
from ingest.edge.lock import COMMAND, locked
from ingest.errors import Refused, Transient

MIB: Final = 2**20
NAMES: Final = ("state.db", "home.db")

F = TypeVar("F", bound=Callable[..., Any])


def bounded(function: F) -> F:
    """Give a command `--within`."""
    return click.option(
        "--within",
        metavar="SPAN",
        default="1h",
        show_default=True,
        callback=_seconds,
        help="Give up after this long, such as 10m; no partial copy is left.",
    )(function)


def _seconds(_context: click.Context, option: click.Parameter, text: str) -> float:
    span = parse_span(text)
    if span is None:
        raise click.BadParameter(f"{text!r} is no duration such as 90s, 10m or 2h", param=option)
    return span.total_seconds()


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@bounded
@configured
def backup(*, folder: Path, within: float, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Copy what the service remembers into FOLDER: the state file, and the embedded store if that is used. The service may run.

    Each copy is complete, of one moment, and is verified by reading it. FOLDER is created; no earlier back-up is overwritten. The
    configuration and the tokens are not in it, and neither is a database.
    """
    with explained():
        found = loaded(config_path, assignments, sections=SECTIONS)
        files, until = _to_keep(found)
        sources = [each.path for each in files]
        with _looking(sources, [*sources, folder / NAMES[0]], within, _floor(found)) as look:
            copies = back_up(files, folder, look)
    for each in copies:
        click.echo(f"{each}: {each.stat().st_size / MIB:,.1f} MiB")
    click.echo(f"What they know ends at {shown(until, 'seconds')}." if until else "They know of no home yet.")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@bounded
@configured
def restore(*, folder: Path, within: float, config_path: Path | None, assignments: tuple[str, ...]) -> None:
    """Replace the service's files with a back-up that `backup` made. The service must not run.

    The files that are there are renamed, not deleted. When the service starts, it asks Home Assistant's history for what
    has happened since the back-up.
    """
    with explained():
        found = loaded(config_path, assignments, sections=SECTIONS)
        files = [each for each in _files(found, all_of_them=True) if is_there(folder / each.name)]
        if not files:
            raise Refused(f"there is no {' and no '.join(NAMES)}", where=str(folder), remedy="Name the folder itself.")
        with ExitStack() as stack:
            for each in files:
                stack.enter_context(stopped_service())
                stack.enter_context(locked(each.path, remedy="", by=COMMAND))
            sources = [folder / each.name for each in files]
            look = stack.enter_context(_looking(sources, [each.path for each in files], within, _floor(found)))
            aside = put_back(files, folder, time.time_ns(), look)
        state = files[0].path if files[0].name == NAMES[0] else None
        until = known_until(state) if state else 0
    for each in files:
        click.echo(f"{each.path}: as it is in {folder / each.name}")
    for path in aside:
        click.echo(f"What was there is kept as {path}")
    since = f" what happened since {shown(until, 'seconds')}" if until else " what is missing"
    click.echo(f"Start the service: it asks Home Assistant's history for{since}.")


def _files(found: Loaded, *, all_of_them: bool) -> tuple[Kept, ...]:
    settings = found.settings
    state = Kept(settings.spool.path, NAMES[0], check_state)
    store = Kept(settings.embedded.path, NAMES[1], check_store)
    return (state, store) if all_of_them or settings.store_kind == "embedded" else (state,)


def _to_keep(found: Loaded) -> tuple[list[Kept], int]:
    """Those that are there, and until when they know the home, in nanoseconds; 0: of no home.

    Raises `Refused` when there is none, or the service that runs here has others.
    """
    files = _files(found, all_of_them=False)
    there = [each for each in files if is_there(each.path)]
    state = state_of(found)
    until = known_until(state.path) if is_there(state.path) else 0
    if not until:
        state.look_elsewhere()
    state.check_same()
    if len(files) > 1:
        store = store_of(found)
        if not is_there(store.path):
            store.look_elsewhere()
        store.check_same()
    if not there:
        remedy = "The service makes it when it runs; --config says which service."
        raise Refused("there is nothing to copy yet", where=str(files[-1].path), remedy=remedy)
    return there, until


def _floor(found: Loaded) -> int:
    return found.settings.spool.min_free


@frozen
class _Watch:
    """Ends the copying at `end`, on the monotonic clock, or when one of the disks of `floors` comes to its floor."""

    end: float
    floors: Collection[tuple[Path, Floor]]
    tell: Tell

    def look(self, written: int) -> None:
        """So many bytes are written. Raises `Transient` or `Refused`."""
        self.tell(written // MIB)
        if time.monotonic() > self.end:
            remedy = "Allow more with --within 4h, or run it when the disk is less busy."
            raise Transient("it took longer than allowed, and was given up", remedy=remedy)
        for path, floor in self.floors:
            floor.check(path, 0)


@contextmanager
def _looking(sources: Sequence[Path], growing: Sequence[Path], within: float, min_free: int) -> Iterator[Look]:
    """What is asked while files are copied. The disks of `growing` are written to: a service's log grows meanwhile, too."""
    there = [next(up for up in (each, *each.parents) if is_there(up.parent)) for each in growing]
    try:
        total = sum(each.stat().st_size for each in sources)
        floors = [(each, floor_at(each, min_free)) for each in there]
    except OSError as error:
        where = str(error.filename or sources[0])
        raise Transient(f"the disk cannot be asked: {error.strerror}", where=where) from error
    with telling("copying", -(-total // MIB), "about {} MiB") as tell:
        yield _Watch(time.monotonic() + within, floors, tell).look
