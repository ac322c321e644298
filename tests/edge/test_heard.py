from __future__ import annotations

import trio
from trio.testing import MockClock, check_two_way_stream, memory_stream_pair

from ingest.edge.heard import Heard


async def test_it_is_a_stream_like_any_other() -> None:
    async def make() -> tuple[Heard, Heard]:
        one, other = memory_stream_pair()
        return Heard(one), Heard(other)

    await check_two_way_stream(make, None)


async def test_it_notes_when_something_arrives(autojump_clock: MockClock) -> None:
    mine, theirs = memory_stream_pair()
    heard = Heard(mine)
    await trio.sleep(5)
    await theirs.send_all(b"half a")
    assert heard.last == 0
    await heard.receive_some()
    assert heard.last == 5
