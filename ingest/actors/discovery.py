"""Keeping the catalog true: at the start of a session, when Home Assistant reports a change, and now and then.

    everything ──▶ what changed, again and again ──▶ everything, after half an hour, or when there is no telling what

The catalog is always replaced as a whole: after a failed reading, the last one goes on serving. Registry events carry
only ids and old values. So they are gathered until no more come, and then what they name is asked for: entities one by
one, the small registries whole. A server that knows no registry is asked by template (`actors/template_reading.py`).
"""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import define, evolve, field

from ingest.actors.connection import CommandFailed, Connection
from ingest.actors.notices import Notices
from ingest.actors.registry_reading import FAILURES, RegistryReader, Whole
from ingest.actors.template_reading import TEMPLATE, Render, by_template
from ingest.core import reports
from ingest.core.catalog import NO_CATALOG, Catalog
from ingest.core.conversation import NAMELESS
from ingest.core.registries import RegistryLists
from ingest.core.registry_changes import Changes
from ingest.core.reports import Emit
from ingest.errors import IngestError
from ingest.runtime.garbage import look_now
from ingest.runtime.supervise import one_error
from ingest.runtime.watch import Watch

DEBOUNCE = 0.5
"""Seconds of silence after a registry event: integrations change hundreds of entries in a row."""

AGAIN = 60.0
"""Seconds after which a failed reading is tried again; a server that has no registries is not asked so often."""

SOON = 1.0
"""Seconds after which what changed is read even though the events go on: a new truth is known within two."""

PATIENCE = 5.0
"""Seconds after which everything is."""

KNOWS_NONE = frozenset({"unknown_command", NAMELESS})
"""Codes of a server that has no registries, or cannot say so."""

CHANGED = "reading what changed"

TOLD = 5.0
"""Seconds after a few changes were read in which everything is, where somebody makes more of the raw entries."""

SHARE = 20
"""Such readings come after so many times as long as the last one took: a large home is not read without end."""

Tell = Callable[[RegistryLists], None]
"""Is handed the raw device and entity entries of a whole reading, before it is reported; it must not keep them.

A reading in which the devices failed is none."""


@define(eq=False)
class Discovery:
    """Keeps `catalog` true while a session lasts. `notices` has what changed; `interval` is in seconds.

    `render` has Home Assistant render a template. `tried` is set once a first reading came to an end, good or bad.
    """

    bulk: Connection
    catalog: Watch[Catalog]
    notices: Notices
    emit: Emit
    interval: float
    tell: Tell | None = None
    render: Render | None = None
    tried: trio.Event = field(factory=trio.Event)
    _reader: RegistryReader = field(init=False)
    _told_after: float = TOLD

    def __attrs_post_init__(self) -> None:
        self._reader = RegistryReader(self.bulk, self._complain, self._works)

    async def run(self) -> None:
        """Read now, and again whenever there is reason to, for ever."""
        while True:
            waiting = self.notices.take()
            if self.catalog.value is not NO_CATALOG and not waiting.whole:
                self.notices.give_back(waiting)  # everything includes it, but of a large home is known late
            wait, complete = await self._everything()
            look_now()
            self.tried.set()
            with trio.move_on_after(wait) as until:
                await self._follow(until, complete=complete)

    async def _follow(self, until: trio.CancelScope, *, complete: bool) -> None:
        """Read what changes, until everything must be read: what is not `complete` cannot be mended in parts."""
        while True:
            await self.notices.some()
            quiet = await self.notices.settle(DEBOUNCE, SOON)
            changes = self.notices.take()
            if changes.whole or not complete:
                if not quiet:
                    await self.notices.settle(DEBOUNCE, PATIENCE - SOON)
                return
            if not await self._some(changes):
                return
            if self.tell is not None:
                until.deadline = min(until.deadline, trio.current_time() + self._told_after)

    async def _some(self, changes: Changes) -> bool:
        """Read what changed; False when that failed."""
        started = trio.current_time()
        try:
            catalog = await self._reader.changed(self.catalog.value, changes)
        except FAILURES as problem:
            self._complain(CHANGED, problem)
            return False
        self._works(CHANGED)
        self._swap(catalog)
        names, lists = tuple(changes.entities), tuple(sorted(changes.lists))
        self.emit(reports.CatalogChanged(names, lists, trio.current_time() - started))
        return True

    async def _everything(self) -> tuple[float, bool]:
        """Read everything; the seconds until the next time, and whether all of it is known."""
        started, asked = trio.current_time(), self.notices.count.value
        meanwhile = Changes()
        try:
            whole = await self._whole(meanwhile)
        except FAILURES as problem:
            self.notices.give_back(meanwhile)
            return await self._failed(problem, asked), False
        catalog, registries = whole.catalog, whole.catalog.registries
        self._swap(catalog)
        if self.tell is not None and whole.devices is not None:
            self.tell(RegistryLists(whole.devices, whole.entities))
        self.notices.works("")
        self._works(TEMPLATE)  # whether or not it does: nobody needs it any more
        seconds = trio.current_time() - started
        self._told_after = max(TOLD, SHARE * seconds)
        self.emit(
            reports.CatalogLoaded(
                len(catalog), len(registries.devices), len(registries.areas), whole.skipped, seconds,
                len(registries.floors), len(registries.labels), lacking=whole.lacking, asked=asked,
            )
        )  # fmt: skip
        wait = self.interval
        if whole.lacking:  # what changed in that list may be known to nobody yet
            wait = min(wait, max(AGAIN, SHARE * seconds))
        if meanwhile and self.tell is not None:
            wait = min(wait, self._told_after)
        return wait, True

    async def _whole(self, meanwhile: Changes) -> Whole:
        """Everything, and what changed `meanwhile`, which is read by itself as ever: in a large home all takes long.

        Whatever of it the lists do not have yet is brought into what they say before anybody sees that.
        """
        with one_error(*FAILURES):
            async with trio.open_nursery() as nursery:
                if self.catalog.value is not NO_CATALOG:
                    nursery.start_soon(self._meanwhile, meanwhile)
                whole = await self._reader.whole(self.catalog.value)
                nursery.cancel_scope.cancel()
        meanwhile.join(self.notices.take())
        if meanwhile and not meanwhile.whole:
            try:
                return evolve(whole, catalog=await self._reader.changed(whole.catalog, meanwhile))
            except FAILURES as problem:
                self._complain(CHANGED, problem)
        self.notices.give_back(meanwhile)
        return whole

    async def _meanwhile(self, known: Changes) -> None:
        """Read what changes, until everything must be read once more."""
        while True:
            await self.notices.some()
            await self.notices.settle(DEBOUNCE, SOON)
            changes = self.notices.take()
            known.join(changes)
            if known.whole or not await self._some(changes):
                return

    def _swap(self, catalog: Catalog) -> None:
        self.catalog.set(self.notices.known_in(catalog))

    def _works(self, command: str) -> None:
        if self.notices.works(command):
            self.emit(reports.RegistryWorks(command))

    def _complain(self, command: str, problem: Exception) -> None:
        if self.notices.is_news(command, str(problem)):
            self.emit(reports.RegistryFailed(command, str(problem)))

    async def _failed(self, problem: Exception, asked: int) -> float:
        """Say so, and ask by template where that can help; the seconds until the next time."""
        self.emit(reports.CatalogFailed(str(problem), again=not self.notices.is_news("", str(problem)), asked=asked))
        knows_none = isinstance(problem, CommandFailed) and problem.code in KNOWS_NONE
        if self.render is not None and (knows_none or self.catalog.value is NO_CATALOG):
            await self._ask_by_template(self.render, asked)
        return self.interval if knows_none else min(self.interval, AGAIN)

    async def _ask_by_template(self, render: Render, asked: int) -> None:
        started = trio.current_time()
        try:
            catalog, skipped = await by_template(render, self.catalog.value)
        except IngestError as error:
            self._complain(TEMPLATE, error)
            return
        self._works(TEMPLATE)
        self._swap(catalog)
        seconds, registries = trio.current_time() - started, catalog.registries
        sizes = len(catalog), len(registries.devices), len(registries.areas), skipped, seconds
        self.emit(reports.CatalogLoaded(*sizes, source="templates", asked=asked))
