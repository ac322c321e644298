"""The promise, against the real thing: the database tells exactly what the home did.

Three services store the same real home in three stores at once. A thousand states are set over REST, Home Assistant is
restarted under the services, a thousand more are set. What Home Assistant answered to each is what must be stored.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from attrs import frozen

from tests.live import readback
from tests.live.homeassistant import HomeAssistant
from tests.live.lab import tail, wait_for
from tests.live.readback import Row
from tests.live.servers import Database
from tests.live.service import Service, service

pytestmark = pytest.mark.live

Reader = Callable[[], list[Row]]
MEASUREMENT = "home_assistant_events"
ROUND = 1_000
STORES = ("embedded", "victoria-metrics", "influxdb")

# What is set: entity, its attributes, its category in the schema; the first two have devices and areas, see `furnish`.
THERMOMETER = ("sensor.outside_temperature", {"device_class": "temperature", "unit_of_measurement": "°C"}, "climate")
HYGROMETER = ("sensor.outside_humidity", {"device_class": "humidity", "unit_of_measurement": "%"}, "climate")
NOTE = ("sensor.live_note", {"friendly_name": "Küche ☕ – 備考"}, "monitoring")
LEVEL = ("sensor.live_level", {"unit_of_measurement": "µg/m³"}, "monitoring")
SUBJECTS = (THERMOMETER, HYGROMETER, NOTE, LEVEL)


@frozen
class Told:
    """One state as Home Assistant stored it: entity, time in nanoseconds, state."""

    entity_id: str
    time: int
    state: str


@frozen
class Story:
    """What was told, what each store held when its service had ended, and what Home Assistant saw of the services."""

    told: tuple[Told, ...]
    tags: dict[str, dict[str, str]]
    rows: dict[str, list[Row]]
    subscriptions: int
    ends: dict[str, tuple[int, dict[str, Any]]]


def nanoseconds(iso: str) -> int:
    """A time of Home Assistant's, exactly (a float would not be)."""
    moment = datetime.fromisoformat(iso)
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000_000 + moment.microsecond * 1_000


def tell(home: HomeAssistant, first: int) -> list[Told]:
    """Set a round of states, one entity after another, numbered from `first`."""
    numbered = [(number, *SUBJECTS[number % len(SUBJECTS)]) for number in range(first, first + ROUND)]
    states = [f'Raum "{n}" \\ 日本語' if entity == NOTE[0] else f"{n / 8}" for n, entity, _, _ in numbered]
    wanted = [(entity, state, dict(given)) for state, (_, entity, given, _) in zip(states, numbered, strict=True)]
    stored = home.admin.set_states(wanted)
    return [Told(one["entity_id"], nanoseconds(one["last_updated"]), one["state"]) for one in stored]


def expected_tags(home: HomeAssistant) -> dict[str, dict[str, str]]:
    """The tags of each subject, from what Home Assistant's own registries say."""
    entries = home.admin.registry()
    return {entity: _tags(entity, given, category, entries.get(entity, {})) for entity, given, category in SUBJECTS}


def _tags(entity: str, given: dict[str, str], category: str, entry: dict[str, Any]) -> dict[str, str]:
    domain, _, _ = entity.partition(".")
    names = ("device_id", "area_id", "platform", "entity_category")
    known = {name: entry[name] for name in names if entry.get(name)}
    identity = {"entity_id": entity, "domain": domain, "registry_id": entry.get("id", entity)}
    known |= {"device_class": given["device_class"]} if "device_class" in given else {}
    return {**identity, **known, "event_type": "state_changed", "event_category": category}


def listeners(home: HomeAssistant) -> int:
    """How many listen to state changes, by Home Assistant's own count."""
    counts = {one["event"]: one["listener_count"] for one in home.admin.request("GET", "events")}
    return int(counts.get("state_changed", 0))


def wait_stored(one: Service, read: Reader, last: Told) -> None:
    """Wait until the service's store holds the last state told; to the millisecond, which is what VictoriaMetrics keeps."""

    def arrived() -> bool:
        milliseconds = {row.time // 1_000_000 for row in read() if row.tags["entity_id"] == last.entity_id}
        return last.time // 1_000_000 in milliseconds

    try:
        wait_for(arrived, "the last state is stored", 30)
    except TimeoutError as late:
        late.add_note(tail(one.log))
        raise


@pytest.fixture(scope="session")
def story(
    home_assistant: HomeAssistant,
    victoria_metrics: Database,
    influxdb: Database,
    tmp_path_factory: pytest.TempPathFactory,
) -> Story:
    folder, bucket = tmp_path_factory.mktemp("story"), f"live-{uuid.uuid4().hex}"
    influxdb.create_bucket(bucket)
    readers: dict[str, Reader] = {
        "embedded": readback.embedded(folder / "embedded" / "home.db"),
        "victoria-metrics": partial(victoria_metrics.read, bucket, MEASUREMENT),
        "influxdb": partial(influxdb.read, bucket, MEASUREMENT),
    }
    databases = dict(zip(STORES, (None, victoria_metrics, influxdb), strict=True))
    told: list[Told] = []
    with ExitStack() as stack:
        services = {
            name: stack.enter_context(service(folder / name, home_assistant, database, bucket))
            for name, database in databases.items()
        }
        for visit in (1, 2):
            for one in services.values():
                one.wait_connected(visit)
            told += tell(home_assistant, len(told))
            for name, one in services.items():
                wait_stored(one, readers[name], told[-1])
            if visit == 1:
                home_assistant.restart()
        listening = listeners(home_assistant)
        codes = {name: one.stop() for name, one in services.items()}
        wait_for(lambda: listening - listeners(home_assistant) >= len(services), "the services' listeners are gone", 10)
        return Story(
            tuple(told),
            expected_tags(home_assistant),
            {name: read() for name, read in readers.items()},
            listening - listeners(home_assistant),
            {name: (codes[name], one.reported("Stopped")[-1]) for name, one in services.items()},
        )


def stored(story: Story, store: str) -> list[Row]:
    """What the store holds of the subjects within the two rounds, by time: neither the snapshots nor the restart."""
    rounds = [(turn[0].time // 1_000_000 * 1_000_000, turn[-1].time) for turn in batched(story.told)]
    ours = [row for row in story.rows[store] if row.tags["entity_id"] in story.tags]
    return [row for row in ours if any(first <= row.time <= last for first, last in rounds)]


def batched(told: tuple[Told, ...]) -> tuple[tuple[Told, ...], tuple[Told, ...]]:
    return told[:ROUND], told[ROUND:]


@pytest.mark.parametrize("store", ["embedded", "influxdb"])
def test_every_state_is_stored_once_at_its_nanosecond(story: Story, store: str) -> None:
    found = [Told(row.tags["entity_id"], row.time, row.fields["state_value"]) for row in stored(story, store)]
    assert len(story.told) == 2 * ROUND
    assert found == list(story.told)


def test_every_number_is_in_victoria_metrics_at_its_millisecond(story: Story) -> None:
    rows = [row for row in stored(story, "victoria-metrics") if "value" in row.fields]
    told = [one for one in story.told if one.entity_id != NOTE[0]]
    found = {(row.tags["entity_id"], row.time // 1_000_000, row.fields["value"]) for row in rows}
    assert found == {(one.entity_id, one.time // 1_000_000, float(one.state)) for one in told}
    assert len(rows) == len(told)


@pytest.mark.parametrize("store", ["embedded", "influxdb"])
def test_numbers_and_texts_are_told_apart(story: Story, store: str) -> None:
    for row in stored(story, store):
        text = row.tags["entity_id"] == NOTE[0]
        assert row.fields.get("value") == (None if text else float(row.fields["state_value"]))


@pytest.mark.parametrize("store", ["victoria-metrics", "influxdb"])
def test_every_point_carries_its_tags(story: Story, store: str) -> None:
    assert [row.tags for row in stored(story, store) if row.tags != story.tags[row.tags["entity_id"]]] == []


def test_every_change_in_the_embedded_store_carries_its_tags(story: Story) -> None:
    known = {
        entity: {name: value for name, value in tags.items() if name in readback.TAGS}
        for entity, tags in story.tags.items()
    }
    assert [row.tags for row in stored(story, "embedded") if row.tags != known[row.tags["entity_id"]]] == []


def test_devices_and_areas_are_known(story: Story) -> None:
    thermometer, hygrometer = story.tags[THERMOMETER[0]], story.tags[HYGROMETER[0]]
    assert thermometer["area_id"] == "garden"
    assert hygrometer["area_id"] != "garden"
    assert thermometer["device_id"] != hygrometer["device_id"]


def test_each_service_is_subscribed_once_after_the_restart(story: Story) -> None:
    assert story.subscriptions == len(STORES)


@pytest.mark.parametrize("store", STORES)
def test_each_service_ends_in_order_with_its_books_balanced(story: Story, store: str) -> None:
    code, last_word = story.ends[store]
    assert code == 0
    assert last_word["balanced"]
    lost = ("rejected", "malformed", "shed", "evicted", "spooled", "in_flight")
    assert {name: last_word["books"][name] for name in lost} == dict.fromkeys(lost, 0)
