"""Scripted faults, as a client meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from ingest.errors import Refused
from ingest.simulator import faults as f
from ingest.simulator import recorder_faults as r
from ingest.simulator.faults import KINDS, Fault, Script, Step, parse, read
from ingest.simulator.home import Home
from ingest.simulator.memory import MemoryStream
from ingest.simulator.script import happen, perform
from ingest.simulator.serve import Peer
from tests.simulator.caller import TOKEN, Caller, caller, listener


def last_burst(peer: Peer) -> str:
    return peer.server.home.states["sensor.burst_0000"].state


async def test_drop(autojump_clock: MockClock, peer: Peer) -> None:
    live, bulk = await listener(peer), await caller(peer)
    await happen(peer.server, f.Drop("live"))
    with pytest.raises(trio.BrokenResourceError):
        await live.hear()
    assert (await bulk.ask("ping"))["type"] == "pong"
    await happen(peer.server, f.Drop("bulk"))
    with pytest.raises(trio.BrokenResourceError):
        await bulk.hear()
    await trio.sleep(0.1)
    assert peer.server.clients() == []


async def test_cut_in_the_middle_of_a_frame(autojump_clock: MockClock, peer: Peer) -> None:
    client = await listener(peer)
    await happen(peer.server, f.Cut())
    await peer.server.burst(10)
    assert await client.rest() == []
    assert client.closed is None


async def test_stall(autojump_clock: MockClock, peer: Peer) -> None:
    client = await caller(peer)
    await happen(peer.server, f.Stall(30))
    begun = trio.current_time()
    assert (await client.ask("ping"))["type"] == "pong"
    assert 29 < trio.current_time() - begun < 31


async def test_half_open(autojump_clock: MockClock, peer: Peer) -> None:
    client = await listener(peer)
    await happen(peer.server, f.HalfOpen())
    await peer.server.burst(5000, batch=5000)
    await happen(peer.server, f.Restart(1, 1))
    with trio.move_on_after(500) as scope:
        await client.hear()
    assert scope.cancelled_caught
    await client.stream.aclose()


async def test_half_open_before_anything_is_sent_holds_the_line_even_when_its_server_is_done(
    autojump_clock: MockClock, peer: Peer
) -> None:
    client = await caller(peer)
    (served,) = peer.server.clients()
    served.fall_silent()
    served.drop()
    with trio.move_on_after(500) as scope:
        await client.hear()
    assert scope.cancelled_caught


async def test_huge_frame(autojump_clock: MockClock, peer: Peer) -> None:
    client = await listener(peer)
    await happen(peer.server, f.HugeFrame(size=1024 * 1024))
    huge = await client.hear()
    while huge["type"] != "pong":
        huge = await client.hear()
    assert len(huge["padding"]) == 1024 * 1024


@pytest.mark.parametrize(
    ("fault", "answer"), [(f.RefuseAuth(20), ["auth_invalid"]), (f.SilentAuth(20), [])], ids=["refused", "silent"]
)
async def test_auth(
    autojump_clock: MockClock, peer: Peer, nursery: trio.Nursery, fault: Fault, answer: list[str]
) -> None:
    nursery.start_soon(happen, peer.server, fault)
    await trio.sleep(1)
    client = Caller(await peer.connect())
    await client.open()
    await client.say({"type": "auth", "access_token": TOKEN})
    assert [message["type"] for message in await client.rest()] == answer
    assert client.closed == 1000
    await trio.sleep(20)
    await caller(peer)


async def test_refused_connections(autojump_clock: MockClock, peer: Peer, nursery: trio.Nursery) -> None:
    standing = await caller(peer)
    nursery.start_soon(happen, peer.server, f.Refuse(20))
    await trio.sleep(1)
    with pytest.raises(ConnectionRefusedError):
        await peer.connect()
    assert (await standing.ask("ping"))["type"] == "pong"
    await trio.sleep(20)
    await caller(peer)


@pytest.mark.parametrize("kill", [False, True])
async def test_restart(autojump_clock: MockClock, peer: Peer, nursery: trio.Nursery, kill: bool) -> None:
    client = await listener(peer)
    idle = await peer.connect()
    nursery.start_soon(happen, peer.server, f.Restart(down=5, starting=2, kill=kill))
    await client.rest()
    assert client.closed == (None if kill else 1000)
    with pytest.raises(trio.BrokenResourceError):
        await idle.receive_some()
    assert not peer.server.accepting.value
    await peer.server.accepting.until(bool)
    assert peer.server.instance.state == "NOT_RUNNING"
    again = await listener(peer)
    await trio.sleep(3)
    assert peer.server.instance.state == "RUNNING"
    events = await again.events(80)
    firsts = [event for event in events if event["data"]["old_state"] is None]
    assert any(event["data"]["new_state"]["attributes"].get("restored") for event in firsts)
    assert all(event["data"]["new_state"]["last_changed"] == event["time_fired"] for event in firsts)


async def test_burst(autojump_clock: MockClock, peer: Peer) -> None:
    client = await listener(peer)
    await happen(peer.server, f.Burst(4200, 100))
    await client.rest()
    assert client.closed == 1000
    assert last_burst(peer) == "4100"


async def test_malformed(autojump_clock: MockClock, peer: Peer) -> None:
    client = await listener(peer)
    client.frames.clear()
    await happen(peer.server, f.Malformed("shape"))
    good, bad, after = await client.events(3)
    assert bad["data"] == {"entity_id": 5, "new_state": ["on"]}
    assert good["data"]["entity_id"] == after["data"]["entity_id"] == "sensor.burst_0000"
    assert 3 in client.frames
    await happen(peer.server, f.Malformed("json"))
    with pytest.raises(json.JSONDecodeError):
        await client.hear()


async def test_answers(autojump_clock: MockClock, peer: Peer, nursery: trio.Nursery) -> None:
    client = await caller(peer)
    nursery.start_soon(happen, peer.server, f.AnswerError("config/floor_registry/list", 20))
    nursery.start_soon(happen, peer.server, f.SlowAnswers(3, 20))
    await trio.sleep(1)
    begun = trio.current_time()
    assert (await client.ask("config/floor_registry/list"))["error"]["code"] == "unknown_command"
    assert trio.current_time() - begun == pytest.approx(3)
    await trio.sleep(20)
    begun = trio.current_time()
    assert (await client.ask("config/floor_registry/list"))["success"]
    assert trio.current_time() - begun < 0.1


async def test_errors_of_many_commands_without_an_id(
    autojump_clock: MockClock, peer: Peer, nursery: trio.Nursery
) -> None:
    client = await caller(peer)
    nursery.start_soon(happen, peer.server, f.AnswerError("config/*", 20, without_id=True))
    await trio.sleep(1)
    await client.say({"id": 1, "type": "config/floor_registry/list"})
    answer = await client.hear()
    assert (answer["id"], answer["success"], answer["error"]["code"]) == (None, False, "unknown_command")
    await trio.sleep(20)
    assert (await client.ask("config/floor_registry/list"))["success"]


async def test_a_script_keeps_its_times(autojump_clock: MockClock, peer: Peer, nursery: trio.Nursery) -> None:
    client = await listener(peer)
    sent = peer.server.instance.emitted.value
    script: Script = (Step(f.Stall(5), at=10), Step(f.Drop(), after=sent + 300))
    nursery.start_soon(perform, peer.server, script)
    await trio.sleep(9)
    assert (await client.ask("ping"))["type"] == "pong"
    begun = trio.current_time()
    await trio.sleep(2)
    await client.ask("ping")
    assert trio.current_time() - begun == pytest.approx(6, abs=0.1)
    await peer.server.burst(300)
    await client.rest()
    assert client.closed is None


async def test_two_runs_are_the_same(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    from tests.simulator.caller import server_of  # noqa: PLC0415  only here
    from tests.simulator.conftest import START  # noqa: PLC0415  only here

    async def life() -> list[object]:
        server = server_of(Home(5, 80, START), ahead=8 * 3600)
        async with trio.open_nursery() as inner:
            inner.start_soon(server.run)
            inner.start_soon(perform, server, (Step(f.Restart(3, 1), after=800),))
            peer = Peer(server, inner)
            first = await (await listener(peer)).rest()
            await server.accepting.until(bool)
            second = await (await listener(peer)).events(500)
            inner.cancel_scope.cancel()
        return [*first, *second]

    assert await life() == await life()


def test_a_script_in_toml_and_in_json(tmp_path: Path) -> None:
    expected = (Step(f.Restart(down=2.0), at=30.0), Step(f.Drop("live"), after=500))
    toml = tmp_path / "faults.toml"
    toml.write_text('[[fault]]\nkind = "restart"\nat = 30\ndown = 2\n[[fault]]\nkind="drop"\nwhich="live"\nafter=500\n')
    assert read(toml) == expected
    tables = [{"kind": "restart", "at": 30, "down": 2}, {"kind": "drop", "which": "live", "after": 500}]
    other = tmp_path / "faults.json"
    other.write_text(json.dumps({"fault": tables}))
    assert read(other) == expected


@pytest.mark.parametrize(
    ("tables", "named"),
    [
        ([], "no list"),
        ({"fault": {}}, "no list"),
        ({"fault": [5]}, "Fault 1 has no known kind"),
        ({"fault": [{"kind": "flood"}]}, "restart"),
        ({"fault": [{"kind": "drop", "whom": "all"}]}, "whom"),
        ({"fault": [{"kind": "drop", "which": "some"}]}, "which"),
        ({"fault": [{"kind": "stall"}]}, "seconds"),
        ({"fault": [{"kind": "drop", "at": "soon"}]}, "Fault 1"),
    ],
)
def test_what_is_wrong_with_a_script_is_named(tables: object, named: str) -> None:
    with pytest.raises(Refused, match=named):
        parse(tables)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "faults.toml"
    broken.write_text("fault = [")
    with pytest.raises(Refused, match=r"faults\.toml"):
        read(broken)
    with pytest.raises(Refused, match="absent"):
        read(tmp_path / "absent.toml")


def test_every_fault_has_a_kind() -> None:
    assert set(KINDS.values()) == set(Fault.__args__)


async def test_a_memory_stream_is_like_tcp(autojump_clock: MockClock) -> None:
    from ingest.simulator.memory import pair  # noqa: PLC0415  only here

    here, there = pair(window=4)
    with trio.move_on_after(1) as scope:
        await here.send_all(b"123456")
    assert scope.cancelled_caught
    assert await there.receive_some(2) == b"12"
    assert await there.receive_some() == b"34"
    await here.aclose()
    assert await there.receive_some() == b""
    with pytest.raises(trio.BrokenResourceError):
        await there.send_all(b"x")
    for use in (here.send_all(b"x"), here.receive_some()):
        with pytest.raises(trio.ClosedResourceError):
            await use
    await _a_blocked_writer_learns_of_the_end(*pair(window=4))


async def _a_blocked_writer_learns_of_the_end(here: MemoryStream, there: MemoryStream) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_write_too_much, here)
        await trio.sleep(1)
        there.reset()


async def _write_too_much(stream: MemoryStream) -> None:
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_all(b"123456")


LASTING: list[Fault] = [
    f.Refuse(60),
    f.RefuseAuth(60),
    f.SilentAuth(60),
    f.AnswerError("ping", 60, without_id=True),
    f.SlowAnswers(5, 60),
    r.LateHistory(5, 60),
    r.SilentHistory(60),
    r.PartialHistory(60, 0.5),
    r.RecorderOff(60),
    r.RecorderBehind(60),
]


@pytest.mark.parametrize("fault", LASTING, ids=lambda fault: type(fault).__name__)
async def test_a_lasting_fault_that_is_cut_short_leaves_nothing_behind(
    autojump_clock: MockClock, peer: Peer, fault: Fault
) -> None:
    server = peer.server
    recorder, mood = server.instance.recorder, server.instance.mood

    def told() -> object:
        return server.accepting.value, str(mood), recorder.delay, recorder.part, recorder.info()

    before = told()
    with trio.move_on_after(1) as scope:
        await happen(server, fault)
    assert scope.cancelled_caught
    assert told() == before


async def test_of_two_errors_on_one_command_the_later_one_holds_until_its_own_end(
    autojump_clock: MockClock, peer: Peer
) -> None:
    client = await caller(peer)

    async def said() -> str | None:
        code: str | None = (await client.ask("ping")).get("error", {}).get("code")
        return code

    async with trio.open_nursery() as nursery:
        nursery.start_soon(happen, peer.server, f.AnswerError("ping", 20, code="first"))
        await trio.sleep(5)
        nursery.start_soon(happen, peer.server, f.AnswerError("ping", 20, code="second"))
        await trio.sleep(5)
        assert await said() == "second"
        await trio.sleep(12)
        assert await said() == "second"
    assert await said() is None
