"""Whatever happens to the registries while they are read, slowly and now and then in vain: in the end the catalog is true."""

from __future__ import annotations

import random
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from ingest.actors.discovery import AGAIN, SHARE
from tests.actors.test_discovery import (
    DEVICES,
    ENTITIES,
    ENTITY,
    Registries,
    Running,
    an_entity,
    discovering,
    slowly,
)

AREAS = ("kitchen", "attic", "cellar")


class Storm:
    """Changes the registries as people and integrations do, and says so."""

    def __init__(self, seed: int, registries: Registries, running: Running) -> None:
        self.chance, self.registries, self.running, self.made = random.Random(seed), registries, running, 0

    def happen(self) -> None:
        """One thing."""
        what = self.chance.choice([self.move, self.move, self.rename, self.remove, self.create, self.burst, self.carry])
        what()

    def one(self) -> dict[str, Any] | None:
        return self.chance.choice(self.registries.entities) if self.registries.entities else None

    def replace(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        self.registries.entities = [new if each is old else each for each in self.registries.entities]

    def move(self) -> None:
        if one := self.one():
            self.replace(one, one | {"area_id": self.chance.choice(AREAS)})
            self.running.hear(action="update", entity_id=one["entity_id"])

    def rename(self) -> None:
        if one := self.one():
            self.made += 1
            self.replace(one, one | {"entity_id": f"light.renamed_{self.made}"})
            self.running.hear(action="update", entity_id=f"light.renamed_{self.made}", old_entity_id=one["entity_id"])

    def remove(self) -> None:
        if one := self.one():
            self.registries.entities = [each for each in self.registries.entities if each is not one]
            self.running.hear(action="remove", entity_id=one["entity_id"])

    def create(self) -> None:
        self.made += 1
        self.registries.entities = [*self.registries.entities, an_entity(f"light.{self.made}", f"r-{self.made}")]
        self.running.hear(action="create", entity_id=f"light.{self.made}")

    def burst(self) -> None:
        if self.chance.random() < 0.2:
            for _ in range(60):
                self.create()

    def carry(self) -> None:
        """The device of all of them is carried to another room."""
        self.registries.devices = [{"id": "d1", "area_id": self.chance.choice(AREAS)}]
        self.running.hear("device", action="update")

    def fail(self) -> None:
        """A command fails for a while, or works again."""
        command = self.chance.choice([ENTITY, ENTITIES, DEVICES])
        self.registries.failing = {} if self.registries.failing else {command: "unknown_error"}


def true(running: Running, registries: Registries) -> None:
    [device] = registries.devices
    for one in registries.entities:
        facts = running.catalog.value.facts(one["entity_id"])
        assert (facts.registry_id, facts.area_id) == (one["id"], one.get("area_id") or device["area_id"])


def a_home() -> Registries:
    return Registries(entities=[an_entity(f"light.first_{number}", f"f{number}") for number in range(5)])


@pytest.mark.parametrize("seed", [*range(8), 53, 69])
async def test_in_the_end_the_catalog_is_true(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    slow = random.Random(seed).choice([0.0, 3.0, 30.0])
    slowly(monkeypatch, slow)
    async with discovering(registries := a_home(), interval=90, counts=bool(seed % 2)) as running:
        storm = Storm(seed, registries, running)
        for _ in range(150):
            storm.happen()
            if storm.chance.random() < 0.1:
                storm.fail()
            await trio.sleep(storm.chance.choice([0, 0.1, 0.6, 2, 20]))
        registries.failing = {}
        await trio.sleep(max(AGAIN, SHARE * slow) + 2 * slow + 10)
        true(running, registries)
        assert len(running.catalog.value) == len(registries.entities)


@pytest.mark.parametrize("seed", [*range(6), 34, 41])
async def test_each_truth_is_known_in_two_seconds_whatever_is_read_meanwhile(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    slowly(monkeypatch, 30)
    async with discovering(registries := a_home(), interval=90, counts=bool(seed % 2)) as running:
        storm = Storm(seed, registries, running)
        for _ in range(150):
            storm.chance.choice([storm.move, storm.rename, storm.create, storm.carry, storm.remove])()
            await trio.sleep(storm.chance.choice([2.1, 3, 7]))
            true(running, registries)
