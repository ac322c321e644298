"""Reading the configuration again while the service runs: asked to, because one of its files changed, or while it is wrong.

read ──wrong──▶ nothing changes, every problem is said, and health shows it; it is read again until it is good
  └──good──▶ the filter, dropped attributes, the log's level: between two frames · the rest: needs a restart
"""

from __future__ import annotations

import os
import shlex
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Final, TypeAlias

import trio
from attrs import define, evolve, field

from ingest.actors.renewing import Difference, compared
from ingest.cli.moments import local
from ingest.config.changes import applied, changed, needing_restart, told
from ingest.config.load import Loaded
from ingest.config.settings import Settings
from ingest.core import reports
from ingest.core.attributes import Drops
from ingest.core.reloading import NAMED, Earlier, Outcome, Reload, moved
from ingest.core.rules import Rules
from ingest.edge.control import Command, Commands, Say
from ingest.errors import IngestError, Problems, Refused, Transient
from ingest.pipeline import Pipeline
from ingest.runtime.lane import Lane

LOOK: Final = 10.0
"""Seconds between two looks at the files."""

STILL: Final = 1.0
"""Seconds in which a file that changed must not change again: it is written whole by then."""

SEEN_AGAIN: Final = 10.0
"""Seconds in which the home's states are judged by other rules, when it is connected."""

FRESH: Final = 120.0
REMEMBERED: Final = 10
"""Seconds in which who asks is told of what was read when nobody was there to be told; and how many readings at most."""

KEPT: Final = "10d"
"""What Home Assistant keeps unless it is told otherwise."""

Marks: TypeAlias = Mapping[Path, tuple[int, int, int] | None]
"""Of each file what tells that it changed; None: it is not there."""


@define(eq=False)
class Reloading:
    """One service's. `read` reads everything again, in `lane`; `level` sets the log's; `again` is how `backfill` is called here.

    `settings` are those in effect, `loaded` what was read last and was good.
    """

    read: Callable[[], Loaded]
    loaded: Loaded
    level: Callable[[str], None]
    lane: Lane
    again: str = "homeiq-ingest backfill"
    settings: Settings = field(init=False)
    _pipeline: Pipeline | None = None
    _attached: trio.Event = field(factory=trio.Event)
    _turn: trio.Lock = field(factory=trio.Lock)
    _untold: deque[tuple[float, Outcome]] = field(factory=lambda: deque(maxlen=REMEMBERED))
    _marks: Marks = field(init=False)
    _refused: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        self.settings = self.loaded.settings
        self._marks = marks(files(self.loaded))

    @property
    def commands(self) -> Commands:
        """What a person may ask for."""
        return {"reload": Command(Reload, self._asked)}

    @asynccontextmanager
    async def attached(self, pipeline: Pipeline) -> AsyncGenerator[None]:
        """Change that pipeline, and look after the files, while the block runs."""
        self._pipeline = pipeline
        self._attached.set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.watch, name="configuration")
            yield
            nursery.cancel_scope.cancel()

    async def watch(self) -> None:
        """Read again whenever a file has changed and stands still, or while what was read last is wrong, for ever."""
        while True:
            await trio.sleep(LOOK)
            if (now := await self.lane(marks, self._marks)) == self._marks:
                await self._again()
                continue
            while True:
                await trio.sleep(STILL)
                before, now = now, await self.lane(marks, self._marks)
                if before == now:
                    break
            if now != self._marks:
                await self.reload("a file of the configuration changed")

    async def signalled(self) -> None:
        """Answer SIGHUP: read the configuration again, as soon as there is a pipeline to change."""
        await self._attached.wait()
        await self.reload("asked to by a signal")

    async def _asked(self, _: Reload, __: Say) -> Outcome:
        """Who changed a file and asks is told what that changed, also where the service was quicker, or an asker went away."""
        outcome = await self.reload("asked to")
        if outcome.problems:
            return outcome
        now = trio.current_time()
        told = [(now - at, each) for at, each in self._untold if each is not outcome]
        earlier = [Earlier(ago, tuple(each.lines())) for ago, each in told if ago <= FRESH]
        self._untold.clear()
        return evolve(outcome, earlier=tuple(earlier))

    async def reload(self, why: str) -> Outcome:
        """Read everything and change what can be changed, or nothing. Raises `Transient` before the pipeline runs."""
        if self._pipeline is None:
            raise Transient("the service is only starting", remedy="Try again in a moment.")
        async with self._turn:
            self._pipeline.emit(reports.Reloading(why))
            return await self._heeded(await self._found(), self._pipeline)

    async def _again(self) -> None:
        """What was wrong may be so no more without a change of a file that is known: a token's was missing for a moment."""
        if self._refused and self._pipeline is not None:
            async with self._turn:
                if (found := await self._standing_still(await self._found())) != self._refused:
                    self._pipeline.emit(reports.Reloading("what was wrong with the configuration has changed"))
                    await self._heeded(found, self._pipeline)

    async def _standing_still(self, found: Loaded | tuple[str, ...]) -> Loaded | tuple[str, ...]:
        """What is read once nobody writes it any more; until then what was wrong is. Not all of its files were watched."""
        if not isinstance(found, Loaded):
            return found
        before = await self.lane(marks, files(found))
        await trio.sleep(STILL)
        again = await self._found()
        return again if await self.lane(marks, before) == before else self._refused

    async def _found(self) -> Loaded | tuple[str, ...]:
        """What is there now, or what is wrong with it."""
        try:
            self._marks = await self.lane(marks, self._marks)
            return await self.lane(self._read)
        except IngestError as error:
            return error.problems if isinstance(error, Problems) else (str(error),)

    async def _heeded(self, found: Loaded | tuple[str, ...], pipeline: Pipeline) -> Outcome:
        if not isinstance(found, Loaded):
            self._refused = found
            pipeline.emit(reports.ReloadRefused(found))
            return Outcome(found)
        self._refused = ()
        outcome = await self._change(found, pipeline)
        seen = pipeline.filter.snapshots.value
        for warning in found.warnings:
            if warning not in self.loaded.warnings:
                pipeline.emit(reports.Notice(warning))
        self.loaded = found
        # What was read now and was not before is looked at from now on.
        self._marks = {**await self.lane(marks, files(found)), **_kept(self._marks, files(found))}
        if outcome.stored.count:
            with trio.move_on_after(SEEN_AGAIN):
                await pipeline.filter.snapshots.until(lambda count: count != seen)
        return outcome

    def _read(self) -> Loaded:
        found, file = self.read(), self.loaded.file
        if file is None or found.file == file:
            return found
        if found.file is None or not os.path.lexists(file):
            remedy = "Put it back; without it the service goes on as it is"
            raise Refused("the configuration file is gone", where=str(file), remedy=remedy)
        remedy = f"Restart the service to have that one, or take it away: until then the service goes on with {file}"
        raise Refused("another configuration file is found first now", where=str(found.file), remedy=remedy)

    async def _change(self, found: Loaded, pipeline: Pipeline) -> Outcome:
        old, new = self.settings, found.settings
        names = changed(old, new)
        difference, rules = Difference(), pipeline.rules.value
        if new.filter != old.filter or new.attributes != old.attributes:
            # With other attributes, too: what stands, to be said again, has those of before until a snapshot tells it.
            rules = Rules(new.filter)
            difference = await compared(pipeline.rules.value, rules, pipeline.catalog.value, pipeline.filter.reconciler)
        # From here on without a checkpoint: no frame is judged by one half of it.
        if new.attributes != old.attributes:
            pipeline.filter.enricher.drop(Drops(new.attributes.drop, new.attributes.drop_by_domain.items()))
        self.level(new.log.level)
        self.settings = applied(old, new)
        if rules is not pipeline.rules.value:
            pipeline.tally.retire(pipeline.rules.value.ended(rules))
            pipeline.rules.set(rules)
        outcome = Outcome(
            settings=tuple(told(name, old, new) for name in names),
            restart=needing_restart(old, new),
            stored=moved(difference.stored),
            left_out=moved(difference.left_out),
            offer=self._offer(difference.lacking),
        )
        pipeline.emit(reports.Reloaded(tuple(outcome.lines()), outcome.stored.count, outcome.left_out.count))
        # What needs a restart is said again at every reading: once is enough.
        if not (outcome.nothing or (self._untold and self._untold[-1][1] == outcome)):
            self._untold.append((trio.current_time(), outcome))
        return outcome

    def _offer(self, lacking: Mapping[str, int | None]) -> str:
        """The command that brings what was left out of them, since the earliest time that is known, else all there is."""
        if not lacking or self.settings.store_kind == "stdout":
            return ""
        times = [time_ns for time_ns in lacking.values() if time_ns is not None]
        since = f"{local(min(times)):%Y-%m-%dT%H:%M}" if len(times) == len(lacking) else KEPT
        globs = lacking if len(lacking) <= NAMED else {f"{name.partition('.')[0]}.*" for name in lacking}
        return " ".join([self.again, "--since", since, *(f"--entities {shlex.quote(each)}" for each in sorted(globs))])


async def run_until(pipeline: Pipeline, stop: trio.Event, reloading: Reloading | None) -> None:
    """Run the pipeline until `stop`, with the configuration read again meanwhile where that is wanted."""
    async with nullcontext() if reloading is None else reloading.attached(pipeline):
        await pipeline.run(stop)


def files(loaded: Loaded) -> tuple[Path, ...]:
    """The files that a configuration was read from."""
    return tuple(each for each in (loaded.file, loaded.settings.filter.file) if each is not None)


def marks(paths: Iterable[Path]) -> Marks:
    """What tells of each file that it changed. Blocking."""
    found: dict[Path, tuple[int, int, int] | None] = {}
    for path in paths:
        try:
            told = path.stat()
        except OSError:
            found[path] = None
        else:
            found[path] = (told.st_mtime_ns, told.st_size, told.st_ino)
    return found


def _kept(known: Marks, paths: Iterable[Path]) -> Marks:
    return {path: known[path] for path in paths if path in known}
