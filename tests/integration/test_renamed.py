"""Entities that got another name, in a home whose recorder does with its rows what Home Assistant's does."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import pytest
import trio
from attrs import define
from trio.testing import MockClock

from ingest.core import recorder
from ingest.core.coverage import Progress
from ingest.simulator import faults as f
from ingest.simulator.script import happen
from tests.integration.test_gaps import FILLED, House, house
from tests.integration.test_import import begin, live_points, stored_once

A, B = "sensor.living_room_climate_battery", "sensor.living_room_humidity"


@define
class Acts:
    """What happens in the home. Every state is another one."""

    it: House
    count: int = 0

    def set(self, *entity_ids: str) -> None:
        for each in entity_ids:
            self.count += 1
            self.it.server.emit(change for change in [self.it.home.set(each, f"v{self.count}", {})] if change)

    def rename(self, before: str, now: str) -> None:
        """The recorder gives its rows to the new name, unless it knows that one."""
        past = self.it.home.past._rows
        if now not in past:
            past[now] = past.pop(before, deque())
        self.it.server.instance.rename(before, now)

    def delete(self, entity_id: str) -> None:
        self.it.home.registry.entities.pop(entity_id)
        self.it.server.instance.fire("entity_registry_updated", {"action": "remove", "entity_id": entity_id})
        self.it.server.emit(change for change in [self.it.home.remove(entity_id)] if change)


@pytest.mark.parametrize("stopped", [True, False])
async def test_who_gets_the_name_of_a_deleted_one_is_told_nothing_again_of_it_and_lacks_what_was_before(
    tmp_path: Path, autojump_clock: MockClock, *, stopped: bool
) -> None:
    """The recorder knows the name, and leaves the states under the one that it had."""
    async with house(tmp_path / "state.db") as it:
        acts = Acts(it)

        def replace() -> None:
            acts.set(A, B)
            acts.delete(B)
            acts.rename(A, B)
            acts.set(B)

        async with it.living():
            for _ in range(3):
                acts.set(A)
                acts.set(B)
                await trio.sleep(3)
            if not stopped:
                await happen(it.server, f.Drop())
                replace()
                await trio.sleep(FILLED)
        if stopped:
            replace()
            await trio.sleep(10)
        async with it.living():
            await trio.sleep(FILLED)
        assert stored_once(it)
        assert {name for name, _ in it.missing} <= {A}
        first = it.gaps[0]
        assert (first.progress, first.why.startswith(recorder.NO_BEGINNING)) == (Progress.PARTLY, True)


async def test_an_import_tells_nothing_again_of_who_had_the_name_before(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with house(tmp_path / "state.db") as it:
        acts, entities = Acts(it), it.home.registry.entities
        paired_later = entities.pop(A)
        it.home.remove(A)
        it.home.past._rows.pop(A)
        async with it.living() as pipeline:
            for _ in range(3):
                acts.set(B)
                await trio.sleep(60)
            entities[A] = paired_later
            it.server.instance.fire("entity_registry_updated", {"action": "create", "entity_id": A})
            for _ in range(3):
                await trio.sleep(60)
                acts.set(A)
            acts.delete(B)
            await trio.sleep(60)
            acts.rename(A, B)
            await trio.sleep(60)
            acts.set(B)
            await trio.sleep(100)
            stored = live_points(it)
            await begin(pipeline)
            await trio.sleep(2 * FILLED)
        assert stored_once(it)
        assert live_points(it).items() >= stored.items()
