"""What `convert` makes of the integration's YAML selects the entities that Home Assistant's own code selects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.cli.main import main
from ingest.config.influx_integration import converted
from ingest.config.load import load
from ingest.config.settings import Settings
from ingest.core.point import Attributes, Facts
from ingest.core.rules import Decision, Rules
from tests.live.ha_filter import HomeAssistantFilter, home_assistant_filter
from tests.live.ha_install import Release, install
from tests.support.integration_yaml import EXAMPLES

pytestmark = pytest.mark.live

ENTITY_ID = re.compile(r"[a-z_]+\.[a-z0-9_*?\[\]]+")
PATIENT = settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def own_code(release_with_influxdb: Release) -> Iterator[HomeAssistantFilter]:
    with home_assistant_filter(install(release_with_influxdb)) as asked:
        yield asked


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("converted")


@cache
def told(example: Path, folder: Path) -> Settings:
    """The settings of what `convert` writes, read as the service reads them."""
    output = folder / example.stem / "config.toml"
    result = CliRunner().invoke(main, ["convert", str(example), "-o", str(output)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return load(output, {}, {}).settings


def decided(found: Settings, entity_id: str) -> Decision:
    return Rules(found.filter).decide(entity_id, Attributes(), Facts("id"))


def near(text: str) -> st.SearchStrategy[str]:
    """Entity ids that are named in a text, that its globs match or nearly match, and others of their domains."""
    named = sorted(set(ENTITY_ID.findall(text.lower())))
    words = sorted({word for each in named for word in re.split(r"[._*?\[\]]+", each) if word} | {"a", "other", "1"})
    domains = sorted(
        {each.partition(".")[0] for each in named} | set(re.findall(r"- ([a-z_]+)$", text, re.MULTILINE)) | {"x"}
    )
    object_ids = st.lists(st.sampled_from(words), min_size=1, max_size=3).map("_".join)
    filled = st.builds(_filled, st.sampled_from(named or ["a.b"]), st.sampled_from(["", "a", "1", "kitchen", "x_y"]))
    return filled | st.builds("{}.{}".format, st.sampled_from(domains), object_ids)


def _filled(glob: str, text: str) -> str:
    plain = re.sub(r"\[(.)[^\]]*\]", r"\1", glob).replace("?", text[:1] or "q").replace("*", text or "q")
    return re.sub(r"[^a-z0-9_.]", "", plain)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
@PATIENT
@given(data=st.data())
def test_a_documented_configuration_selects_the_same_entities(
    own_code: HomeAssistantFilter, folder: Path, example: Path, data: st.DataObject
) -> None:
    found = told(example, folder)
    entity_ids = data.draw(st.lists(near(example.read_text("utf-8")), min_size=1, max_size=20))
    for entity_id, answer in zip(entity_ids, own_code.asked(entity_ids, file=example), strict=True):
        decision = decided(found, entity_id)
        assert decision.passed is answer.passed, entity_id
        if answer.passed:
            measurement = answer.custom.get("override_measurement") or found.homeassistant_schema.override_measurement
            ours = decision.treatment.measurement or found.homeassistant_schema.override_measurement
            assert ours == measurement, entity_id
            assert set(decision.treatment.ignore) == set(answer.custom.get("ignore_attributes", ())), entity_id


NAMES = st.text("ab", min_size=1, max_size=2)
DOMAINS = st.sampled_from(["a", "b", "ab"])
ENTITIES = st.builds("{}.{}".format, DOMAINS, NAMES)
GLOBS = st.sampled_from(["a.*", "*.a", "b.?", "*", "*b*", "[ab].a", "a.[!a]", ""])
SIDE = st.fixed_dictionaries(
    {},
    optional={
        "entities": st.lists(ENTITIES, max_size=2),
        "domains": st.lists(DOMAINS, max_size=1) | DOMAINS,
        "entity_globs": st.lists(GLOBS, max_size=2) | GLOBS,
    },
)
CUSTOM = st.fixed_dictionaries(
    {},
    optional={
        "override_measurement": st.sampled_from(["one", "two"]),
        "ignore_attributes": st.lists(st.sampled_from(["icon", "unit"]), max_size=2, unique=True),
    },
)
BLOCKS = st.fixed_dictionaries(
    {},
    optional={
        "include": SIDE,
        "exclude": SIDE,
        "component_config": st.dictionaries(ENTITIES, CUSTOM, max_size=2),
        "component_config_domain": st.dictionaries(DOMAINS, CUSTOM, max_size=2),
        "component_config_glob": st.dictionaries(GLOBS, CUSTOM, max_size=2),
    },
)


@settings(PATIENT, max_examples=1000)
@given(BLOCKS, st.lists(ENTITIES, min_size=1, max_size=12))
def test_any_configuration_selects_the_same_entities(
    own_code: HomeAssistantFilter, block: dict[str, Any], entity_ids: list[str]
) -> None:
    found = load(None, {}, dict(converted(block).values)).settings
    for entity_id, answer in zip(entity_ids, own_code.asked(entity_ids, block=block), strict=True):
        decision = decided(found, entity_id)
        assert decision.passed is answer.passed, entity_id
        if answer.passed:
            assert decision.treatment.measurement == answer.custom.get("override_measurement"), entity_id
            assert set(decision.treatment.ignore) == set(answer.custom.get("ignore_attributes", ())), entity_id
