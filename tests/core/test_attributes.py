from __future__ import annotations

import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.attributes import AttributesCache, Drops, fitting, parse, tagged_like
from ingest.core.lineprotocol import utf8
from ingest.core.point import Attributes
from tests.core.changes import raw

DROPS = Drops().of("camera.door")
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def test_home_assistants_text_is_kept_when_nothing_is_dropped() -> None:
    text = '{"b":1.10,"a":"é\\n","friendly_name":"Küche ☀"}'
    assert parse(text, DROPS).json == text


def test_what_is_secret_is_dropped_and_the_rest_keeps_its_order_and_digits() -> None:
    text = '{"z":1.10,"access_token":"s3cret","entity_picture":"/api/x?token=s3cret","a":[1e400],"token":"s3cret"}'
    assert parse(text, DROPS).json == '{"z":1.10,"a":[1e400]}'


def test_a_secret_with_an_escaped_name_is_dropped_too() -> None:
    assert parse('{"acc\\u0065ss_token":"s3cret","a":"\\u00e9"}', DROPS).json == '{"a":"\\u00e9"}'


def test_escapes_alone_change_nothing() -> None:
    assert parse('{"a":"\\u0001"}', DROPS).json == '{"a":"\\u0001"}'


def test_a_name_that_is_only_a_value_is_not_dropped() -> None:
    assert parse('{"kind":"token"}', DROPS).json == '{"kind":"token"}'


def test_a_domain_has_names_of_its_own_beside_the_common_ones() -> None:
    drops = Drops(("token",), [("media_player", ("media_position",))])
    text = '{"media_position":3,"token":"t","volume":1}'
    assert parse(text, drops.of("media_player.radio")).json == '{"volume":1}'
    assert parse(text, drops.of("sensor.radio")).json == '{"media_position":3,"volume":1}'


def test_line_breaks_between_members_are_taken_out() -> None:
    assert parse('{\n  "a": "x\\ny",\r\n  "b": 2\n}').json == '{"a":"x\\ny","b":2}'


def test_the_few_that_are_looked_at() -> None:
    seen = parse('{"device_class":"energy","unit_of_measurement":"\u00b5W","friendly_name":"F","restored":true}')
    assert (seen.device_class, seen.unit, seen.friendly_name, seen.restored) == ("energy", "\u03bcW", "F", True)


@pytest.mark.parametrize("wrong", ["null", "5", "[]", "{}", '""', "false"])
def test_a_value_of_the_wrong_type_is_no_value(wrong: str) -> None:
    text = f'{{"device_class":{wrong},"unit_of_measurement":{wrong},"friendly_name":5,"restored":"yes"}}'
    assert parse(text) == Attributes(text)


@pytest.mark.parametrize("text", ["null", "[]", '"x"', "{", ""])
def test_what_is_no_object_is_an_error(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        parse(text, DROPS)


@given(st.dictionaries(st.text() | st.sampled_from(sorted(DROPS)), values), st.booleans(), st.sampled_from([None, 1]))
def test_the_text_says_what_home_assistant_said_without_what_is_dropped(
    attributes: dict[str, object], ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(attributes, ensure_ascii=ascii_only, indent=indent)
    kept = parse(text, DROPS)
    assert json.loads(kept.json) == {name: value for name, value in attributes.items() if name not in DROPS}
    assert "\n" not in kept.json


def test_equal_text_gives_the_same_object() -> None:
    cache = AttributesCache(Drops())
    first = cache.of("light.a", raw({"brightness": 1}))
    assert cache.of("light.a", raw({"brightness": 1})) is first
    assert cache.of("light.b", raw({"brightness": 1})) is not first
    assert cache.of("light.a", raw({"brightness": 2})) is not first


def test_attributes_that_differ_only_in_what_is_dropped_are_the_same_object() -> None:
    cache = AttributesCache(Drops())
    first = cache.of("camera.a", raw({"access_token": "old", "brand": "x"}))
    assert cache.of("camera.a", raw({"access_token": "new", "brand": "x"})) is first


def test_the_cache_is_bounded_and_forgets_the_first() -> None:
    cache = AttributesCache(Drops(), entities=2)
    kept = [cache.of(f"light.{name}", raw({"n": 1})) for name in "abc"]
    assert cache.of("light.b", raw({"n": 1})) is kept[1]
    assert cache.of("light.c", raw({"n": 1})) is kept[2]
    assert cache.of("light.a", raw({"n": 1})) is not kept[0]


def test_a_forgotten_entity_is_parsed_anew() -> None:
    cache = AttributesCache(Drops())
    first = cache.of("light.a", raw({}))
    cache.forget("light.a")
    assert cache.of("light.a", raw({})) is not first


def test_tags_of_before_fill_only_what_is_missing() -> None:
    last = Attributes('{"n":1}', "energy", "kWh")
    assert tagged_like(Attributes('{"m":2}'), last) == Attributes('{"m":2}', "energy", "kWh")
    own = Attributes("{}", "power", "W")
    assert tagged_like(own, last) is own


def fitted(text: str, limit: int) -> str:
    """What is to be left, as it is defined: the longest goes, and what is left is measured, until that fits."""
    members = msgspec.json.decode(utf8(text), type=dict[str, msgspec.Raw])
    while len(utf8(text)) > limit:
        longest = max(reversed(members), key=lambda name: len(members[name]))
        members = {name: raw for name, raw in members.items() if name != longest}
        text = msgspec.json.encode(members).decode()
    return text


@given(st.dictionaries(st.text(), values, max_size=12), st.integers(2, 400), st.booleans(), st.booleans())
def test_the_longest_members_go_until_the_rest_fits(
    attributes: dict[str, object], limit: int, is_ascii: bool, is_spaced: bool
) -> None:
    text = json.dumps(attributes, ensure_ascii=is_ascii, separators=None if is_spaced else (",", ":"))
    assert fitting(text, limit) == fitted(text, limit)


def test_so_many_members_that_they_do_not_fit_hold_nothing_up() -> None:
    text = json.dumps({f"key_{number:05}": "x" * 40 for number in range(20_000)})
    begun = time.thread_time()
    left = fitting(text)
    assert time.thread_time() - begun < 2
    assert 65_000 < len(left) <= 65_535
