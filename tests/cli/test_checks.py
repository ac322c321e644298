"""Looking at a home that answers, but not as Home Assistant does."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from ingest.actors.connector import Candidate
from ingest.cli.checks import Home, look_at_home
from ingest.errors import Transient
from tests.actors.peer import DEADLINES, TARGET, TOKEN, answering, ok, playing

HERE = Candidate("primary", TARGET, lambda: TOKEN)


async def test_what_a_home_does_not_say_of_itself_is_left_out(autojump_clock: MockClock) -> None:
    act = answering(get_config=[ok({"version": "2025.4.4", "location_name": None})], get_states=[ok([{}, {}])])
    async with playing(act) as peer:
        found = await look_at_home(HERE, DEADLINES, peer.open)
    assert found == Home("", "2025.4.4", "", 2)
    assert str(found) == "a home without a name, version 2025.4.4: 2 entities with a state"


@pytest.mark.parametrize(("config", "states"), [(7, []), ({}, {})])
async def test_an_answer_that_cannot_be_read_is_said_and_no_bug(
    config: object, states: object, autojump_clock: MockClock
) -> None:
    async with playing(answering(get_config=[ok(config)], get_states=[ok(states)])) as peer:
        with pytest.raises(Transient, match="cannot be read"):
            await look_at_home(HERE, DEADLINES, peer.open)
