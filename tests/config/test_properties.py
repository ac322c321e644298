"""Any combination of bad values is one answer that names them all; no secret is in any answer."""

import json
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.config.load import load
from ingest.config.secrets import TWINS
from ingest.config.settings import KEYS
from ingest.config.show import as_json, as_table, as_toml
from ingest.config.toml import toml_value
from ingest.errors import Problems
from tests.config.places import toml

MARK = "S3cr3tM4rk"
SOURCES = ("file", "environment", "command line")
BAD = "\0nonsense"
STRICT = [name for name, key in KEYS.items() if not key.kind.secret and not name.startswith(("filter.", "attributes."))]
"""The settings that do not take any text; the filter has ways of its own to be wrong."""
FORMS = (
    "{}",
    "Bearer {}",
    '"{}"',
    "{}\n",
    " {}",
    "<{}>",
    "eyJ{}",
    "eyJ{0}.{0}.{0}",
    "{}é",
    "http://{}:{}@host",
    "{}" * 7,
)

Said = tuple[str, str, str]


def written(said: list[Said]) -> str:
    """A TOML file that says it, in dotted keys."""
    return "".join(f"{name} = {toml_value(text)}\n" for name, _, text in said)


def answers(said: list[Said]) -> tuple[str, ...]:
    """Everything that is printed for these settings: the problems, or every way to show them and the warnings."""
    by_source = {source: [each for each in said if each[1] == source] for source in SOURCES}
    environ = {KEYS[name].variable if name in KEYS else name: text for name, _, text in by_source["environment"]}
    with tempfile.TemporaryDirectory() as directory:
        file = toml(Path(directory), written(by_source["file"]))
        try:
            loaded = load(file, environ, {name: text for name, _, text in by_source["command line"]})
        except Problems as error:
            return error.problems
    return (as_toml(loaded), as_json(loaded), as_table(loaded), repr(loaded), *loaded.warnings)


@given(
    st.lists(
        st.tuples(st.sampled_from(STRICT), st.sampled_from(SOURCES), st.just(BAD)),
        min_size=1,
        unique_by=lambda each: each[0],
    )
)
def test_every_bad_value_is_named_at_once(said: list[Said]) -> None:
    found = answers(said)
    for name, source, _ in said:
        (sentence,) = [each for each in found if each.startswith(f"{name} (")]
        assert source in sentence
        assert ". Give " in sentence


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [*TWINS, "influxdb.url", "home_assistant.url", "home_assistant.tokn", "HA_TOKN", "HOMEIQ_INGEST_TOKEN"]
            ),
            st.sampled_from(SOURCES),
            st.sampled_from(FORMS),
        ),
        min_size=1,
        unique_by=lambda each: each[0],
    ),
    st.booleans(),
)
@example(secrets=[("influxdb.token", "environment", "{}"), ("home_assistant.token", "file", FORMS[-1])], spoiled=False)
def test_no_secret_is_ever_shown(secrets: list[Said], spoiled: bool) -> None:
    said = [(name, source, form.format(*[MARK] * 7)) for name, source, form in secrets]
    spoilers = [("batch.size", "environment", "x")] if spoiled else []
    shown = answers([*said, *spoilers])
    assert shown
    assert not [each for each in shown if MARK in each]


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
    st.sampled_from(sorted(KEYS)),
)
def test_any_text_is_taken_or_named(text: str, name: str) -> None:
    assert answers([(name, "environment", text)])
    assert answers([(name, "file", text)])


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    )
)
def test_any_json_is_a_filter_or_named(value: object) -> None:
    assert answers([("ENTITY_FILTER_CONFIG", "environment", json.dumps(value))])
