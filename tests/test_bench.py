"""The bench measures what it says: the same events on every side, and a run that loses one is no result."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import trio
from attrs import evolve
from click.testing import CliRunner
from wsproto.frame_protocol import FrameProtocol

from ingest.core.sealing import unsealed
from ingest.runtime.supervise import one_error
from scripts.benchmark import __main__ as program
from scripts.benchmark import beside as around
from scripts.benchmark import traffic
from scripts.benchmark.account import Account, Failed, Mark, Sample
from scripts.benchmark.backlog import drain, payload_of
from scripts.benchmark.floor import floor
from scripts.benchmark.imports import Past, check_import, imported
from scripts.benchmark.outage import outage
from scripts.benchmark.pacing import lateness, paced, together
from scripts.benchmark.peer import TOKEN, Peer
from scripts.benchmark.real_home import ABSENT, changes, configured, installed
from scripts.benchmark.report import WIDTH
from scripts.benchmark.runs import Load, Opener, Stage, check, embedded, influxdb, receive_alone, saturate
from scripts.benchmark.rush import Window, compared, rushed, whole
from scripts.benchmark.schemas import schemas
from scripts.benchmark.size import QUICK, USUAL, Size
from scripts.benchmark.stores import File, Sink
from scripts.benchmark.tables import cost as costs
from scripts.benchmark.tables import speed
from scripts.benchmark.tables.peers import Windows, render_windows
from scripts.benchmark.tables.registry import TABLES, Shown
from scripts.benchmark.tools import SCRIPT, SERVICE
from scripts.benchmark.verdict import Bound, outcome
from scripts.benchmark.wide import wide

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


def mark(events: int, seconds: float) -> Mark:
    return Mark(events, seconds, 0.0)


def test_the_rate_of_a_real_home_ends_with_the_last_of_the_changes_that_were_played() -> None:
    account = Account(lambda: 0.0)
    # Two lines were there before; the home's own come in between and afterwards.
    stored, played = [1, 2, 101, 3, 102, 103, 4, 104, 5, 6], [101, 102, 103, 104]
    account.marks = [mark(4, 1.0), mark(6, 2.0), mark(8, 3.0), mark(9, 20.0), mark(10, 30.0)]
    last = whole(account.marks, stored, played)
    assert last == mark(8, 3.0)
    assert account.sample(mark(2, 0.0), last).rate == 2


def test_what_the_integration_adds_is_the_median_of_the_turns_own_differences() -> None:
    turns = [
        (Window(2.5, 5, 900), Window(2.0, 5)),
        (Window(1.5, 4, 1_000), Window(1.0, 4)),
        (Window(2.1, 9, 10), Window(2.0, 9)),
    ]
    found = compared(turns, 10_000)
    assert found.added.rate == 900
    assert (found.added.micros, found.alone) == pytest.approx((50, 200))


def test_the_row_of_the_integration_says_what_it_is_or_why_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMEIQ_LAB", str(tmp_path))
    framing = speed.Framing("frames", {speed.FLOOR: [Sample(1, 4)], speed.RECEIVING: [Sample(1, 2)]})
    assert "left out of a quick look" in speed.note(framing, QUICK)
    absent = speed.note(framing, USUAL)
    assert "2025.4.4 is not here; `.venv-test/bin/python -m scripts.benchmark.real_home` installs it" in absent
    assert len(absent) <= WIDTH
    framing.add(speed.INTEGRATION, Sample(3_000, 60))
    framing.homes.append(11)
    assert "takes 11 µs to set a change" in speed.note(framing, USUAL)
    rate, micros, alone, floors, receiving = ([*column.cells][-1] for column in speed.render(framing).columns[1:])
    assert (rate, micros, alone, floors, receiving) == ("3,000", "60.0", "", "15.0", "30.0")


@pytest.mark.live
async def test_a_real_home_stores_what_is_set_at_once() -> None:
    if not installed():
        pytest.skip("a real Home Assistant is installed by the bench, when somebody wants one")
    found = await rushed(changes(ENTITIES, EVENTS))
    assert found.added.rate > 0
    assert found.alone > 0


def test_every_table_is_known_by_its_name() -> None:
    assert list(TABLES) == ["speed", "peers", "latency", "cost", "schemas", "import", "footprint", "memory", "imports"]


def test_a_bound_is_judged_by_the_figure_and_not_by_its_rounding() -> None:
    most, least = Bound("a", 3.0, "× floor"), Bound("b", 45_000, "events/s", most=False, form=",.0f")
    assert [str(most.judge(value)) for value in (2.7, 2.96)] == ["≤ 3.0 × floor: 2.7", "≤ 3.0 × floor: 3.0"]
    assert str(most.judge(3.04)) == "≤ 3.0 × floor: missed, 3.040"
    assert str(least.judge(44_999.7)) == "≥ 45,000 events/s: missed, 44,999.700"
    assert str(most.judge(3.4)) == "≤ 3.0 × floor: missed, 3.4"
    assert str(least.judge(38_000)) == "≥ 45,000 events/s: missed, 38,000"
    assert outcome([most.judge(2.7), least.judge(45_000)]) == "2 of 2 bounds hold."
    assert outcome([most.judge(3.4), least.judge(45_000)]) == "1 of 2 bounds hold; missed: a."


@pytest.mark.parametrize(("value", "status"), [(2.9, 0), (3.04, 1)])
def test_a_missed_bound_is_the_exit_status_too(monkeypatch: pytest.MonkeyPatch, value: float, status: int) -> None:
    def table(_: Size) -> Shown:
        return [[Bound("a", 3.0, "× floor").judge(value)]]

    monkeypatch.setitem(TABLES, "speed", table)
    found = CliRunner().invoke(program.bench, ["speed"])
    assert found.exit_code == status
    assert f"{1 - status} of 1 bounds hold" in found.stdout


def test_the_dearest_home_counts_wherever_it_is_between_the_smallest_and_the_largest() -> None:
    rounds: dict[int, list[float]] = {100: [10, 20], 2_000: [13, 24], 10_000: [10.5, 21], 41_000: [50, 60]}
    assert costs.dearest(rounds) == pytest.approx((1.3 + 1.2) / 2)


def test_homes_stand_beside_the_floor_of_their_own_events() -> None:
    """Of a home whose events cost more at the least it is said how much of what they cost more that is."""
    found = {
        100: [costs.Homed(Sample(80_000, 10), 4), costs.Homed(Sample(60_000, 12), 4)],
        10_000: [costs.Homed(Sample(70_000, 15), 5), costs.Homed(Sample(50_000, 15), 5)],
        41_000: [costs.Homed(Sample(10_000, 90), 9)] * 2,
    }
    said = costs.beside_floor(found)
    assert "is 1.25 times as much" in said
    assert f"are {(3 / 2.5 + 3 / 3) / 2:.2f} times as much" in said
    table = costs.render_homes(found)
    figured = {column.header: list(column.cells) for column in table.columns}
    assert figured["CPU µs/event"] == ["11.0", "15.0", "90.0"]
    assert figured["floor µs/event"] == ["4.0", "5.0", "9.0"]
    assert figured["× floor"] == ["2.8", "3.0", "10.0"]


async def test_an_event_that_the_client_held_up_is_late_from_when_it_was_due() -> None:
    class Held(Peer):
        async def _send(self, chunk: traffic.Chunk) -> None:
            await trio.sleep(0.05)

    account = Account(lambda: 0.0)
    await Held(traffic.home(1)).pace([traffic.Chunk(b"", 1)] * 4, account, 1_000)
    (_, first), *others = account.sendings
    assert [at - first for _, at in others] == pytest.approx([0.001, 0.002, 0.003])


def test_each_event_is_as_late_as_the_write_that_held_it() -> None:
    account = Account(lambda: 0.0, sent=4)
    account.sendings = [(range(1, 3), 10.0), (range(3, 4), 11.0)]
    account.marks += [Mark(1, 9.0, 0), Mark(2, 10.5, 0), Mark(4, 12.0, 0)]
    assert lateness(account) == [0.5, 1.0, 2.0]
    assert lateness(account, 3) == []


@pytest.mark.parametrize(("rate", "frame"), [(10, 1), (100, 1), (1_000, 10), (10_000, 100), (100_000, 256)])
def test_a_frame_holds_what_happens_in_a_turn(rate: int, frame: int) -> None:
    assert together(rate) == frame


@pytest.mark.parametrize("changing", [False, True])
@pytest.mark.parametrize("size", [100, 1_024, 16_000])
def test_attributes_are_as_wide_as_they_are_said_to_be(size: int, changing: bool) -> None:
    stream = wide(500, size, changing=changing)
    assert len({event.time_ns for event in stream}) == len(stream) == len(traffic.lines(ENTITIES, stream))
    states = [msgspec.json.decode(event.body + b"}")["event"]["data"]["new_state"] for event in stream]
    widths = [len(msgspec.json.encode(state["attributes"])) for state in states]
    assert 0.5 * size <= min(widths) <= max(widths) <= size * 1.1
    numbers = {state["attributes"]["number"] for state in states}
    assert len(numbers) == (500 if changing else 200)


def test_the_script_makes_a_point_of_each_event(load: Load) -> None:
    script = pytest.importorskip("scripts.benchmark.peers.asyncio_script")
    events = [msgspec.json.decode(event.body + b"}")["event"] for event in load.stream]
    lines = [script.point_of(event).to_line_protocol() for event in events]
    assert [int(line.rpartition(" ")[2]) for line in lines] == [event.time_ns for event in load.stream]


def test_a_backlog_is_older_than_every_event(load: Load) -> None:
    times = [int(line.rpartition(b" ")[2]) for line in unsealed(payload_of(load))]
    assert len(set(times)) == len(load.lines)
    assert max(times) < traffic.START_NS


@pytest.mark.slow
async def test_a_backlog_is_delivered_beside_what_is_live() -> None:
    load = Load.of(ENTITIES, 0, 5_000)
    found = await drain(evolve(load, stream=load.stream[:50], lines=load.lines[:50]), 10_000, payload_of(load))
    assert 0 < found.start < found.drained
    assert len(found.late) == 50


@pytest.mark.slow
async def test_events_at_a_pace_are_all_acknowledged(load: Load) -> None:
    found = await paced(load, 400, together(400), {"batch.timeout": 0.1})
    assert len(found.late) == len(load.stream) - load.warm
    assert 0 < found.quantile(0.5) <= found.quantile(0.99) <= found.late[-1]
    assert found.busy > 0


@pytest.mark.slow
@pytest.mark.parametrize("together", [1, 256])
async def test_the_script_stores_every_event(load: Load, together: int) -> None:
    pytest.importorskip("websockets")
    assert (await saturate(load, together, influxdb, SCRIPT)).micros > 0


@pytest.mark.slow
async def test_a_tool_that_keeps_nothing_on_disk_loses_what_it_held_when_it_is_killed(load: Load) -> None:
    pytest.importorskip("websockets")
    assert (await outage(load, SERVICE, 1, killed=True)).lost == 0
    assert (await outage(load, SCRIPT, 1, killed=True, patience=3)).lost == EVENTS - load.warm


def test_a_real_home_plays_what_its_integration_stores(tmp_path: Path) -> None:
    known = changes(ENTITIES, EVENTS)
    assert 0.9 * EVENTS < len(known) <= EVENTS
    assert not {state for _, state, _ in known} & {"", "unavailable", "unknown"}
    tokens = configured(tmp_path / "alone", known, None)
    alone = (tmp_path / "alone" / "configuration.yaml").read_text("utf-8")
    assert "homeiq_bench:" in alone
    assert "influxdb:" not in alone
    assert msgspec.json.decode((tmp_path / "alone" / "changes.json").read_bytes()) == [list(each) for each in known]
    configured(tmp_path / "beside", known, Sink(port=4711))
    beside = (tmp_path / "beside" / "configuration.yaml").read_text("utf-8")
    assert "port: 4711" in beside
    assert 'entity_globs: "*"' not in alone
    configured(tmp_path / "unrecorded", known, None, recorded=False)
    assert 'entity_globs: "*"' in (tmp_path / "unrecorded" / "configuration.yaml").read_text("utf-8")
    assert not {token for token in (*tokens.values(), TOKEN) if token in alone + beside}


def test_what_a_change_costs_is_what_home_assistant_needs_more_and_a_process_of_its_own() -> None:
    found = Windows(
        [around.Window(200), around.Window(300)],
        [around.Window(290), around.Window(400)],
        {"service": [around.Window(230, 40), around.Window(350, 50)]},
    )
    assert found.more(found.integration) == [90, 100]
    (title, *_), rows = (
        str(render_windows(found).title).partition(": alone"),
        list(render_windows(found).columns[3].cells),
    )
    assert title.startswith("A real Home Assistant 2025.4.4")
    assert rows == ["95  (90 – 100)", "85  (70 – 100)"]


def test_without_a_home_assistant_it_is_said_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEIQ_LAB", str(tmp_path))
    assert not installed()
    assert "python -m scripts.benchmark.real_home" in ABSENT
    (tmp_path / "homeassistant-2025.4.4-influxdb.complete").touch()
    assert installed()
