"""Who listens to the live events, and what waits for them.

    tap ──▶ a list for each distinct set of channels ──every 250 ms──▶ one frame, once ──▶ a queue for each client ──▶ its sender

Nothing here waits for a client. A list is bounded, and what does not fit is counted in its frame; a queue is bounded, and
whose does not take a frame any more is dropped; all that waits is bounded, and then who has most of it is dropped. While
nobody wants to hear of anything the tap is not listened to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import trio
from attrs import define, field

from ingest.core.catalog import Catalog
from ingest.core.channels import alike, wanting
from ingest.core.judged import Judged
from ingest.core.live_event import frame, live_event
from ingest.core.point import Point
from ingest.core.state import Change, Source
from ingest.core.store import always
from ingest.edge.websocket_server import Shared
from ingest.runtime.tap import Tap
from ingest.runtime.watch import Watch
from ingest.web.listeners import START, Bounds, Client, Frame, Group, Since

TOGETHER: Final = 4
"""Clients whose senders wake up in one step of the loop: a send takes a tenth of a millisecond, and others wait for it."""

ROUTES: Final = 20_000
"""Entities of which it is remembered who wants them."""


@define(eq=False)
class Audience:
    """All of them. `now` is the wall clock in ISO 8601; `writes` says whether the store writes a point that comes to it."""

    tap: Tap[Judged]
    catalog: Watch[Catalog]
    now: Callable[[], str]
    bounds: Bounds = field(factory=Bounds)
    writes: Callable[[Point], bool] = always
    clients: set[Client] = field(factory=set)
    dropped: Counter[str] = field(factory=Counter)
    omitted: int = 0
    held: int = 0
    _groups: dict[frozenset[str], Group] = field(factory=dict)
    _routes: dict[str, tuple[Group, ...]] = field(factory=dict)
    _news: trio.Event = field(factory=trio.Event)

    def enter(self) -> Client:
        """A new client."""
        client = Client()
        self.clients.add(client)
        return client

    def leave(self, client: Client) -> None:
        """It is gone. What waited for it is forgotten."""
        if client.group is not None:
            del client.group.clients[client]
            client.group = None
            self._regroup()
        self.clients.discard(client)
        while client.queue:
            self._taken(client)

    def drop(self, client: Client, reason: str) -> None:
        """It must go. Its sender says so, if it still can."""
        if client.dropped is None:
            self.dropped[reason] += 1
            client.dropped = reason
            self.leave(client)
            client.woken.set()

    def choose(self, client: Client, channels: Sequence[str]) -> None:
        """From now on it hears of these. What came before it gets now, so that nothing is missed or comes twice."""
        key = alike(channels)
        wanted = self._groups.get(key) or Group(wanting(key)) if key else None
        if wanted is client.group:
            return
        before, client.group = client.group, None
        if before is not None:
            for _, made in self._frames(before, {client: before.clients.pop(client)}):
                self._put(client, made)
        client.group = None if client.dropped else wanted
        if client.group is not None:
            client.group.clients[client] = client.group.now
            self._groups[key] = client.group
        self._regroup()

    def _regroup(self) -> None:
        self._groups = {key: group for key, group in self._groups.items() if group.clients}
        self._routes.clear()
        self.tap.remove(self._hear)
        if self._groups:
            self.tap.add(self._hear)

    def _hear(self, judged: Judged) -> None:
        try:
            self._take(judged)
        except Exception:  # the tap tells it, and calls no more: nobody is to wait for what does not come
            for client in tuple(each for each in self.clients if each.group is not None):
                self.drop(client, "broken")
            raise

    def _take(self, judged: Judged) -> None:
        for change, verdict in zip(judged.changes, judged.verdicts, strict=True):
            entity_id = change.data.entity_id
            groups = self._routes.get(entity_id)
            if groups is None:
                groups = self._route(entity_id)
            if groups and verdict is not None:
                self._add(change, judged.source, verdict, groups)

    def _route(self, entity_id: str) -> tuple[Group, ...]:
        if len(self._routes) >= ROUTES:
            self._routes.clear()
        groups = self._routes[entity_id] = tuple(each for each in self._groups.values() if each.wants(entity_id))
        return groups

    def _add(self, change: Change, source: Source, verdict: Point | str, groups: tuple[Group, ...]) -> None:
        event = b""
        for group in groups:
            if len(group.events) < self.bounds.events and group.size < self.bounds.frame:
                event = event or self._event(change, source, verdict)
            if not event or not group.takes(event, self.bounds):
                group.omitted += 1
        self._news.set()

    def _event(self, change: Change, source: Source, verdict: Point | str) -> bytes:
        written = isinstance(verdict, str) or self.writes(verdict)
        return live_event(change, source, verdict, self.catalog.value.facts(change.data.entity_id), written=written)

    async def run(self) -> None:
        """Make frames until cancelled; while nothing comes, wait."""
        while True:
            await self._news.wait()
            await trio.sleep(self.bounds.every)
            self._news = trio.Event()
            for group in tuple(self._groups.values()):
                for number, (client, made) in enumerate(self._next_frames(group), start=1):
                    self._put(client, made)
                    if number % TOGETHER == 0:
                        await trio.lowlevel.checkpoint()
                await trio.lowlevel.checkpoint()

    def _next_frames(self, group: Group) -> list[tuple[Client, Frame]]:
        """Whom to give which; the next ones begin."""
        made = list(self._frames(group, group.clients))
        group.clients = dict.fromkeys(group.clients, START)
        self.omitted += group.omitted
        group.events, group.size, group.omitted = [], 0, 0
        return made

    def _frames(self, group: Group, clients: Mapping[Client, Since]) -> Iterator[tuple[Client, Frame]]:
        """What came for these clients of a group: the same frame for all who have wanted it for as long."""
        made: dict[Since, Frame] = {}
        for client, since in clients.items():
            if since != group.now:
                made[since] = made.get(since) or self._frame(group, since)
                yield client, made[since]

    def _frame(self, group: Group, since: Since) -> Frame:
        events, omitted = since
        return Frame(Shared(frame(group.events[events:], group.omitted - omitted, self.now())))

    def _put(self, client: Client, made: Frame) -> None:
        if client not in self.clients:
            return
        if len(client.queue) >= self.bounds.frames or client.size + len(made.text) > self.bounds.waiting:
            self.drop(client, "slow")
            return
        self.held += 0 if made.holders else len(made.text)
        made.holders += 1
        client.queue.append(made)
        client.size += len(made.text)
        client.woken.set()
        while self.held > self.bounds.held:
            self.drop(max(self.clients, key=lambda each: each.size), "memory")

    async def next(self, client: Client) -> Shared | None:
        """Wait for its next frame, which it has to itself from now on; None when it is dropped."""
        while not client.queue:
            if client.dropped is not None:
                return None
            client.woken = trio.Event()
            await client.woken.wait()
        return self._taken(client)

    def _taken(self, client: Client) -> Shared:
        made = client.queue.popleft()
        client.size -= len(made.text)
        made.holders -= 1
        self.held -= 0 if made.holders else len(made.text)
        return made.text
