"""What a person may have a running service do about gaps: reopen, backfill, fill. Each is one transaction, of its own home's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio
from attrs import define, field

from ingest.actors.importing import Importing
from ingest.actors.spoolless import Spoolless
from ingest.core import control, reports
from ingest.core.reports import Emit, Report
from ingest.edge.control import Command, Commands, Complain, Say
from ingest.edge.ledger import Ledger
from ingest.edge.spool_control import Leftover
from ingest.errors import Refused, Transient

Listen: TypeAlias = Callable[[Commands, Complain], Awaitable[None]]


@define(eq=False)
class Mending:
    """The commands over one ledger. `importing` is there once the pipeline runs."""

    ledger: Ledger
    importing: Importing | None = None
    _turn: trio.Lock = field(factory=trio.Lock)

    @property
    def commands(self) -> Commands:
        """Every command by its name."""
        return {
            "reopen": Command(control.Reopen, self.reopen),
            "backfill": Command(control.Import, self.backfill),
            "fill": Command(control.Fill, self.fill),
        }

    async def reopen(self, asked: control.Reopen, _: Say) -> control.Reopened:
        """Have everything filled again that was stored since then. Raises `Refused` for another home's."""
        self._check(asked.home)
        async with self._turn:
            gap = await self.ledger.reopen(asked.since_ns)
        return control.Reopened() if gap is None else control.Reopened(gap.id, gap.spans, gap.from_ns, gap.to_ns)

    async def backfill(self, asked: control.Import, _: Say) -> control.Imported:
        """Have everything filled that Home Assistant remembers since then and that is not stored. Raises as `reopen`."""
        self._check(asked.home)
        async with self._turn:
            return await self._importing().begin(asked)

    async def fill(self, asked: control.Fill, _: Say) -> control.Filling:
        """Have everything tried now. Raises as `reopen`."""
        self._check(asked.home)
        async with self._turn:
            return await self._importing().fill()

    def _check(self, home: str) -> None:
        """Who asks looks at the gaps of the home that it was configured with, and would see nothing happen."""
        if home not in {"", own := self.ledger.file.key.home}:
            remedy = "If that is its new name, restart the service. Else give each home a spool.path of its own."
            raise Refused(f"the service that runs is of home {own}, and fills nothing of {home}", remedy=remedy)

    def _importing(self) -> Importing:
        if self.importing is None:
            raise Transient("the service is only starting", remedy="Try again in a moment.")
        return self.importing


@define(eq=False)
class SpoollessControl:
    """The control of a service without a spool on disk: commands of its ledger, and `more`; those of a spool are answered."""

    ledger: Ledger
    left: Leftover
    listen: Listen
    more: Commands = field(factory=dict)

    async def run(self, _: Callable[[], None], emit: Emit, importing: Importing | None = None) -> None:
        """Serve the commands until cancelled. What goes wrong with the socket is said as a `Notice`."""
        commands = {**Spoolless(self.left).commands, **Mending(self.ledger, importing).commands, **self.more}
        await self.listen(commands, lambda sentence: emit(reports.Notice(sentence)))

    def hear(self, report: Report) -> None:
        """Nobody here waits for one."""
