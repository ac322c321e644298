"""What a command and a running service say to each other: one JSON object a line, one request a connection.

    command ── {"version": 1, "command": "purge", "arguments": {}} ──────────────────▶ service
            ◀── {"progress": {"done": 500, "total": 8000, "said": ""}} ── any number ──
            ◀── {"done": {…}}  or  {"error": {"what", "where", "remedy", "passing"}} ──

The connection stays open until the answer is there: a command whose end is closed is given up. Unknown keys are
ignored, so that either side may be the newer one; what a version means is never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import msgspec
from attrs import frozen
from msgspec import Meta

from ingest.errors import IngestError, Refused, Transient

VERSION: Final = 1

LONGEST: Final = 1024 * 1024
"""Bytes of a line at most."""

LAST_ID: Final = 2**63 - 1
"""The greatest id that a file may hold."""

Id: TypeAlias = Annotated[int, Meta(ge=1, le=LAST_ID)]
Path: TypeAlias = Annotated[str, Meta(pattern=r"^[^\x00]*$")]
"""What may be the path of a file."""

T = TypeVar("T")

_OTHER = "Restart the service after an upgrade, so that it and the command are of the same version."


@frozen
class Request:
    """What is asked for; `arguments` are those of the command."""

    command: str
    arguments: Mapping[str, Any] = {}
    version: int = VERSION


@frozen
class Progress:
    """How far it is; `said` is a sentence for a person. A `total` of 0 is not known."""

    done: int = 0
    total: int = 0
    said: str = ""


@frozen
class Failure:
    """An error as it travels; a `passing` one may be tried again."""

    what: str
    where: str = ""
    remedy: str = ""
    passing: bool = False

    def error(self) -> IngestError:
        """The error as it was on the other side: `Transient` when it passes by itself, else `Refused`."""
        family = Transient if self.passing else Refused
        return family(self.what, where=self.where, remedy=self.remedy)


@frozen
class Answer:
    """One line of the service: exactly one of the three."""

    progress: Progress | None = None
    done: Mapping[str, Any] | None = None
    error: Failure | None = None


# ---- the commands (`home`: whose; "": of whichever runs) and their results -------------------------------------------


@frozen
class Purge:
    """Remove everything that waits and is not being delivered right now."""


@frozen
class Purged:
    """How many points were removed from the spool."""

    points: int


@frozen
class Replay:
    """Deliver what waits in the spool, now, whatever the writer was waiting for."""


@frozen
class Replayed:
    """What was delivered since; `problem` is why it ended before everything was."""

    where: str
    stored: int
    refused: int
    left: int
    problem: Failure | None = None


@frozen
class Retry:
    """Put dead letters back into the spool: those with these ids, or everything."""

    ids: tuple[Id, ...] = ()
    everything: bool = False
    home: str = ""


@frozen
class Retried:
    """So many points are back; so many letters stay, because they are no lines that the store could take."""

    moved: int
    stay: int


@frozen
class Recover:
    """Bring in what is readable in a state file that was set aside; `file` is an absolute path."""

    file: Path


@frozen
class Recovered:
    """What came back, what was there already, and what cannot be read."""

    batches: int
    points: int
    known: int
    letters: int
    unreadable: int


@frozen
class Reopen:
    """The database lost everything since then, such as by a restore: all of it is missing. In nanoseconds."""

    since_ns: int
    home: str = ""


@frozen
class Reopened:
    """What is to be filled again; no entities: nothing was stored since. Times in nanoseconds."""

    gap_id: int = 0
    entities: int = 0
    from_ns: int = 0
    to_ns: int = 0


@frozen
class Import:
    """Store what the history has since then, in nanoseconds, and the store lacks; `again`: all. `entities`: globs, none: all."""

    since_ns: int
    entities: tuple[str, ...] = ()
    again: bool = False
    home: str = ""


@frozen
class Imported:
    """The gap that is filled; no entities: there is nothing to ask for. `pending` gaps of earlier imports go on."""

    gap_id: int = 0
    entities: int = 0
    from_ns: int = 0
    to_ns: int = 0
    pending: tuple[int, ...] = ()


@frozen
class Fill:
    """Fill now what there is to fill, what could not be had before included."""

    home: str = ""


@frozen
class Filling:
    """These gaps are being filled; of so many entities it is tried once more."""

    gaps: tuple[int, ...] = ()
    again: int = 0


# ---- the wire --------------------------------------------------------------------------------------------------------


def failure(error: IngestError) -> Failure:
    """An error in the shape in which it travels over the control socket."""
    return Failure(error.what, error.where, error.remedy, isinstance(error, Transient))


def line(message: object) -> bytes:
    """A message as a line of JSON, its line break included."""
    return msgspec.json.encode(message) + b"\n"


def answer(kind: str, message: object) -> bytes:
    """A line of the service; `kind` is a field of `Answer`."""
    return line({kind: message})


def read_request(text: bytes) -> Request:
    """A line as a request. Raises `Refused`."""
    request = _read(text, Request)
    if request.version != VERSION:
        raise Refused(f"the command speaks version {request.version}, this service {VERSION}", remedy=_OTHER)
    return request


def read_answer(text: bytes) -> Answer:
    """A line as an answer. Raises `Refused`."""
    return _read(text, Answer)


def read_as(values: Mapping[str, Any], kind: type[T]) -> T:
    """Arguments or a result as what they are. Raises `Refused`."""
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise Refused(f"{kind.__name__} cannot be understood: {error}", remedy=_OTHER) from error


def unknown(command: str, known: Mapping[str, object]) -> Refused:
    """Nobody knows that command."""
    where = f"it knows {', '.join(sorted(known))}"
    return Refused(f"this service knows no command {command!r}", where=where, remedy=_OTHER)


def _read(text: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(f"a line cannot be understood: {error}", remedy=_OTHER) from error
