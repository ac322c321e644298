"""The bench measures what it says: the same events on every side, and a run that loses one is no result."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from attrs import evolve
from wsproto.frame_protocol import FrameProtocol

from ingest.runtime.supervise import one_error
from scripts.benchmark import traffic
from scripts.benchmark.account import Account, Failed, Mark
from scripts.benchmark.floor import floor
from scripts.benchmark.imports import Past, check_import, imported
from scripts.benchmark.runs import Load, Opener, Stage, check, embedded, influxdb, receive_alone, saturate
from scripts.benchmark.schemas import schemas
from scripts.benchmark.stores import File, Sink

ENTITIES = 20
EVENTS = 300


@pytest.fixture(scope="module")
def load() -> Load:
    return Load.of(ENTITIES, 100, EVENTS - 100)


def moments(data: bytes) -> list[str]:
    """When the events in these WebSocket frames were fired."""
    protocol = FrameProtocol(client=True, extensions=[])
    protocol.receive_bytes(data)
    messages = [msgspec.json.decode(str(frame.payload)) for frame in protocol.received_frames()]
    flat = [each for message in messages for each in (message if isinstance(message, list) else [message])]
    assert {each["id"] for each in flat} == {7}
    return [each["event"]["time_fired"] for each in flat]


@pytest.mark.parametrize("together", [1, 64, 256])
def test_frames_of_either_kind_hold_the_same_events(load: Load, together: int) -> None:
    chunks = traffic.chunks(load.stream, together, 7)
    assert [len(moments(chunk.data)) for chunk in chunks] == [chunk.events for chunk in chunks]
    sent = [moment for chunk in chunks for moment in moments(chunk.data)]
    assert sent == sorted(set(sent))
    assert len(sent) == EVENTS == len(load.lines)


def test_every_part_of_the_floor_takes_time(load: Load) -> None:
    found = floor(list(traffic.texts([*load.stream] * 5, 256, 1)), 256, [*load.lines] * 5)
    assert min(found.decode, found.join, found.gzip) > 0
    assert found.total == pytest.approx(found.decode + found.join + found.gzip)


def test_a_schema_is_weighed_by_the_lines_it_makes(load: Load) -> None:
    found = schemas(traffic.points(ENTITIES, load.stream))
    assert found["homeiq"].size == sum(map(len, load.lines)) / EVENTS
    for cost in found.values():
        assert 0 < cost.packed < cost.size
        assert cost.micros > 0


def test_the_rate_leaves_out_the_last_batch_which_waits_for_its_age() -> None:
    account = Account(lambda: 0.0)
    account.marks += [Mark(100, 0.0, 1.0), Mark(1100, 1.0, 1.5), Mark(2100, 2.0, 2.0), Mark(2110, 9.0, 2.01)]
    sample = account.sample(account.marks[0], account.marks[-1])
    assert sample.rate == 1000
    assert sample.micros == pytest.approx(1.01 / 2010 * 1e6)


def test_one_lost_or_doubled_event_is_no_result(load: Load, tmp_path: Path) -> None:
    store = File(tmp_path / "home.db")
    times = [event.time_ns for event in load.stream]
    with closing(sqlite3.connect(store.path)) as file, file:
        file.execute("CREATE TABLE change (time_ns INTEGER)")
        file.executemany("INSERT INTO change VALUES (?)", [(time,) for time in times])
    check(load, store)
    with pytest.raises(Failed, match=r"1 are not stored, and 0 are that were not sent"):
        check(load, Sink(list(load.lines[1:])))
    with pytest.raises(Failed, match=r"0 are not stored, and 1 are that were not sent"):
        check(load, Sink([*load.lines, load.lines[0]]))


def test_other_lines_than_the_floor_has_are_no_result(load: Load) -> None:
    with pytest.raises(Failed, match="other lines"):
        check(load, Sink([*load.lines[1:], b"m f=1" + load.lines[0][-20:]]))


@pytest.mark.slow
@pytest.mark.parametrize("opener", [embedded, influxdb])
@pytest.mark.parametrize("together", [1, 256])
async def test_the_real_service_stores_every_event(load: Load, together: int, opener: Opener) -> None:
    sample = await saturate(load, together, opener)
    assert 0 < sample.micros < 10_000


@pytest.mark.slow
@pytest.mark.parametrize("opener", [embedded, influxdb])
async def test_an_import_is_whole(opener: Opener) -> None:
    found = await imported(Past(10, 100), opener)
    assert 0 < found.sample.micros < 10_000
    assert found.peak > 0


def test_an_import_of_which_a_state_is_missing_or_doubled_is_no_result() -> None:
    past = Past(2, 3)
    home = past.home()
    times = [row.at * 1000 for name in ("sensor.import_0000", "sensor.import_0001") for row in home.past.rows(name)]
    whole = [b"m v=1 %d" % each for each in times]
    assert past.imported == 4
    check_import(past, home, Sink(whole))
    with pytest.raises(Failed, match="of 6 states 1 are not stored, and 0 are stored twice"):
        check_import(past, home, Sink(whole[1:]))
    with pytest.raises(Failed, match="of 6 states 0 are not stored, and 1 are stored twice"):
        check_import(past, home, Sink([*whole, whole[0]]))


@pytest.mark.slow
async def test_receiving_alone_counts_to_the_end(load: Load) -> None:
    assert (await receive_alone(load, 1)).rate > 0


@pytest.mark.slow
async def test_a_service_that_does_not_start_is_quoted(load: Load) -> None:
    class Wrong(File):
        @property
        def settings(self) -> Mapping[str, object]:
            return {"batch.size": "many"}

    async def wrong(scene: Stage) -> File:
        return Wrong(scene.folder / "home.db")

    with pytest.raises(Failed, match=r"batch\.size"), one_error():
        await saturate(evolve(load, warm=0), 1, wrong)
