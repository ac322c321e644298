from __future__ import annotations

import pytest

from ingest.core.words import LAYOUT, counted, cut, entity_of, printable, some


@pytest.mark.parametrize(
    ("text", "entity"),
    [
        ("home_assistant_events,area_id=a,entity_id=sensor.room_2,registry_id=r v=1 1", "sensor.room_2"),
        ('{"context":{},"entity_id": "light.größe","state":"on"}', "light.größe"),
        ('{"entity_id":"light.a"}', "light.a"),
        ("sensor.room 1767268800000000000 21.5", "sensor.room"),
        ("m,n=1 v=1 1", ""),
        ("", ""),
    ],
)
def test_the_entity_of_what_was_refused(text: str, entity: str) -> None:
    assert entity_of(text) == entity


def test_one_is_not_many_and_many_are_not_all_named() -> None:
    assert (counted(1, "point"), counted(0, "point"), counted(1234, "point")) == ("1 point", "0 points", "1,234 points")
    assert (cut("abc", 3), cut("abcd", 3)) == ("abc", "ab…")
    assert some(["a", "", "b", "a"]) == "a, b"
    assert some("abcde") == "a, b, c and 2 more"


def test_what_a_terminal_would_obey_is_not_shown_and_each_of_it_is_one_character() -> None:
    assert printable("\x1b[2J\x07a\nb\x9b31m\u202e") == "\ufffd[2J\ufffda\ufffdb\ufffd31m\ufffd"
    assert printable("a\x1b\nb\tc\r", LAYOUT) == "a\ufffd\nb\tc\ufffd"
    for shown in ("21.5\u202f°C", "12\xa0%", "👩\u200d🔧", "größe", "می\u200cخواهم"):
        assert printable(shown) == shown
