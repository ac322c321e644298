"""The whole service on every kind of state file that it may find: old, damaged, from the future, somebody else's."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from attrs import define, evolve

from ingest.cli.service import serve
from ingest.config.settings import Settings
from ingest.core import reports
from ingest.core.reports import Report
from ingest.core.sealing import resealed, unsealed
from ingest.core.secret import Secret
from ingest.core.urls import websocket_url
from ingest.edge.aside import kept_aside
from ingest.edge.late import AGAIN
from ingest.edge.ledger_marks import stored_marks
from ingest.edge.lock import COMMAND, SERVICE, Held, locked
from ingest.edge.spool_around import DAMAGED
from ingest.edge.spool_rows import Key
from ingest.edge.state_read import state_read
from ingest.edge.state_versions import VERSION
from ingest.edge.totals_file import accounts
from tests.cli.waiting import lines, spooled
from tests.edge.test_spool_damage import batch_of, break_the_chain
from tests.edge.test_state_file import VERSION_2
from tests.faults.sink import Sink, sinking
from tests.support.homes import TOKEN, Running, running_home
from tests.support.marked import secret


@pytest.fixture(scope="module")
def home() -> Iterator[Running]:
    # Always busy: that a file takes points again is seen when there is one, and at night a home is quiet.
    with running_home(speed=60.0) as running:
        yield running


@pytest.fixture
def sink() -> Iterator[Sink]:
    with sinking() as running:
        yield running


def configured(folder: Path, home: Running, sink: Sink | None = None) -> Settings:
    """With a sink it is the database, else the embedded store is used."""
    plain = Settings()
    ours = evolve(plain.home_assistant, url=websocket_url(home.url), token=Secret(TOKEN))
    influxdb = evolve(plain.influxdb, url=sink.url, token=Secret(secret("influxdb"))) if sink else plain.influxdb
    return evolve(
        plain,
        home_assistant=ours,
        influxdb=evolve(influxdb, create_bucket=False),
        embedded=evolve(plain.embedded, path=folder / "home.db"),
        spool=evolve(plain.spool, path=folder / "state.db"),
        batch=evolve(plain.batch, timeout=0.05),
        api=evolve(plain.api, enabled=False),
    )


@define
class Service:
    told: list[Report]

    def of(self, kind: type[Any]) -> list[Any]:
        return [report for report in self.told if isinstance(report, kind)]

    @property
    def notices(self) -> str:
        return "\n".join(
            report.text() for report in self.told if isinstance(report, reports.Notice | reports.StateSetAside)
        )

    async def until(self, met: Callable[[], object]) -> None:
        with trio.fail_after(20):
            while not met():  # noqa: ASYNC110  a condition over everything has no event
                await trio.sleep(0.02)

    async def stored(self) -> None:
        """Wait until it stores what the home says, or knows that it is stored already."""
        await self.until(lambda: self.of(reports.Snapshot) and (self.of(reports.Stored) or self.of(reports.Repeated)))


@asynccontextmanager
async def running(settings: Settings) -> AsyncGenerator[Service]:
    """The service while the block runs; its books must balance."""
    service, stop = Service([]), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, settings, (service.told.append,), stop)
        yield service
        stop.set()
    (stopped,) = service.of(reports.Stopped)
    assert stopped.balanced, stopped.books


async def test_a_file_of_the_previous_version_with_a_full_spool_is_upgraded_and_delivered(
    tmp_path: Path, home: Running, sink: Sink
) -> None:
    waiting = [lines(50, 50 * number) for number in range(20)]
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.executescript("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;" + VERSION_2)
        for batch in map(resealed, waiting):
            connection.execute(
                "INSERT INTO batch (home, store, put_ns, oldest_ns, newest_ns, count, size, payload)"
                " VALUES ('home', 'influxdb', 0, 0, 0, ?, ?, ?)",
                (batch.count, batch.size, batch.payload),
            )
        connection.commit()
    async with running(configured(tmp_path, home, sink)) as service:
        await service.until(lambda: sink.holds({line for batch in waiting for line in batch}))
        await service.stored()
    assert kept_aside(tmp_path / "state.db") == []
    assert service.of(reports.Stopped)[0].books["carried"] == 1000
    assert max(sink.lines[line] for batch in waiting for line in batch) == 1


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])


def from_the_future(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")


async def test_what_is_readable_in_a_file_that_was_cut_off_is_delivered(
    tmp_path: Path, home: Running, sink: Sink
) -> None:
    path = spooled(tmp_path / "state.db", *(batch_of(number) for number in range(8)))
    cut(path)
    async with running(configured(tmp_path, home, sink)) as service:
        await service.stored()
    assert len(kept_aside(path)) == 1
    (said,) = service.of(reports.StateSetAside)
    assert 0 < said.brought < 8 * 1000
    books = service.of(reports.Stopped)[0].books
    assert books["carried"] == said.brought
    assert books["stored"] > said.brought


async def test_what_cannot_be_used_is_set_aside_and_the_service_stores(
    tmp_path: Path, home: Running, sink: Sink
) -> None:
    path = spooled(tmp_path / "state.db", *(batch_of(number) for number in range(8)))
    from_the_future(path)
    async with running(configured(tmp_path, home, sink)) as service:
        await service.stored()
    (aside,) = kept_aside(path)
    (said,) = service.of(reports.StateSetAside)
    assert (said.kept_as, said.brought) == (str(aside), None)
    assert 0 < said.left <= 8 * 1000
    assert service.of(reports.Stopped)[0].books["stored"] > 0


async def test_a_file_that_was_set_aside_at_the_start_is_in_the_health(
    tmp_path: Path, home: Running, sink: Sink
) -> None:
    """It is opened before there is an API."""
    path = spooled(tmp_path / "state.db", batch_of(1))
    from_the_future(path)
    settings = configured(tmp_path, home, sink)
    async with running(evolve(settings, api=evolve(settings.api, enabled=True, port=0))) as service:
        await service.stored()
        await service.until(lambda: service.of(reports.Listening))
        async with httpx.AsyncClient(timeout=None, trust_env=False) as client:
            found = (await client.get(f"{service.of(reports.Listening)[0].where}/health")).json()
    assert "at least 1,000 points wait in it" in found["reason"]
    assert any("spool recover" in remedy for remedy in found["remedies"])


async def test_damage_met_while_running_costs_itself_and_the_next_start_has_a_sound_file(
    tmp_path: Path, home: Running, sink: Sink
) -> None:
    sink.become("503")
    batches = [batch_of(number) for number in range(6)]
    path = spooled(tmp_path / "state.db", *batches)
    with closing(sqlite3.connect(path)) as connection:
        payloads = [payload for (payload,) in connection.execute("SELECT payload FROM batch ORDER BY id")]
    break_the_chain(path, payloads[0])
    async with running(configured(tmp_path, home, sink)) as service:
        await service.until(lambda: service.of(reports.Unreadable))
    assert service.of(reports.Stopped)[0].books["evicted"] == len(batches[0])
    with state_read(path) as connection:
        assert connection.execute("SELECT count(*) FROM meta WHERE name = ?", (DAMAGED,)).fetchone() == (1,)
    sink.become("take")
    async with running(configured(tmp_path, home, sink)) as service:
        await service.until(lambda: sink.holds({line for batch in batches[1:] for line in batch}))
        await service.stored()
    assert service.of(reports.Unreadable) == []
    assert "points of it were brought over, at least 1 row cannot be read" in service.notices
    assert service.of(reports.Stopped)[0].books["carried"] >= 5000
    assert service.of(reports.Stopped)[0].books["evicted"] == 0
    assert not sink.holds({batches[0][0]})
    assert unsealed(payloads[0]) == tuple(batches[0])
    async with running(configured(tmp_path, home, sink)) as service:
        await service.stored()
    assert service.notices == ""


async def test_a_store_damaged_under_a_service_with_its_api_is_set_aside_told_and_begun_anew(
    tmp_path: Path, home: Running
) -> None:
    """The damage is met by a worker thread, and those who hear of it live in trio's."""
    settings, path, damaged = configured(tmp_path, home), tmp_path / "home.db", tmp_path / "damaged"
    async with running(evolve(settings, api=evolve(settings.api, enabled=True, port=0))) as service:
        await service.stored()
        await service.until(lambda: service.of(reports.Listening))
        damaged.write_bytes(b"garbage" * 1000)
        for suffix in ("-wal", "-shm"):  # the log alone could make it whole again
            path.with_name(f"home.db{suffix}").unlink()
        damaged.rename(path)
        stored = len(service.of(reports.Stored))
        await trio.to_thread.run_sync(home.change, ["light.after"], "on")
        await service.until(lambda: "home.db is damaged" in service.notices)
        await service.until(lambda: len(service.of(reports.Stored)) > stored)
    (aside,) = kept_aside(path)
    assert aside.read_bytes() == b"garbage" * 1000
    assert str(aside) in service.notices


@pytest.mark.parametrize("embedded", [False, True])
async def test_totals_outlive_the_service(tmp_path: Path, home: Running, sink: Sink, *, embedded: bool) -> None:
    received = stored = 0
    for _ in range(2):
        async with running(configured(tmp_path, home, None if embedded else sink)) as service:
            await service.stored()
        books = service.of(reports.Stopped)[0].books
        received, stored = received + books["received"], stored + books["stored"]
    with state_read(tmp_path / "state.db") as connection:
        (account,) = accounts(connection).items()
    assert account[0] == Key("home", "embedded" if embedded else "influxdb")
    assert (account[1].totals["received"], account[1].totals["stored"]) == (received, stored)


@pytest.mark.parametrize("embedded", [False, True], ids=["influxdb", "embedded"])
async def test_a_start_whose_registries_fail_knows_what_the_last_one_knew(
    tmp_path: Path, home: Running, sink: Sink, *, embedded: bool
) -> None:
    settings = configured(tmp_path, home, None if embedded else sink)
    async with running(settings) as service:
        await service.until(lambda: service.of(reports.CatalogLoaded))
        await service.until(lambda: kept_catalogs(tmp_path / "state.db"))
        await service.stored()
    entity = next(each for each in home.server.home.registry.entities.values() if each.device and each.device.area_id)
    known = home.server.home.registry.entry(entity)
    mood = home.server.instance.mood
    mood.errors |= {"config/*": ("unknown_error", ""), "api/template": ("unauthorized", "")}
    try:
        async with running(settings) as service:
            await service.stored()
            changed = await trio.to_thread.run_sync(home.change, [entity.entity_id], "changed")
            await trio.sleep(1)
    finally:
        mood.errors.clear()
    (kept,) = service.of(reports.CatalogKept)
    assert kept.entities > 10
    assert service.of(reports.CatalogFailed)
    assert changed
    if not embedded:
        lines_of_it = [line.decode() for line in sink.lines if f",entity_id={entity.entity_id},".encode() in line]
        written = [line for line in lines_of_it if 'state_value="changed"' in line]
        assert written
        for line in written:
            assert f",registry_id={known['id']} " in line
            assert f",device_id={known['device_id']}," in line
            assert "area_id=" in line


def kept_catalogs(path: Path) -> int:
    with state_read(path) as connection:
        return int(connection.execute("SELECT count(*) FROM catalog").fetchone()[0])


async def test_the_embedded_store_begins_without_a_state_file_and_takes_it_when_it_can(
    tmp_path: Path, home: Running
) -> None:
    path = tmp_path / "state.db"
    path.mkdir()
    async with running(configured(tmp_path, home)) as service:
        await service.stored()
        assert "the lasting totals cannot be written, they are counted on" in service.notices
        clear(path)
        await trio.sleep(AGAIN)
    assert "the lasting totals are written again" in service.notices
    with state_read(path) as connection:
        totals = accounts(connection)[Key("home", "embedded")].totals
    assert totals["stored"] == service.of(reports.Stopped)[0].books["stored"] > 0


async def test_what_waits_in_a_file_that_cannot_be_opened_is_delivered_when_it_can(
    tmp_path: Path, home: Running, sink: Sink
) -> None:
    waiting = [lines(50, 50 * number) for number in range(20)]
    path = spooled(tmp_path / "state.db", *waiting)
    in_the_way = path.with_name("state.db.lock")
    in_the_way.mkdir()
    async with running(configured(tmp_path, home, sink)) as service:
        await service.stored()
        assert len(service.of(reports.SpoolFailing)) == 1
        assert not sink.holds({waiting[0][0]})
        clear(in_the_way)
        await service.until(lambda: sink.holds({line for batch in waiting for line in batch}))
        await service.until(lambda: service.of(reports.SpoolRecovered))
        await service.until(lambda: takes_commands(path))
    books = service.of(reports.Stopped)[0].books
    assert (books["carried"], books["made"], books["evicted"]) == (0, 1000, 0)
    assert max(sink.lines[line] for batch in waiting for line in batch) == 1
    with state_read(path) as connection:
        assert accounts(connection)[Key("home", "influxdb")].totals["stored"] == books["stored"]


def clear(folder: Path) -> None:
    folder.rmdir()


def takes_commands(path: Path) -> bool:
    return Path(path.with_name("state.db.lock").read_text("utf-8")).is_socket()


async def test_a_second_service_on_the_same_state_file_is_refused_whatever_its_store(
    tmp_path: Path, home: Running, sink: Sink
) -> None:
    """Without a ledger it would store what it hears, and say of nothing that it missed it."""
    async with running(configured(tmp_path, home, sink)) as first:
        await first.stored()  # it has the file
        with pytest.raises(Held, match=r"spool\.path"), trio.fail_after(20):
            await serve(configured(tmp_path, home), (), trio.Event())
    assert first.notices == ""


async def test_an_embedded_service_stores_while_a_command_holds_its_state_file_and_has_a_ledger_then(
    tmp_path: Path, home: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.cli.remembering.SERVICE", evolve(SERVICE, patience=0.2))
    path = tmp_path / "state.db"
    with ExitStack() as command:
        command.enter_context(locked(path, remedy="", by=COMMAND))
        async with running(configured(tmp_path, home)) as service:
            await service.stored()
            assert not path.exists()
            command.close()
            await service.until(lambda: path.with_name("state.db.lock").exists() and takes_commands(path))
            await service.until(lambda: service.of(reports.LedgerRecovered))
    with state_read(path) as connection:
        assert stored_marks(connection, Key("home", "embedded"))


async def test_a_second_service_on_the_same_embedded_store_is_refused(tmp_path: Path, home: Running) -> None:
    with locked(tmp_path / "home.db", remedy="", by=SERVICE), pytest.raises(Held, match=r"embedded\.path"):
        await serve(configured(tmp_path, home), (), trio.Event())
