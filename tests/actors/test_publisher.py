"""Posting to a data-api in memory, under a virtual clock: when, how often, and what of it is said."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import define
from trio.testing import MockClock

from ingest.actors.publisher import BREAKER, CAP, POST, REFUSED_DELAY, Publisher
from ingest.core import reports
from ingest.core.data_api_answer import CHECK_KEY, CHECK_URL
from ingest.core.outbox import Chunk, Packer
from ingest.core.publishing import Entry, Kind
from ingest.core.reports import Report
from ingest.core.secret import Secret
from ingest.edge.data_api import open_data_api
from tests.edge.answering import Reply
from tests.support.data_api import KEY, DataApi


@define
class Running:
    data_api: DataApi
    publisher: Publisher
    emitted: list[Report]

    def of(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.emitted if isinstance(each, kind)]

    def names(self) -> list[str]:
        return [type(each).__name__ for each in self.emitted]


@asynccontextmanager
async def publishing(data_api: DataApi | None = None, key: str = KEY) -> AsyncGenerator[Running]:
    data_api, emitted = data_api or DataApi(), list[Report]()
    async with (
        open_data_api("http://data-api", lambda: Secret(key), transport=data_api.transport()) as opened,
        trio.open_nursery() as nursery,
    ):
        publisher = Publisher(opened, emitted.append, lambda: 0.5)
        nursery.start_soon(publisher.run)
        yield Running(data_api, publisher, emitted)
        nursery.cancel_scope.cancel()
    assert data_api.wrong == []


def devices(*names: str) -> list[Chunk]:
    return packed(Kind.DEVICES, [{"id": name, "name": name} for name in names])


def packed(kind: Kind, entries: list[dict[str, Any]]) -> list[Chunk]:
    key = "id" if kind is Kind.DEVICES else "entity_id"
    made = [Entry(each[key], json.dumps(each).encode(), number) for number, each in enumerate(entries)]
    packer = Packer(kind)
    return [*packer.add(made), *packer.rest()]


def services() -> list[Chunk]:
    body: dict[str, Any] = {"turn_on": {"name": "On", "description": "", "fields": {}, "target": None}}
    packer = Packer(Kind.SERVICES)
    return [*packer.add([Entry("light", b'"light":' + json.dumps(body).encode(), 1)]), *packer.rest()]


async def test_everything_is_posted_in_its_order_and_told_once(autojump_clock: MockClock) -> None:
    lights = packed(Kind.ENTITIES, [{"entity_id": f"light.{n}", "unique_id": n, "platform": "p"} for n in range(1500)])
    async with publishing() as it:
        it.publisher.replace([*devices("a", "b"), *lights, *services()], 1)
        await it.publisher.has.until(lambda had: had == 1)
        assert it.data_api.sizes == [("devices", 2), ("entities", 1000), ("entities", 500), ("services", 1)]
        assert it.of(reports.Published) == [reports.Published(2, 1500, 1)]
        assert [(each.kind, each.count) for each in it.of(reports.Posted)] == it.data_api.sizes
        it.publisher.replace([], 2)
        await it.publisher.has.until(lambda had: had == 2)
    assert len(it.of(reports.Published)) == 1
    assert list(it.publisher.told.news(Kind.DEVICES, [])) == []


async def test_while_it_is_away_attempts_grow_apart_and_the_outage_is_said_once(autojump_clock: MockClock) -> None:
    async with publishing(DataApi(away=True)) as it:
        it.publisher.replace(devices("a"), 1)
        await trio.sleep(3600)
        waits = it.of(reports.DataApiWaiting)
        assert [each.retry_in for each in waits][:10] == [0.5, 1, 2, 4, 8, 16, 32, 64, 128, CAP / 2]
        assert [each.level for each in waits] == ["warning", *["debug"] * (len(waits) - 1)]
        assert [each.breaker for each in waits][:6] == [*["closed"] * (BREAKER - 1), "open", "open"]
        assert {(each.waiting, each.remedy) for each in waits} == {(1, "")}
        assert waits[0].reason == "data-api cannot be reached: refused"
        it.data_api.away = False
        await it.publisher.has.until(lambda had: had == 1)
    (recovered,) = it.of(reports.DataApiRecovered)
    assert recovered.after >= 3600
    assert it.data_api.devices.keys() == {"a"}


async def test_it_waits_as_long_as_it_is_asked_to(autojump_clock: MockClock) -> None:
    replies = [Reply(503, b"busy", {"Retry-After": "77"}), Reply(429, b"", {"Retry-After": "0"})]
    data_api = DataApi(failing=lambda *_: replies.pop(0) if replies else None)
    async with publishing(data_api) as it:
        it.publisher.replace(devices("a"), 1)
        await it.publisher.has.until(lambda had: had == 1)
        assert trio.current_time() == pytest.approx(77 + 1)
    assert [each.retry_in for each in it.of(reports.DataApiWaiting)] == [77, 1]


async def test_one_that_hangs_is_asked_again(autojump_clock: MockClock) -> None:
    async with publishing(DataApi(seconds=10_000)) as it:
        it.publisher.replace(devices("a"), 1)
        await trio.sleep(POST - 1)
        assert it.emitted == []
        await trio.sleep(1.1)
        it.data_api.seconds = 1
        await it.publisher.has.until(lambda had: had == 1)
    assert it.names() == ["DataApiWaiting", "Posted", "DataApiRecovered", "Published"]
    assert it.of(reports.DataApiWaiting)[0].reason == f"data-api did not answer within {POST:.0f} s"


async def test_a_refused_key_is_said_once_with_the_remedy_and_tried_seldom(autojump_clock: MockClock) -> None:
    async with publishing(key="another") as it:
        it.publisher.replace(devices("a"), 1)
        await trio.sleep(10 * REFUSED_DELAY + 1)
        waits = it.of(reports.DataApiWaiting)
        assert len(waits) == it.data_api.requests["devices", 401] == 11
        assert {each.remedy for each in waits} == {CHECK_KEY}
        assert [each.level for each in waits].count("warning") == 1
        it.data_api.key = "another"
        it.publisher.hurry()
        await it.publisher.has.until(lambda had: had == 1)
    assert not [each for each in it.emitted if KEY in each.text() or "another" in each.text()]


async def test_what_a_person_must_do_is_said_anew_when_it_is_something_else(autojump_clock: MockClock) -> None:
    replies = [Reply(503), Reply(503), Reply(404), Reply(404), Reply(401)]
    data_api = DataApi(failing=lambda *_: replies.pop(0) if replies else None)
    async with publishing(data_api) as it:
        it.publisher.replace(devices("a"), 1)
        await it.publisher.has.until(lambda had: had == 1)
    said = [each.remedy for each in it.of(reports.DataApiWaiting) if not each.again]
    assert said == ["", CHECK_URL, CHECK_KEY]
    assert len(it.of(reports.DataApiRecovered)) == 1


async def test_a_data_api_without_services_is_told_of_the_rest(autojump_clock: MockClock) -> None:
    async with publishing(DataApi(keeps_services=False)) as it:
        for reading in (1, 2):
            it.publisher.replace([*devices(f"a{reading}"), *services()], reading)
            await it.publisher.has.until(lambda had, reading=reading: had == reading)  # type: ignore[misc]  # mypy: default
        assert len(it.of(reports.Notice)) == 1
        assert it.data_api.requests["services", 404] == 2
        assert it.of(reports.Published) == [reports.Published(1, 0, 0)] * 2
        assert it.of(reports.DataApiWaiting) == []


async def test_one_entry_that_it_cannot_store_costs_only_itself(autojump_clock: MockClock) -> None:
    """A device without any name: data-api's own table wants one, and answers 500 for all of a request."""

    def failing(_: str, body: list[dict[str, Any]]) -> Reply | None:
        nameless = [each for each in body if each["name"] is None]
        return Reply.json(500, {"detail": "NOT NULL constraint failed: devices.name"}) if nameless else None

    entries: list[dict[str, Any]] = [{"id": f"d{number}", "name": "x"} for number in range(1000)]
    entries[617]["name"] = None
    async with publishing(DataApi(failing=failing)) as it:
        it.publisher.replace(packed(Kind.DEVICES, entries), 1)
        await it.publisher.has.until(lambda had: had == 1)
        assert it.data_api.devices.keys() == {f"d{number}" for number in range(1000)} - {"d617"}
        (refused,) = it.of(reports.EntryRefused)
        assert (refused.kind, refused.id) == ("devices", "d617")
        assert "NOT NULL" in refused.reason
        assert it.of(reports.DataApiWaiting) == []
        assert it.data_api.requests["devices", 500] < 20
        assert trio.current_time() < 60


async def test_one_that_fails_for_everything_condemns_nothing(autojump_clock: MockClock) -> None:
    broken = [True]
    data_api = DataApi(failing=lambda *_: Reply.json(500, {"detail": "database is locked"}) if broken else None)
    async with publishing(data_api) as it:
        it.publisher.replace(devices(*"abcdefgh"), 1)
        await trio.sleep(86_400)
        assert it.of(reports.EntryRefused) == []
        assert it.of(reports.DataApiWaiting)[0].level == "warning"
        assert data_api.requests["devices", 500] < 86_400 / (CAP / 2) + 20
        broken.clear()
        await it.publisher.has.until(lambda had: had == 1)
        assert data_api.devices.keys() == set("abcdefgh")
        assert it.of(reports.EntryRefused) == []


async def test_too_large_a_request_is_halved_until_it_fits(autojump_clock: MockClock) -> None:
    data_api = DataApi(failing=lambda _, body: Reply(413) if len(body) > 3 else None)
    async with publishing(data_api) as it:
        it.publisher.replace(devices(*"abcdefgh"), 1)
        await it.publisher.has.until(lambda had: had == 1)
        assert data_api.devices.keys() == set("abcdefgh")
        assert [size for _, size in data_api.sizes if size <= 3] == [2, 2, 2, 2]
    assert it.of(reports.EntryRefused) == []


async def test_a_newer_reading_takes_the_place_of_what_waits(autojump_clock: MockClock) -> None:
    async with publishing(DataApi(away=True)) as it:
        it.publisher.replace(devices("old", "both"), 1)
        await trio.sleep(10)
        it.publisher.replace(devices("both", "new"), 2)
        it.data_api.away = False
        await it.publisher.has.until(lambda had: had == 2)
        assert it.data_api.devices.keys() == {"both", "new"}


async def test_a_newer_reading_during_a_request_is_told_after_it(autojump_clock: MockClock) -> None:
    async with publishing(DataApi(seconds=5)) as it:
        it.publisher.replace(devices("a", "b"), 1)
        await trio.sleep(1)
        it.publisher.replace(devices("b", "c"), 2)
        await it.publisher.has.until(lambda had: had == 2)
        assert it.data_api.sizes == [("devices", 2), ("devices", 2)]
        assert it.data_api.devices.keys() == {"a", "b", "c"}
        assert trio.current_time() == 10


async def test_what_fails_during_a_newer_reading_is_not_posted_beside_it(autojump_clock: MockClock) -> None:
    replies = [Reply(503)]
    data_api = DataApi(seconds=5, failing=lambda *_: replies.pop() if replies else None)
    async with publishing(data_api) as it:
        it.publisher.replace(devices("a"), 1)
        await trio.sleep(1)
        it.publisher.replace(devices("a", "b"), 2)
        await it.publisher.has.until(lambda had: had == 2)
        assert data_api.sizes == [("devices", 1), ("devices", 2)]
