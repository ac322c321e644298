"""What waits in the state file and nobody delivers: the points of a home that is called otherwise now, or of an earlier store."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from attrs import evolve, frozen

from ingest.core.findings import Check, warning
from ingest.core.words import waits


@frozen
class Left:
    """So many points of this home for that store, which are not those of the service."""

    home: str
    store: str
    points: int

    @property
    def what(self) -> str:
        """What is wrong, without its full stop."""
        return f"{waits(self.points)} for {self.store} in the name of home {self.home}, and nobody delivers it"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        replay = f"homeiq-ingest spool replay --set {shlex.quote(f'home={self.home}')}"
        return (
            f"Stop the service and deliver it with `{replay}`, with the database configured that it is for; or remove it with"
            " `homeiq-ingest spool purge`, which removes all that waits."
        )


@frozen
class Formerly:
    """Another home that this file knows for the same store, until `heard_ns`, while the service's own is new in it.

    `stopped`: its last run ended in order.
    """

    home: str
    heard_ns: int
    stopped: bool

    def notice(self, now: str, path: str, until: str) -> str:
        """What a service says of it that is of home `now`; `until` is `heard_ns` as commands take it."""
        return (
            f"home {now} is new in the state file ({path}), which knows home {self.home} until {until}. What came since is a gap"
            " of the new name. What is open under the other one nobody fills: `homeiq-ingest gaps list` shows it, and if that is the"
            f' old name, use it again (home = "{self.home}") to have it.'
        )


def notices(path: str, found: Iterable[Left]) -> list[str]:
    """What a service says of it at its start."""
    return [f"{each.what} ({path}). {each.remedy}" for each in found]


def judged(check: Check, path: str, found: Sequence[Left]) -> Check:
    """The check of the state file, with a warning for each."""
    return evolve(check, findings=(*check.findings, *(warning(each.what, path, each.remedy) for each in found)))
