"""What a running pipeline is wired like: who puts what into which link, spool or cell, and who takes it out.

`Wiring` looks on: it wraps the two ends of everything that carries something from one stage to another, and looks on the
stack for the stages that are calling. A stage is known by its module. What a stage hands to itself is not noted.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial, wraps
from types import FrameType
from typing import Any, TypeAlias

import pytest
import trio
from attrs import define, field

from ingest.actors.connection import Connection
from ingest.core.store import Batch, Verdict
from ingest.edge.data_api import DataApi
from ingest.edge.dead_letters import DeadLetters
from ingest.edge.disk_spool import DiskSpool
from ingest.edge.lasting import Lasting
from ingest.edge.ledger import Ledger
from ingest.pipeline import Pipeline
from ingest.runtime.errand import Errand
from ingest.runtime.link import Link, Overflow, Receiver, Sender
from ingest.runtime.slot import Slot
from ingest.runtime.watch import Watch

Edge: TypeAlias = tuple[str, str, str]
"""From, what stands on the line, to."""

KEEPERS: Mapping[str, type[Any]] = {"ledger": Ledger, "dead letters": DeadLetters, "lasting totals": Lasting}
"""Stages that keep something in the state file for others, and what these call."""

Way: TypeAlias = tuple[str, ...]
"""The stages on the stack, the innermost first."""


@define(eq=False)
class Ends:
    """Who puts something in, who takes something out; what is in it."""

    thing: object
    given: set[Way] = field(factory=set)
    taken: set[Way] = field(factory=set)


@define(eq=False)
class Wiring:
    """Notes what is seen. `stages` are their names by module, such as `ingest.actors.filter`."""

    stages: Mapping[str, str]
    senders: set[Sender[Any]] = field(factory=set)
    used: dict[Sender[Any], set[Way]] = field(factory=lambda: defaultdict(set))
    ends: dict[int, Ends] = field(factory=dict)
    asked: dict[Connection, set[Way]] = field(factory=lambda: defaultdict(set))
    told: set[Way] = field(factory=set)
    kept: dict[str, set[Way]] = field(factory=lambda: defaultdict(set))

    def look_on(self, patch: pytest.MonkeyPatch) -> None:
        """From now on, until the patch is undone."""
        self._wrap(patch, Link, "sender", after=lambda _, sender: self.senders.add(sender))
        self._wrap(patch, Sender, "put", self._put)
        self._wrap(patch, Receiver, "receive", lambda end, *_: self._took(end.link))
        self._wrap(patch, DiskSpool, "put", self._gave)
        self._wrap(patch, DiskSpool, "claim", self._took)
        self._wrap(patch, Connection, "ask", self._asks)
        self._wrap(patch, DataApi, "post", lambda *_: self.told.add(self._way()))
        self._wrap(patch, Watch, "set", self._gave)
        for name in ("changed", "until"):
            self._wrap(patch, Watch, name, self._took)
        self._wrap(patch, Slot, "put", self._gave)
        self._wrap(patch, Slot, "take", self._took)
        for stage, kind in KEEPERS.items():
            self._wrap_all(patch, kind, partial(self._used, stage))
        self._wrap(patch, Errand, "__call__", self._sent)
        wiring, value = self, vars(Watch)["value"]

        def looked_at(cell: Watch[Any]) -> Any:
            wiring._took(cell)
            return value.fget(cell)

        patch.setattr(Watch, "value", property(looked_at))

    def edges(self, pipeline: Pipeline) -> set[Edge]:
        """What was seen; cells are apart, in `cells`."""
        assert self.senders == self.used.keys(), "somebody made a sending end, and nothing came through it"
        return {*self._over_links(pipeline), *self._over_the_spool(pipeline), *self._over_sockets(pipeline)}

    def cells(self, known: Mapping[str, Watch[Any]]) -> Mapping[str, tuple[set[str], set[str]]]:
        """Of each of these who writes it and who reads it."""
        found = {name: self.ends[id(cell)] for name, cell in known.items()}
        return {name: ({way[0] for way in each.given}, {way[0] for way in each.taken}) for name, each in found.items()}

    def inboxes(self, known: Mapping[str, Watch[Any]]) -> set[Edge]:
        """Over cells and slots that have no name: one stage keeps it, and others have it write there what it is to know."""
        cells = [each for each in self.ends.values() if isinstance(each.thing, Watch | Slot)]
        unnamed = [each for each in cells if all(each.thing is not cell for cell in known.values())]
        return {edge for each in unnamed for edge in _between(each.given, "", each.taken)}

    def keeping(self) -> set[Edge]:
        """Who has something kept, or asks for what is, other than whoever keeps it."""
        users = {
            (next((each for each in way if each != stage), ""), "", stage)
            for stage in self.kept
            for way in self.kept[stage]
        }
        return {edge for edge in users if edge[0] not in {"", "nobody"}}

    def _over_links(self, pipeline: Pipeline) -> Iterator[Edge]:
        names = {id(pipeline.intake): "intake", id(pipeline.link): "link"}
        for sender, ways in self.used.items():
            how = "blocks" if sender.overflow is Overflow.BLOCK else "sheds"
            label = f"{names.get(id(sender.link), sender.link.name)} ({how})"
            yield from _between(ways, label, self.ends[id(sender.link)].taken)

    def _over_the_spool(self, pipeline: Pipeline) -> Iterator[Edge]:
        ends = self.ends[id(pipeline.spool)]
        yield from _between(ends.given, "spool", ends.taken)

    def _over_sockets(self, pipeline: Pipeline) -> Iterator[Edge]:
        live, bulk = self._connections()
        yield from (("Home Assistant", "live", self.stages[each.deliver.__module__]) for each in live)
        yield from (("Home Assistant", "bulk", way[0]) for each in bulk for way in self.asked[each])
        yield from ((way[0], "", "data-api") for way in self.told)
        deliver = pipeline.plan.destination.store.deliver
        assert isinstance(deliver, Delivering)
        yield from ((way[0], "", "store") for way in deliver.ways)

    def _connections(self) -> tuple[list[Connection], list[Connection]]:
        """Two by two they come, the live one first: what it asks first is whether events may come together."""
        found = list(self.asked)
        return found[::2], found[1::2]

    def _wrap(
        self,
        patch: pytest.MonkeyPatch,
        kind: type[Any],
        name: str,
        before: Callable[..., object] = lambda *_: None,
        after: Callable[[Any, Any], object] = lambda _, __: None,
    ) -> None:
        inner = getattr(kind, name)

        @wraps(inner)
        def wrapped(it: Any, *args: Any, **named: Any) -> Any:
            before(it, *args)
            result = inner(it, *args, **named)
            after(it, result)
            return result

        patch.setattr(kind, name, wrapped)

    def _wrap_all(self, patch: pytest.MonkeyPatch, kind: type[Any], before: Callable[..., object]) -> None:
        """Every public method; reports come to all that listen, and that is no matter of stages."""
        for name, each in vars(kind).items():
            if callable(each) and not name.startswith("_") and name != "hear":
                self._wrap(patch, kind, name, before)
            elif isinstance(each, property) and each.fget is not None:
                patch.setattr(kind, name, property(partial(self._looked_up, each.fget, before)))

    def _looked_up(self, inner: Callable[[Any], Any], before: Callable[..., object], it: Any) -> Any:
        before(it)
        return inner(it)

    def _used(self, stage: str, *_: object) -> None:
        self.kept[stage].add(self._way())

    def _sent(self, _: Errand, work: object, *__: object) -> None:
        """An errand does the work in a task of its own: who sends it is who wants it."""
        owner = getattr(work, "__self__", None)
        for stage in (stage for stage, kind in KEEPERS.items() if isinstance(owner, kind)):
            self._used(stage)

    def _asks(self, connection: Connection, command: str) -> None:
        if command != "ping":  # every connection is pinged, by itself and by who wants to know how far it is
            self.asked[connection].add(self._way())

    def _put(self, sender: Sender[Any], _frame: object) -> None:
        self.used[sender].add(self._way())
        self._gave(sender.link)

    def _gave(self, thing: object, *_: object) -> None:
        self.ends.setdefault(id(thing), Ends(thing)).given.add(self._way())

    def _took(self, thing: object, *_: object) -> None:
        self.ends.setdefault(id(thing), Ends(thing)).taken.add(self._way())

    def _way(self) -> Way:
        return way_of(self.stages)


@define(eq=False)
class Delivering:
    """A store's delivery that notes who calls it."""

    inner: Callable[[Batch[Any]], Any]
    stages: Mapping[str, str]
    ways: set[Way] = field(factory=set)

    async def __call__(self, batch: Batch[Any]) -> Verdict:
        self.ways.add(way_of(self.stages))
        verdict: Verdict = await self.inner(batch)
        return verdict


@define(eq=False)
class Spawned(trio.abc.Instrument):
    """Notes the names of the tasks below one task: where they belong is asked when they begin."""

    top: trio.lowlevel.Task | None = None
    names: set[str] = field(factory=set)

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        above: trio.lowlevel.Task | None = task
        while above is not None and above is not self.top:
            above = above.parent_nursery.parent_task if above.parent_nursery else None
        if above is not None and self.top is not None and task is not self.top:
            self.names.add(task.name)


def way_of(stages: Mapping[str, str]) -> Way:
    """The stages that are calling, the innermost first, each once."""
    frame: FrameType | None = sys._getframe(2)
    found = dict[str, None]()
    while frame is not None:
        if name := stages.get(frame.f_globals.get("__name__", "")):
            found[name] = None
        frame = frame.f_back
    return tuple(found) or ("nobody",)


def _between(given: set[Way], label: str, taken: set[Way]) -> Iterator[Edge]:
    """What a stage is handed by another may be put where it keeps it by itself: then the other is who gave it."""
    for way in given:
        for reader in {each[0] for each in taken}:
            if (giver := next((stage for stage in way if stage != reader), None)) is not None:
                yield giver, label, reader
