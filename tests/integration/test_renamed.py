"""Entities that got another name while nobody listened, in a home whose recorder does with its rows what Home Assistant's does."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import pytest
import trio
from attrs import define
from trio.testing import MockClock

from ingest.core.coverage import Cause, Progress
from ingest.core.state import Source
from ingest.simulator import faults as f
from ingest.simulator.script import happen
from tests.integration.test_gaps import FILLED, House, check, house
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
async def test_who_gets_the_name_of_a_deleted_one_has_its_states_under_both(
    tmp_path: Path, autojump_clock: MockClock, *, stopped: bool
) -> None:
    """Under the old name what came before, under the new one what came after the other one's end. That one's are not told again."""
    async with house(tmp_path / "state.db") as it:
        acts = Acts(it)

        def replace() -> None:
            acts.set(A, B)
            acts.delete(B)
            acts.rename(A, B)
            acts.set(B)

        async with it.living():
            for _ in range(3):
                acts.set(A, B)
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
        check(it, [Cause.STOPPED] if stopped else [Cause.CONNECTION, Cause.STOPPED])


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


@pytest.mark.parametrize("stopped", [True, False])
async def test_the_removal_of_the_name_that_was_given_up_is_stored(
    tmp_path: Path, autojump_clock: MockClock, *, stopped: bool
) -> None:
    async with house(tmp_path / "state.db") as it:
        acts = Acts(it)

        def rename() -> None:
            acts.set(A)
            acts.rename(A, "sensor.now")
            acts.set("sensor.now")

        async with it.living():
            acts.set(A)
            await trio.sleep(3)
            if not stopped:
                await happen(it.server, f.Drop())
                rename()
                await trio.sleep(FILLED)
        if stopped:
            rename()
            await trio.sleep(10)
        async with it.living():
            await trio.sleep(FILLED)
        told = {
            point.state: point.previous_state for point in it.points(Source.BACKFILL) if point.entity_id == "sensor.now"
        }
        assert told == {"v2": "v2"}, "what the old name had, and then the first state under the new one"
        assert [name for name, _ in it.missing if name == A] == [A], "which is stored under the new name"
        assert "removed" in {point.state for point in it.memory.points if point.entity_id == A}
        assert {gap.progress for gap in it.gaps} == {Progress.FILLED}
