"""Faults of the recorder and of its history, as values; `faults` says how they are scripted."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen


@frozen
class LateHistory:
    """Answers of the history come `delay` seconds late, for a while; other answers do not."""

    delay: float
    seconds: float


@frozen
class SilentHistory:
    """Questions to the history are never answered, for a while."""

    seconds: float


@frozen
class PartialHistory:
    """The history answers with only the first `part` of each entity's rows, for a while."""

    seconds: float
    part: float = 0.5


@frozen
class RecorderOff:
    """The recorder is switched off for a while: what happens meanwhile will never be in the history."""

    seconds: float


@frozen
class RecorderBehind:
    """The recorder stands still for a while: what happens meanwhile is in its backlog, and later in the history."""

    seconds: float


@frozen
class Commits:
    """From now on the recorder commits every so many seconds, and what is not committed is not in the history."""

    interval: float = 5.0


@frozen
class Exclude:
    """From now on the recorder shows nothing of these entities; `*` stands for anything."""

    entities: tuple[str, ...]


@frozen
class Purge:
    """The recorder throws away what is older than `keep` seconds."""

    keep: float


Lasting = LateHistory | SilentHistory | PartialHistory | RecorderOff | RecorderBehind
"""Those that are over after a while."""

RecorderFault = Lasting | Commits | Exclude | Purge

KINDS: Mapping[str, type[RecorderFault]] = {
    "late_history": LateHistory,
    "silent_history": SilentHistory,
    "partial_history": PartialHistory,
    "recorder_off": RecorderOff,
    "recorder_behind": RecorderBehind,
    "commits": Commits,
    "exclude": Exclude,
    "purge": Purge,
}
