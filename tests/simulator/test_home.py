from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.simulator import rooms
from ingest.simulator.home import UNAVAILABLE, Home
from ingest.simulator.values import DAY, SECOND, Change, iso, micros, moment

START = datetime(2026, 11, 22, tzinfo=UTC)
LATER = START + timedelta(days=2)


@pytest.fixture(scope="module")
def days() -> Home:
    home = Home(1, 150, START, history=timedelta(hours=1), remember=True)
    for _ in home.advance(LATER):
        pass
    return home


def by_entity(home: Home) -> dict[str, list[Change]]:
    changes: dict[str, list[Change]] = defaultdict(list)
    for change in home.truth():
        changes[change.entity_id].append(change)
    return changes


def numbers(home: Home, entity_id: str) -> list[float]:
    states = [change.new.state for change in by_entity(home)[entity_id] if change.new]
    return [float(state) for state in states if state != UNAVAILABLE]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(), size=st.integers(1, 130), split=st.integers(1, 3600))
def test_a_home_is_its_seed_however_it_is_read(seed: int, size: int, split: int) -> None:
    one, other = (Home(seed, size, START, remember=True) for _ in range(2))
    end = START + timedelta(hours=1)
    for _ in one.advance(end):
        pass
    list(islice(other.advance(START + timedelta(seconds=split)), split))
    for _ in other.advance(end):
        pass
    assert one.truth() == other.truth()
    assert len(one.registry.entities) == size


def test_another_seed_is_another_home(days: Home) -> None:
    other = Home(2, 150, START, remember=True)
    assert [change.fired for change in other.truth()] != [change.fired for change in islice(days.truth(), 150)]


def test_every_change_follows_from_the_one_before(days: Home) -> None:
    pairs = [pair for changes in by_entity(days).values() for pair in pairwise(changes)]
    assert len(pairs) > 1000
    for before, after in pairs:
        assert after.old == before.new
        assert after.fired > before.fired


def test_times_are_home_assistants(days: Home) -> None:
    made = len(days.registry.entities)
    fired = [change.fired for change in islice(days.truth(), made - 2, None)]
    assert len(fired) > 1000
    assert all(before < after for before, after in pairwise(fired))
    for change in days.truth():
        if change.old and change.new:
            assert (change.new.changed == change.fired) == (change.new.state != change.old.state)
            assert change.new.updated == change.fired
            assert change.new.changed <= change.new.updated


def test_context_ids_are_unique_ulids_in_the_order_of_time(days: Home) -> None:
    contexts = [change.context_id for change in days.truth()]
    assert len(set(contexts)) == len(contexts)
    assert {len(context) for context in contexts} == {26}
    late = [change.context_id for change in days.truth()[200:]]
    assert [context[:10] for context in late] == sorted(context[:10] for context in late)


def test_energy_only_rises(days: Home) -> None:
    for entity_id in ("sensor.house_energy", "sensor.solar_energy", "sensor.node_0001_kitchen_energy"):
        values = numbers(days, entity_id)
        assert values == sorted(values)
        assert values[-1] > values[0]


def test_temperatures_follow_the_hour(days: Home) -> None:
    garden = [c.new for c in by_entity(days)["sensor.garden_temperature"] if c.new and c.new.state != UNAVAILABLE]
    night = [float(s.state) for s in garden if s.updated % DAY < 6 * 3600 * SECOND]
    noon = [float(s.state) for s in garden if 12 * 3600 * SECOND < s.updated % DAY < 18 * 3600 * SECOND]
    assert sum(noon) / len(noon) > sum(night) / len(night) + 3


def test_lights_follow_people(days: Home) -> None:
    changes = by_entity(days)
    motion = [c.fired for c in changes["binary_sensor.kitchen_motion"] if c.new and c.new.state == "on"]
    lights = [
        c.fired for c in changes["light.kitchen"] if c.new and c.old and (c.old.state, c.new.state) == ("off", "on")
    ]
    assert lights
    assert all(any(abs(at - seen) < 60 * SECOND for seen in motion) for at in lights)
    assert {c.new.state for c in changes["person.jose"] if c.new} == {"home", "not_home"}
    assert {c.new.state for c in changes["zone.home"] if c.new} >= {"0", "3"}


def test_it_has_everything_that_makes_real_homes_difficult(days: Home) -> None:
    truth = days.truth()
    assert any(c.new and c.new.state == UNAVAILABLE for c in truth)
    assert any(c.old and c.old.state == UNAVAILABLE and c.new for c in truth)
    assert any(c.new is None for c in truth)
    assert any(c.old is None and c.fired > days.start for c in truth)
    assert sum(1 for c in truth if c.old and c.new and c.old.state == c.new.state) > 100
    player = json.loads(days.states["media_player.living_room"].attributes)
    assert player["access_token"] in player["entity_picture"] or "token=" in player["entity_picture"]
    assert any(not entity.name.isascii() for entity in days.registry.entities.values())
    assert {entity.kind.domain for entity in days.registry.entities.values()} >= {
        "sensor", "binary_sensor", "light", "switch", "cover", "climate", "media_player", "person", "device_tracker",
        "zone", "sun", "weather", "update",
    }  # fmt: skip


def test_the_first_entities_are_friendly() -> None:
    assert [entity.entity_id for entity in rooms.entities(3)] == [
        "sensor.living_room_temperature",
        "sensor.living_room_humidity",
        "light.living_room",
    ]


def test_history_is_bounded_and_keeps_the_state_at_the_horizon(days: Home) -> None:
    rows = list(days.past.rows("sensor.house_power"))
    assert rows[0].at <= rows[-1].at - 3600 * SECOND <= rows[1].at


def test_a_home_without_memory_says_so() -> None:
    with pytest.raises(ValueError, match="remember=True"):
        Home(1, 1, START).truth()


def test_setting_from_outside(home: Home) -> None:
    made = home.set("sensor.new", "1", {"a": "ü"})
    assert made
    assert made.old is None
    assert made.new
    assert made.new.user_id == home.user_id
    assert home.set("sensor.new", "1", {"a": "ü"}) is None
    forced = home.set("sensor.new", "1", {"a": "ü"}, force=True)
    assert forced
    assert forced.new
    assert forced.new.changed == forced.fired
    moved = home.set("sensor.new", "1", {})
    assert moved
    assert moved.new
    assert moved.new.changed == forced.fired
    gone = home.remove("sensor.new")
    assert gone
    assert gone.new is None
    assert home.remove("sensor.new") is None


def test_acting_on_an_entity(home: Home) -> None:
    change = home.act("switch.fridge", "off")
    assert change
    assert change.new
    assert change.new.state == "off"
    assert home.act("switch.fridge", "off") is None
    assert home.act("switch.nowhere", "on") is None


def test_the_present_is_the_clocks_unless_something_is_due(home: Home) -> None:
    home.clock = lambda: home.due() - timedelta(microseconds=5)
    assert home.present() == micros(home.due()) - 5
    home.clock = lambda: LATER
    assert home.present() < micros(home.due())


def test_renaming(home: Home) -> None:
    before = home.registry.entry(home.registry.entities["climate.living_room"])
    gone, made = home.rename("climate.living_room", "climate.salon")
    assert (gone.new, made.old) == (None, None)
    assert made.new
    entry = home.registry.entry(home.registry.entities["climate.salon"])
    assert entry["entity_id"] == "climate.salon"
    assert (entry["id"], entry["unique_id"]) == (before["id"], before["unique_id"])
    list(home.advance(START + timedelta(hours=1)))
    assert home.states["climate.salon"].updated > made.fired
    assert "climate.living_room" not in home.states
    home.rename("climate.salon", "climate.lounge")
    assert home.registry.entry(home.registry.entities["climate.lounge"])["id"] == before["id"]
    list(home.advance(START + timedelta(hours=2)))
    assert home.states["climate.lounge"].updated > micros(START + timedelta(hours=1))


def test_renaming_what_has_no_state(home: Home) -> None:
    home.remove("cover.living_room_blind")
    (made,) = home.rename("cover.living_room_blind", "cover.blind")
    assert made.old is None


def test_a_restart_is_seen_by_nobody_and_everything_is_new_after_it(home: Home) -> None:
    home.set("sensor.over_rest", "1", {})
    home.stop()
    assert home.states == {}
    assert list(home.advance(START + timedelta(hours=3))) == []
    first = home.restore(7)
    assert len(first) == len(home.states) == 7
    rest = home.restore(1000)
    assert home.restore(1) == []
    assert all(change.old is None and change.new and change.new.changed == change.fired for change in first + rest)
    restored = [c.new for c in first + rest if c.new and b'"restored":true' in c.new.attributes]
    assert restored
    assert {state.state for state in restored} == {UNAVAILABLE}
    settled = home.settle(1000)
    assert {change.entity_id for change in settled} >= {state.entity_id for state in restored}
    assert "sensor.over_rest" not in home.states
    assert not any(b"restored" in state.attributes for state in home.states.values())
    assert home.states["sensor.house_power"].state != UNAVAILABLE


def test_a_long_day_while_down_makes_no_change() -> None:
    home = Home(3, 100, START, remember=True)
    made = len(home.truth())
    home.stop()
    assert list(home.advance(LATER)) == []
    assert len(home.truth()) == made


def test_while_it_is_down_its_past_goes_by_at_the_same_pace() -> None:
    home = Home(3, 100, START)
    home.stop()
    assert list(home.advance(LATER, 10)) == []
    assert home.now < micros(home.due()) < micros(START + timedelta(minutes=10))
    home.restore(1000)
    assert len(list(home.advance(LATER, 10))) == 10
    assert home.now < micros(LATER)


def test_large_homes_are_large() -> None:
    home = Home(1, 2000, START)
    assert sum(len(state.attributes) + 330 for state in home.states.values()) > 2000 * 400
    assert len(home.registry.entry_list()) > 2000 * 500
    assert sum(1 for _ in home.advance(START + timedelta(hours=1))) > 500


def test_times_on_the_wire() -> None:
    at = datetime(2026, 11, 22, 12, 0, 7, 5, tzinfo=UTC)
    assert iso(micros(at)).decode() == at.isoformat()
    assert iso(micros(at) - 5).decode() == at.replace(microsecond=0).isoformat()
    assert moment(micros(at)) == at
