from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from ingest.core import wire
from ingest.core.homeiq import homeiq
from ingest.core.line_types import line_types
from ingest.core.registry_points import (
    RegistryPoint,
    RegistryTelling,
    counted_by_device,
    device_points,
    entity_points,
    registry_line,
    registry_numbers,
)
from ingest.core.sealing import cut
from ingest.core.store import since
from tests.core import lines

FRAMES = Path(__file__).parents[1] / "frames"
LAMP = {"id": "d1", "name": "Lamp", "manufacturer": "Signify, N.V.", "model": "LCT 007", "area_id": "attic", "sw_version": "1.2"}  # fmt: skip
LIGHT = {"entity_id": "light.a", "device_id": "d1", "platform": "hue", "area_id": "attic", "unique_id": "u=1", "disabled_by": None}  # fmt: skip


def raws(*entries: object) -> list[Raw]:
    return [Raw(json.dumps(each).encode()) for each in entries]


def device(**fields: object) -> RegistryPoint:
    (point,) = device_points(raws({**LAMP, **fields}), {"d1": 3}, 7)
    return point


def entity(**fields: object) -> RegistryPoint:
    (point,) = entity_points(raws({**LIGHT, **fields}), 7)
    return point


def test_a_device_is_a_line_of_its_own_measurement() -> None:
    assert registry_line(device()) == (
        rb"devices,device_id=d1,manufacturer=Signify\,\ N.V.,model=LCT\ 007,area_id=attic"
        rb' name="Lamp",sw_version="1.2",entity_count=3i 7'
    )
    assert registry_numbers(device()).endswith(b" entity_count=3i 7")
    assert registry_line(device(name_by_user='My "lamp"')).split(b" name=")[1].startswith(rb'"My \"lamp\"",')


def test_an_entity_is_one_too() -> None:
    assert registry_line(entity()) == (
        b"entities,entity_id=light.a,device_id=d1,domain=light,platform=hue,area_id=attic"
        b' unique_id="u=1",disabled=false 7'
    )
    assert registry_line(entity(disabled_by="user")).endswith(b",disabled=true 7")
    assert registry_numbers(entity()).endswith(b" disabled=false 7")


def test_the_home_is_a_tag_of_both_where_several_share_a_bucket() -> None:
    for point in (device(), entity()):
        line = registry_line(point)
        assert registry_line(point, "cabin") == line.replace(b",area_id=attic", b",area_id=attic,home=cabin")
        assert b",home=cabin " in registry_numbers(point, "cabin")


def test_what_a_registry_does_not_say_is_left_out() -> None:
    bare = device(manufacturer=None, model="", area_id=None, sw_version=None, name=None)
    assert registry_line(bare) == b"devices,device_id=d1 entity_count=3i 7"
    assert registry_line(entity(device_id=None, platform=None, area_id=None, unique_id=None)) == (
        b"entities,entity_id=light.a,domain=light disabled=false 7"
    )


def test_numbers_where_texts_belong_are_texts_and_odd_things_nothing() -> None:
    line = registry_line(device(manufacturer=5, model=["x"], sw_version=1.5))
    assert line == b'devices,device_id=d1,manufacturer=5,area_id=attic name="Lamp",sw_version="1.5",entity_count=3i 7'


@pytest.mark.parametrize("version", ["2024.3.3", "2025.4.4", "2026.11.0"])
def test_recorded_registries_are_lines_that_can_be_read(version: str) -> None:
    recorded = (FRAMES / version / "registries.jsonl").read_text("utf-8").splitlines()[1:]
    devices, entities = (wire.raw_list(msgspec.json.decode(each, type=dict[str, Raw])["result"]) for each in recorded)
    counts = Counter[str]()
    counted_by_device(entities, counts)
    points = [*device_points(devices, counts, 1), *entity_points(entities, 1)]
    assert len(points) == len(devices) + len(entities)
    for point in points:
        series, fields, time_ns = lines.read(registry_line(point).decode())
        assert series.startswith((f"devices,device_id={point.tags.get('device_id')}", "entities,entity_id="))
        assert time_ns == 1
        assert set(fields) <= {"name", "sw_version", "entity_count", "unique_id", "disabled"}
    assert sum(point.number or 0 for point in points) == counts.total() > 40


@given(st.dictionaries(st.sampled_from(sorted(LAMP.keys() - {"id"})), st.text() | st.none()), st.text(min_size=1))
def test_any_text_makes_one_line(fields: dict[str, object], key: str) -> None:
    (point,) = device_points(raws({**LAMP, **fields, "id": key}), {}, 7)
    line = registry_line(point)
    assert b"\n" not in line
    assert line_types(line) is not None


def test_what_was_written_is_written_again_when_it_changes() -> None:
    telling = RegistryTelling()
    assert not telling
    assert telling.look([device(), entity()]) == {"d1", "light.a"}
    assert telling
    assert telling.take() == (device(), entity())
    telling.look([device(), entity()])
    assert telling.take() == ()
    telling.look([device(sw_version="1.3"), entity(area_id="cellar")])
    assert [registry_line(each).split(b",")[0] for each in telling.take()] == [b"devices", b"entities"]
    telling.keep({"light.a"})
    telling.look([device(sw_version="1.3"), entity(area_id="cellar")])
    assert telling.take() == (device(sw_version="1.3"),)


def test_after_a_loss_everything_is_news_once() -> None:
    telling = RegistryTelling()
    for _ in range(2):
        telling.forget()
        telling.look([device(), entity()])
        assert telling.take() == (device(), entity())
    telling.look([device(), entity()])
    assert not telling


def test_the_time_alone_is_no_news() -> None:
    telling = RegistryTelling()
    telling.look(entity_points(raws(LIGHT), 1))
    telling.take()
    telling.look(entity_points(raws(LIGHT), 2))
    assert not telling


def test_the_codec_writes_them_when_it_is_asked_to() -> None:
    assert homeiq().registry is None
    whole, numeric = homeiq(registries=True), homeiq(registries=True, numeric_only=True)
    assert whole.registry is not None
    assert numeric.registry is not None
    assert whole.registry(device()) == cut(registry_line(device()))
    assert numeric.registry(device()) == cut(registry_numbers(device()))
    recent = since(whole, lambda: 8)
    assert recent.registry is not None
    assert recent.registry(device()) is None
