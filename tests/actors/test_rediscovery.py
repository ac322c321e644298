from __future__ import annotations

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from ingest.actors.comparer import Comparer
from ingest.actors.publisher import Publisher
from ingest.actors.rediscovery import PATIENCE, Discovered, NotConnected, Rediscovery
from ingest.core import reports
from ingest.core.outbox import Chunk, Stub
from ingest.core.publishing import Entry, Kind
from ingest.core.registries import RegistryLists
from ingest.core.secret import Secret
from ingest.edge.data_api import open_data_api
from ingest.errors import Transient
from ingest.runtime.watch import Watch
from tests.support.data_api import DataApi

LOADED = reports.CatalogLoaded(entities=7, devices=3, areas=1, skipped=0, seconds=0.1)


async def test_without_a_session_nobody_can_be_asked() -> None:
    with pytest.raises(NotConnected):
        await Rediscovery().now()


async def test_a_session_is_made_to_read_and_waited_for(autojump_clock: MockClock) -> None:
    asking, changed, found = Rediscovery(), Watch(4), list[Discovered]()

    async def ask() -> None:
        found.append(await asking.now())

    with asking.while_connected(changed):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            asking.hear(reports.Notice("something else"))
            asking.hear(evolve(LOADED, asked=changed.value))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            assert changed.value == 7
            asking.hear(evolve(LOADED, asked=changed.value))
    assert found == [Discovered(3, 7)] * 3


async def test_a_reading_that_began_before_is_no_answer(autojump_clock: MockClock) -> None:
    """What somebody did before they asked may have come too late for it. Whoever asks meanwhile waits for the next, too."""
    asking, changed, found = Rediscovery(), Watch(0), list[Discovered]()

    async def ask() -> None:
        found.append(await asking.now())

    with asking.while_connected(changed):
        async with trio.open_nursery() as nursery:
            began = changed.value
            nursery.start_soon(ask)
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            asking.hear(evolve(LOADED, asked=began))
            asking.hear(reports.CatalogFailed("it was cut off", asked=began))
            await wait_all_tasks_blocked()
            assert found == []
            began = changed.value
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            asking.hear(evolve(LOADED, asked=began, entities=8))
            await wait_all_tasks_blocked()
            assert found == [Discovered(3, 8)] * 2
            asking.hear(evolve(LOADED, asked=changed.value, entities=9))
    assert found[2:] == [Discovered(3, 9)]


async def test_registries_that_cannot_be_read(autojump_clock: MockClock) -> None:
    asking = Rediscovery()
    with asking.while_connected(Watch(0)):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_fail, asking)
            with pytest.raises(Transient, match="could not be read: unknown_error"):
                await asking.now()


async def _fail(asking: Rediscovery) -> None:
    await wait_all_tasks_blocked()
    asking.hear(reports.CatalogFailed("unknown_error", asked=1))


async def test_a_session_that_ends_ends_the_waiting(autojump_clock: MockClock) -> None:
    asking = Rediscovery()

    async def ask() -> None:
        with pytest.raises(NotConnected):
            await asking.now()

    async with trio.open_nursery() as nursery:
        with asking.while_connected(Watch(0)):
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()


async def test_silence_has_an_end(autojump_clock: MockClock) -> None:
    asking = Rediscovery()
    with asking.while_connected(Watch(0)), pytest.raises(Transient, match="Home Assistant has not answered"):
        await asking.now()
    assert trio.current_time() == PATIENCE


async def test_with_a_data_api_it_has_what_was_read_and_is_not_waited_for_in_vain(autojump_clock: MockClock) -> None:
    data_api = DataApi(away=True)
    async with (
        open_data_api("http://data-api", lambda: Secret(data_api.key), transport=data_api.transport()) as opened,
        trio.open_nursery() as nursery,
    ):
        publisher = Publisher(opened, print, lambda: 0.9)
        comparer = Comparer(publisher, print)
        asking = Rediscovery(comparer)

        changed = Watch(0)

        async def read() -> None:
            await wait_all_tasks_blocked()
            comparer.hear(RegistryLists((), ()))
            asking.hear(evolve(LOADED, asked=changed.value))

        with asking.while_connected(changed):
            nursery.start_soon(read)
            with pytest.raises(Transient, match="data-api does not have them yet"):
                await asking.now()
            publisher.has.set(comparer.heard + 1)
            nursery.start_soon(read)
            assert await asking.now() == Discovered(3, 7)
            publisher.told.add(Chunk(Kind.DEVICES, (Stub("d1", 1, 2),), b""))
            publisher.has.set(comparer.heard + 1)
            nursery.start_soon(read)
            assert await asking.now(everything=True) == Discovered(3, 7)
            assert list(publisher.told.news(Kind.DEVICES, [Entry("d1", b"{}", 1)])), "it is told again"
        nursery.cancel_scope.cancel()
