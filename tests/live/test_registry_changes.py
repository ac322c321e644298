"""While an entity changes ten times a second a person changes what it is: every point tells the truth of its time.

A lamp of a real Home Assistant is moved with its device, moved by itself, labelled, disabled and enabled again, given
another device, renamed and removed, while it is switched ten times a second. What its recorder wrote down must be
stored, whole, and two seconds after a change its points must carry it.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from attrs import define, field, frozen

from ingest.actors.template_reading import by_template
from ingest.core.catalog import Catalog
from ingest.edge.rest import ADMIN, renderer
from ingest.edge.websocket import Target
from ingest.errors import Refused
from tests.live import readback
from tests.live.homeassistant import HomeAssistant
from tests.live.lab import wait_for
from tests.live.readback import Row
from tests.live.recorded import REMOVED, recorded, stored
from tests.live.servers import Database
from tests.live.service import Service, installed, started

pytestmark = pytest.mark.live

STORES = ("embedded", "influxdb")
OTHER = "homeassistant"
"""The other schema, in a store of its own."""

LAMP = "light.ceiling_lights"
RENAMED = "light.of_another_name"
KNOWN_WITHIN_NS = 2 * 10**9
LASTS = 2.4
"""Seconds from one change to the next: two in which it must be known, and some in which it is seen."""

SILENT = '\n[filter]\npatterns = [{label = "live_silent"}]\n'
"""A label is no tag: what is labelled so is left out."""


@define(eq=False)
class Switching:
    """Switches a lamp ten times a second, whatever it is called at the moment."""

    home: HomeAssistant
    entity_id: str = LAMP
    on: bool = True
    _over: threading.Event = field(factory=threading.Event)

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self.home.tokens['admin']}"}
        with httpx.Client(trust_env=False, base_url=self.home.admin.url, headers=headers) as client:
            while not self._over.wait(0.06):
                if self.on:
                    client.post("/api/services/light/toggle", json={"entity_id": self.entity_id})

    @contextmanager
    def going_on(self) -> Iterator[None]:
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()


@frozen
class Step:
    """What was changed, between when and when, and what a point's tags say from then on; `silent`: there is none."""

    name: str
    begun_ns: int
    done_ns: int
    tags: dict[str, str]
    silent: bool = False


@frozen
class Story:
    """The steps, the lamp's states in the recorder, and its rows in each store."""

    steps: list[Step]
    entry: dict[str, Any]
    recorded: dict[tuple[str, int], str]
    rows: dict[str, list[Row]]

    @property
    def wanted(self) -> dict[int, str]:
        """What must be stored, by its times: some releases give the recorder's rows the new name, too."""
        silences = [
            (one.begun_ns, other.done_ns + KNOWN_WITHIN_NS) for one, other in pairwise(self.steps) if one.silent
        ]
        return {
            at: state
            for (_, at), state in self.recorded.items()
            if not any(begun <= at <= over for begun, over in silences)
        }


@define(eq=False)
class Person:
    """Changes the registries, a step after the other."""

    home: HomeAssistant
    switching: Switching
    steps: list[Step] = field(factory=list)

    def entry(self) -> dict[str, Any]:
        asked = {"type": "config/entity_registry/get", "entity_id": self.switching.entity_id}
        found: dict[str, Any] = self.home.admin.commands(asked)[0]
        return found

    def update(self, **fields: object) -> None:
        asked = {"type": "config/entity_registry/update", "entity_id": self.switching.entity_id, **fields}
        self.home.admin.commands(asked)

    def areas(self) -> dict[str, str]:
        found = self.home.admin.commands({"type": "config/area_registry/list"})[0]
        return {each["name"]: each["area_id"] for each in found}

    def step(self, name: str, change: Callable[[], object], *, silent: bool = False, **tags: str) -> None:
        """Change something, and let the lamp be switched for a while."""
        begun_ns = time.time_ns()
        change()
        before = self.steps[-1].tags if self.steps else {}
        self.steps.append(Step(name, begun_ns, time.time_ns(), {**before, **tags}, silent))
        time.sleep(LASTS)

    def all_of_it(self) -> None:
        entry, areas = self.entry(), self.areas()
        garden, office = areas["Garden"], areas["Büro 東京"]
        device = {"type": "config/device_registry/update", "device_id": entry["device_id"]}
        tags = {"entity_id": LAMP, "device_id": entry["device_id"], "registry_id": entry["id"]}
        self.step("begun", lambda: None, **tags)
        self.step("its device moved", partial(self.home.admin.commands, {**device, "area_id": garden}), area_id=garden)
        self.step("moved", partial(self.update, area_id=office), area_id=office)
        if "labels" in entry and self.knows_labels():
            self.step("labelled", self.label, silent=True)
            self.step("its label taken away", partial(self.update, labels=[]))
        self.step("disabled and enabled", self.disable_and_enable)
        self.home.admin.call("lab_gen", "swap", entity_id=LAMP)
        self.step("its device swapped", lambda: None, device_id=self.entry()["device_id"])
        # A renamed entity is made anew, and says itself which device it belongs to.
        self.step("renamed", self.rename, entity_id=RENAMED, device_id=entry["device_id"])
        self.home.admin.commands({"type": "config/entity_registry/remove", "entity_id": RENAMED})

    def knows_labels(self) -> bool:
        try:
            self.update(labels=[])
        except RuntimeError:
            return False
        return True

    def label(self) -> None:
        self.home.admin.commands({"type": "config/label_registry/create", "name": "Live silent"})
        self.update(labels=["live_silent"])

    def disable_and_enable(self) -> None:
        self.update(disabled_by="user")
        wait_for(lambda: self.home.admin.request("GET", "states") and self.is_gone(), "the state is gone", 10)
        self.update(disabled_by=None)
        entry = self.entry()["config_entry_id"]
        self.home.admin.request("POST", f"config/config_entries/entry/{entry}/reload")
        wait_for(lambda: not self.is_gone(), "the state is back", 10)

    def is_gone(self) -> bool:
        return all(each["entity_id"] != LAMP for each in self.home.admin.request("GET", "states"))

    def rename(self) -> None:
        self.update(new_entity_id=RENAMED)
        self.switching.entity_id = RENAMED


@contextmanager
def services(folder: Path, home: HomeAssistant, database: Database) -> Iterator[dict[str, Callable[[], list[Row]]]]:
    """One service for each store; what reads the store."""
    bucket = f"registry-{uuid.uuid4().hex}"
    database.create_bucket(bucket)
    database.create_bucket(f"{bucket}-other")
    readers: dict[str, Callable[[], list[Row]]] = {
        "embedded": readback.embedded(folder / "embedded" / "home.db"),
        "influxdb": partial(database.read, bucket, "home_assistant_events"),
        OTHER: lambda: [row for name in (LAMP, RENAMED) for row in database.read(f"{bucket}-other", name)],
    }
    with ExitStack() as stack:
        running: list[Service] = []
        for name in readers:
            store, schema = (None if name == "embedded" else database), f"schema = '{OTHER}'"
            given = (f"{bucket}-other", home.admin.url, [schema]) if name == OTHER else (bucket, home.admin.url)
            installed(folder / name, home, store, *given)
            with (folder / name / "config.toml").open("a", encoding="utf-8") as config:
                config.write(SILENT)
            running.append(started(folder / name))
            stack.callback(running[-1].stop)
        for each in running:
            each.wait_for("Snapshot", 1)
        yield readers


@pytest.fixture(scope="module")
def story(home_assistant: HomeAssistant, influxdb: Database, tmp_path_factory: pytest.TempPathFactory) -> Story:
    switching = Switching(home_assistant)
    person = Person(home_assistant, switching)
    entry = person.entry()
    begun = time.monotonic()
    with services(tmp_path_factory.mktemp("changes"), home_assistant, influxdb) as readers:
        since_ns = time.time_ns()
        with switching.going_on():
            person.all_of_it()
        time.sleep(2)
        until_ns = time.time_ns()
        time.sleep(1.5)
        rows = {name: [row for row in read() if name == OTHER or _of_the_lamp(row)] for name, read in readers.items()}
    known = recorded(home_assistant.config, since_ns, until_ns)
    lamp = {key: state for key, state in known.items() if key[0] in {LAMP, RENAMED}}
    rows = {name: [row for row in each if since_ns <= row.time <= until_ns] for name, each in rows.items()}
    print(  # noqa: T201  figures to look at
        f"\nHome Assistant {home_assistant.release.version}: {len(lamp)} states of the lamp while "
        f"{', '.join(step.name for step in person.steps)}; {time.monotonic() - begun:.0f} s"
    )
    for name in STORES:
        print(f"  {name}: {', '.join(_delays(person.steps, rows[name]))}")  # noqa: T201
    return Story(person.steps, entry, lamp, rows)


def _of_the_lamp(row: Row) -> bool:
    return row.tags["entity_id"] in {LAMP, RENAMED}


def _is_new(step: Step, row: Row) -> bool:
    return step.tags.items() <= row.tags.items()


def _delays(steps: list[Step], rows: list[Row]) -> Iterator[str]:
    """After how long the last point came that did not know yet what a step changed."""
    for step in steps:
        old = [row.time for row in rows if step.begun_ns <= row.time and (step.silent or not _is_new(step, row))]
        last = max((at for at in old if at < step.done_ns + LASTS * 1e9), default=step.done_ns)
        yield f"{step.name} {(last - step.done_ns) / 1e6:.0f} ms"


@pytest.mark.parametrize("store", STORES)
def test_no_point_is_lost(story: Story, store: str) -> None:
    found = {at: state for (_, at), state in stored(story.rows[store], 0, 2**63).items()}
    wanted, steps = story.wanted, story.steps
    assert len(wanted) > 8 * LASTS * len([step for step in steps[1:] if not step.silent]) / 2
    assert {at: (state, found.get(at)) for at, state in wanted.items() if found.get(at) != state} == {}


@pytest.mark.parametrize("store", STORES)
def test_two_seconds_after_a_change_every_point_carries_it(story: Story, store: str) -> None:
    ends = [*(step.done_ns for step in story.steps[1:]), story.steps[-1].done_ns + round(LASTS * 1e9)]
    for step, end in zip(story.steps, ends, strict=True):
        # What follows a step may be known before its command has been answered.
        late = [r for r in story.rows[store] if step.done_ns + KNOWN_WITHIN_NS <= r.time < end - 200 * 10**6]
        assert bool(late) is not step.silent, step.name
        assert [row for row in late if not _is_new(step, row)] == [], step.name


@pytest.mark.parametrize("store", STORES)
def test_no_point_is_tagged_half_and_who_it_is_never_changes(story: Story, store: str) -> None:
    rows = story.rows[store]
    assert {row.tags["registry_id"] for row in rows} == {story.entry["id"]}
    assert {row.tags["platform"] for row in rows} == {"demo"}
    assert all({"device_id", "domain"} <= row.tags.keys() for row in rows)
    moved = next(step.done_ns for step in story.steps if step.name == "moved")
    assert all("area_id" in row.tags for row in rows if row.time >= moved)


@pytest.mark.parametrize("store", STORES)
def test_what_was_removed_says_so_with_the_tags_of_its_last_point(story: Story, store: str) -> None:
    last = story.rows[store][-1]
    assert last.fields["state_value"] == REMOVED
    assert story.steps[-1].tags.items() <= last.tags.items()


def test_in_the_other_schema_only_a_new_name_begins_a_series(story: Story) -> None:
    renamed = story.steps[-1]
    series = [(row.time, tuple(sorted(row.tags.items()))) for row in story.rows[OTHER]]
    before = {tags for at, tags in series if at < renamed.begun_ns}
    after = {tags for at, tags in series if at >= renamed.done_ns}
    assert [len(before), len(after), len(before & after)] == [1, 1, 0]
    spoken = {at: state for at, state in story.wanted.items() if state != REMOVED}
    found = {row.time: row.fields["state"] for row in story.rows[OTHER]}
    assert {at: (state, found.get(at)) for at, state in spoken.items() if found.get(at) != state} == {}


def test_templates_tell_what_the_registries_do(home_assistant: HomeAssistant) -> None:
    target = Target(f"{home_assistant.admin.url.replace('http', 'ws', 1)}/api/websocket")
    catalog, skipped = trio.run(by_template, renderer(target, home_assistant.tokens["admin"]), Catalog())
    entries = home_assistant.admin.registry()
    told = {entity_id: catalog.registered(entity_id) for entity_id in entries}
    there = {entity_id: facts for entity_id, facts in told.items() if facts is not None}
    assert skipped == 0
    assert len(there) > 50
    assert {key: (facts.device_id, facts.area_id) for key, facts in there.items()} == {
        key: (entries[key]["device_id"], entries[key]["area_id"]) for key in there
    }
    with pytest.raises(Refused) as caught:
        trio.run(by_template, renderer(target, home_assistant.tokens["user"]), Catalog())
    assert caught.value.remedy == ADMIN
