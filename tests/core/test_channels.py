from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.channels import alike, channels_of, wanting

NAMES = st.from_regex(r"[a-c]{1,2}\.[a-c_]{1,4}", fullmatch=True)
CHANNELS = st.one_of(
    NAMES, st.from_regex(r"[a-c]{1,2}", fullmatch=True), st.text("abc_.*?[]!-", min_size=1, max_size=6)
)


@pytest.mark.parametrize(
    ("channels", "entity_id", "wanted"),
    [
        (["*"], "light.kitchen", True),
        (["all"], "light.kitchen", True),
        (["sensor.a", "events"], "light.kitchen", True),
        (["light"], "light.kitchen", True),
        (["light"], "lightning.kitchen", False),
        (["light.kitchen"], "light.kitchen", True),
        (["light.kitchen"], "light.kitchen_2", False),
        (["sensor.*_power", "light.h*"], "sensor.hall_power", True),
        (["sensor.*_power", "light.h*"], "light.hall", True),
        (["sensor.*_power", "light.h*"], "sensor.hall_power_2", False),
    ],
)
def test_who_is_wanted(channels: list[str], entity_id: str, wanted: bool) -> None:
    assert wanting(alike(channels_of(channels)))(entity_id) is wanted


@given(st.lists(CHANNELS, min_size=1, max_size=5), NAMES)
def test_a_channel_is_a_domain_an_entity_or_a_glob(channels: list[str], entity_id: str) -> None:
    domain = entity_id.partition(".")[0]
    expected = any(each in {domain, entity_id, "all", "events"} or fnmatchcase(entity_id, each) for each in channels)
    assert wanting(alike(channels_of(channels)))(entity_id) is expected


def test_each_counts_once_and_those_that_want_everything_are_alike() -> None:
    assert channels_of(["light", "light", "sensor"]) == ("light", "sensor")
    assert alike(["light", "sensor"]) == alike(["sensor", "light"]) != alike(["light"])
    assert alike(["*"]) == alike(["all", "light"]) == alike(["events"])
    assert alike(()) == frozenset()


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (None, "list of texts"),
        ("light", "list of texts"),
        (["light", 1], "list of texts"),
        ([], "is empty"),
        ([""], "'' is no channel"),
        (["x y" * 100], "is no channel"),
        (["a" * 256], "is no channel"),
        ([f"a.n{number}" for number in range(101)], "101 channels are more than 100"),
        ([f"a.*{number}" for number in range(21)], "21 globs are more than 20"),
        (["*a" * 9], "has more than 8 of"),
    ],
)
def test_what_is_no_channel_is_named(given: object, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as caught:
        channels_of(given)
    assert len(str(caught.value)) < 150
