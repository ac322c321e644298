"""The work of `compare`: both databases are read side by side, then what is not the same is explained.

    databases ──windows──▶ findings, in a file ──▶ reasons (state file, rules, silences, Home Assistant) ──▶ tally

What is the same is only counted. The findings go to a temporary file, because some reasons are known at the end only:
of which entities the original wrote anything at all, and how long it was silent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Final

import msgspec
import trio
from attrs import evolve, frozen

from ingest.cli.compare_known import known
from ingest.cli.progress import filling
from ingest.core.comparison import ROUNDING, Comparison, Finding, Side
from ingest.core.comparison_reasons import NOT_WRITTEN, Because, Known, Reason
from ingest.core.comparison_silence import Listening, Silence
from ingest.core.comparison_tally import LOST, Tally
from ingest.core.influxql import homeiq_points, of_homeiq, points
from ingest.errors import IngestError, Refused
from ingest.runtime.supervise import one_error

if TYPE_CHECKING:
    from ingest.cli.compare_home import Home
    from ingest.config.settings import Settings
    from ingest.edge.influx_client import Address, Client

CHUNK: Final = 1_000
"""Findings that are in memory at a time."""

WORTH_ASKING: Final = frozenset({*LOST, Reason.FILLED, Reason.MISSING})
"""Reasons for which it matters whether Home Assistant's recorder has the point."""

Tell = Callable[[Finding, list[Because], "bool | None"], None]
"""Told of every point that is not the same, why, and whether the recorder has it (None: not asked)."""

_findings = msgspec.json.Decoder(Finding)


@frozen
class Asked:
    """What is compared: two databases, in a span of time (nanoseconds)."""

    settings: Settings
    ours: Address
    theirs: Address
    from_ns: int
    to_ns: int


@frozen
class Compared:
    """What came of it. `no_home`: why Home Assistant was not asked."""

    tally: Tally
    silences: tuple[Silence, ...] = ()
    no_home: str = ""


def compared(asked: Asked, tell: Tell, *, ask_home: bool = True) -> Compared:
    """Compare, and tell of every point that is not the same. Raises `Transient` or `Refused`."""
    with TemporaryFile("w+b") as file:
        comparison, listening = _read(asked, file)
        if not comparison.theirs:
            raise Refused(
                "the original has written nothing in that time",
                where=f"{asked.theirs.where}, {asked.theirs.bucket}",
                remedy="Check the database and bucket that --with names, and --since.",
            )
        file.seek(0)
        never = frozenset(_never_written(file, comparison.entities, listening))
        file.seek(0)
        knows = evolve(known(asked.settings), never=never, silence=listening.at)
        tally = Tally(comparison.ours, comparison.theirs, comparison.same)
        with one_error(IngestError):
            no_home = trio.run(partial(_explain, ask_home=ask_home), asked.settings, file, knows, tally, tell)
    return Compared(tally, tuple(listening.found), no_home)


def _read(asked: Asked, file: IO[bytes]) -> tuple[Comparison, Listening]:
    """Go through both databases; what is not the same is then in the file."""
    from ingest.edge.influx_read import Source, Windows, everything  # noqa: PLC0415  imports the network

    whole = asked.settings.influxdb.schema == "homeassistant"
    comparison, listening = Comparison(whole), Listening(asked.from_ns)
    with _clients(asked) as (ours, theirs), filling("reading", "points") as show:
        others = [each.measurement for each in asked.settings.filter.overrides if each.measurement is not None]
        mine = Source(ours, everything(ours), points) if whole else Source(ours, of_homeiq(others), homeiq_points)
        original = Source(theirs, everything(theirs), points, -ROUNDING)
        windows = Windows(mine, original)
        # Read twice rather than kept: what is here of the time in which the original wrote little may be large.
        comparison.begin(windows.original(asked.from_ns, asked.to_ns))
        for window in windows.between(asked.from_ns, asked.to_ns):
            missed = []
            for found in comparison.span(window.ours, window.theirs):
                file.write(msgspec.json.encode(found) + b"\n")
                if found.side is Side.OURS and found.state not in NOT_WRITTEN:
                    missed.append(found.time_ns)
            listening.heard(comparison.times, missed)
            show((window.to_ns - asked.from_ns) / (asked.to_ns - asked.from_ns), comparison.ours + comparison.theirs)
    listening.end(asked.to_ns)
    return comparison, listening


def _never_written(file: IO[bytes], there: Collection[str], listening: Listening) -> Iterator[str]:
    """The entities of which the original wrote nothing, although it wrote others when they changed."""
    for line in file:
        found = _findings.decode(line)
        alone = found.side is Side.OURS and found.entity_id not in there
        if alone and listening.at(found.time_ns) is None:
            yield found.entity_id


@contextmanager
def _clients(asked: Asked) -> Iterator[tuple[Client, Client]]:
    from ingest.edge.influx_client import Client  # noqa: PLC0415  imports the network

    both = Client(asked.ours), Client(asked.theirs)
    try:
        yield both
    finally:
        for client in both:
            client.close()


async def _explain(
    settings: Settings, file: IO[bytes], knows: Known, tally: Tally, tell: Tell, *, ask_home: bool
) -> str:
    """Count every finding under its reasons; returns why Home Assistant was not asked."""
    async with AsyncExitStack() as stack:
        home, no_home = await _home(settings, stack) if ask_home else (None, "it was not wanted")
        if home is not None:
            knows = evolve(knows, facts=home.catalog.facts)
        while chunk := [_findings.decode(line) for line in islice(file, CHUNK)]:
            await _count([(found, list(knows.reasons(found))) for found in chunk], home, tally, tell)
        return home.failed if home is not None else no_home


async def _home(settings: Settings, stack: AsyncExitStack) -> tuple[Home | None, str]:
    from ingest.cli.compare_home import home_of  # noqa: PLC0415  imports the network

    if not settings.home_assistant.candidates():
        return None, "the configuration names none"
    try:
        return await stack.enter_async_context(home_of(settings)), ""
    except IngestError as error:
        return None, str(error)


async def _count(chunk: list[tuple[Finding, list[Because]]], home: Home | None, tally: Tally, tell: Tell) -> None:
    wanted = [found for found, reasons in chunk if reasons[0].reason in WORTH_ASKING]
    recorded = await home.recorded(wanted) if home is not None and wanted else {}
    for found, reasons in chunk:
        has = recorded.get(found)
        known = [each.known_to(recorder=bool(has)) for each in reasons]
        tally.add(found, known, recorded=has)
        tell(found, known, has)
