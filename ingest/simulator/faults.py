"""Faults that a script makes happen, as values, at a time or after so many events.

A script is written in TOML or JSON, a table `fault` each:

    [[fault]]
    kind = "restart"
    at = 30.0        # seconds after the start; or after = 5000, state changes sent
    down = 5.0

`which` says whom a fault of connections hits: `all` WebSocket clients, the `live` ones that listen to state changes,
or the `bulk` others. Seconds are the event loop's, so that a virtual clock works.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from attrs import frozen

from ingest.errors import Refused
from ingest.simulator import recorder_faults
from ingest.simulator.recorder_faults import RecorderFault

Which = Literal["all", "live", "bulk"]


@frozen
class Drop:
    """Connections are reset: what a cut network looks like. Clients may come back at once."""

    which: Which = "all"


@frozen
class Cut:
    """Connections are reset in the middle of the next frame."""

    which: Which = "all"


@frozen
class Stall:
    """Nothing is sent or read for a while."""

    seconds: float
    which: Which = "all"


@frozen
class HalfOpen:
    """Nothing is sent or read ever again, and nobody hangs up."""

    which: Which = "all"


@frozen
class HugeFrame:
    """A valid frame of `size` bytes arrives."""

    size: int = 70 * 1024 * 1024
    which: Which = "live"


@frozen
class RefuseAuth:
    """Every token is `auth_invalid` for a while."""

    seconds: float


@frozen
class SilentAuth:
    """Authentication is not answered for a while."""

    seconds: float


@frozen
class Refuse:
    """Connections are refused for a while; those that stand, stand."""

    seconds: float


@frozen
class Restart:
    """Home Assistant restarts; `kill`: clients see a reset instead of a close with 1000."""

    down: float = 5.0
    starting: float = 2.0
    kill: bool = False


@frozen
class Burst:
    """So many states are set in one turn: more than 4,096 drop every listening client."""

    count: int = 4200
    entities: int = 100


@frozen
class Malformed:
    """A message that is not JSON, or an event of another shape between two good ones."""

    what: Literal["json", "shape"] = "shape"


@frozen
class AnswerError:
    """Commands are answered with an error for a while; code `unknown_command`: the release does not have them.

    `*` stands for anything, and `api/template` for the templates of REST. `without_id`: it does not say which command
    it answers, as servers do that only resemble Home Assistant.
    """

    command: str
    seconds: float
    code: str = "unknown_command"
    message: str = "Unknown command."
    without_id: bool = False


@frozen
class SlowAnswers:
    """Every command waits `delay` seconds, for a while."""

    delay: float
    seconds: float


Fault = (
    Drop
    | Cut
    | Stall
    | HalfOpen
    | HugeFrame
    | RefuseAuth
    | SilentAuth
    | Refuse
    | Restart
    | Burst
    | Malformed
    | AnswerError
    | SlowAnswers
    | RecorderFault
)

KINDS: Mapping[str, type[Fault]] = {
    "drop": Drop,
    "cut": Cut,
    "stall": Stall,
    "half_open": HalfOpen,
    "huge_frame": HugeFrame,
    "refuse_auth": RefuseAuth,
    "silent_auth": SilentAuth,
    "refuse": Refuse,
    "restart": Restart,
    "burst": Burst,
    "malformed": Malformed,
    "answer_error": AnswerError,
    "slow_answers": SlowAnswers,
    **recorder_faults.KINDS,
}


@frozen
class Step:
    """A fault, and when: `at` seconds after the start, or `after` so many state changes were sent."""

    fault: Fault
    at: float = 0.0
    after: int | None = None


Script = tuple[Step, ...]


def parse(tables: object) -> Script:
    """Read a script from what TOML or JSON gave. Raises `Refused`, naming the table and the key."""
    faults = tables.get("fault") if isinstance(tables, dict) else None
    if not isinstance(faults, list):
        raise Refused("The script has no list of faults", remedy="Write each as a table [[fault]] with a kind.")
    return tuple(_step(number, table) for number, table in enumerate(faults, 1))


def read(path: Path) -> Script:
    """Read a script from a file, JSON when it is called so, else TOML. Raises `Refused`."""
    try:
        text = path.read_text(encoding="utf-8")
        return parse(json.loads(text) if path.suffix == ".json" else tomllib.loads(text))
    except (OSError, ValueError) as error:
        raise Refused(
            f"The script of faults cannot be read: {error}", where=str(path), remedy="Fix the file."
        ) from None


def _step(number: int, table: Any) -> Step:
    if not isinstance(table, dict) or table.get("kind") not in KINDS:
        raise Refused(f"Fault {number} has no known kind", remedy=f"Known: {', '.join(KINDS)}.")
    fields = {key: value for key, value in table.items() if key not in {"kind", "at", "after"}}
    kind = KINDS[table["kind"]]
    unknown = fields.keys() - {attribute.name for attribute in kind.__attrs_attrs__}
    if unknown:
        raise Refused(
            f"Fault {number} ({table['kind']}) does not know {', '.join(sorted(unknown))}", remedy="Remove it."
        )
    try:
        fault = msgspec.convert(fields, kind)
        return Step(
            fault, msgspec.convert(table.get("at", 0.0), float), msgspec.convert(table.get("after"), int | None)
        )
    except msgspec.ValidationError as error:
        raise Refused(f"Fault {number} ({table['kind']}) is wrong: {error}", remedy="Fix the value.") from None
