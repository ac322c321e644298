"""Pages that describe the code say what the code says: drawing, schema, exit codes."""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
import tomllib
from pathlib import Path

import attrs
import msgspec
import pytest
from msgspec import Raw

from ingest import pipeline
from ingest.cli import exits
from ingest.config.load import load
from ingest.config.settings import Settings
from ingest.core.coverage import Progress
from ingest.core.filter_settings import Pattern
from ingest.core.homeiq import NAMES, Encoder, category
from ingest.core.number import WORDS
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.registry_points import device_points, entity_points, registry_line
from ingest.core.session import SessionState
from ingest.core.state import Context, Source
from ingest.simulator.faults import KINDS, parse
from tests.test_docs import unknown

DOCS = Path(__file__).parents[1] / "docs"
KEY = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)
FACTS = Facts(
    "0123456789abcdef0123456789abcdef", "9f1c", "living_room", "diagnostic", "mqtt", "Aqara", "WSDCGQ11LM", "3000-0001"
)
COMPLETE = Point(
    "sensor.living_room_temperature",
    1_795_435_205_123_456_000,
    "22.5",
    FACTS,
    Attributes('{"unit_of_measurement":"°C"}', "temperature", "°C", "Living room"),
    22.5,
    "22.4",
    61.5,
    Kind.CHANGED,
    Context("01JD", "01JC", "user"),
    Source.SNAPSHOT,
)


def text(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def part(page: str, heading: str) -> str:
    """The text below a heading, up to the next one of any level."""
    _, _, rest = text(page).partition(f"\n{heading}\n")
    return re.split(r"^#", rest, maxsplit=1, flags=re.MULTILINE)[0]


def constants() -> set[str]:
    """Every text in the code, those of f-strings in their parts."""
    trees = (ast.parse(path.read_text("utf-8")) for path in Path(pipeline.__file__).parent.rglob("*.py"))
    nodes = (node for tree in trees for node in ast.walk(tree))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_the_drawing_of_the_architecture_is_the_one_in_the_code() -> None:
    drawing = (pipeline.__doc__ or "").split("\n\n")[1]
    assert textwrap.dedent(drawing) in text("explanation/architecture.md")


def test_the_line_in_the_schema_is_what_the_encoder_writes() -> None:
    line = Encoder().line(COMPLETE).decode()
    series, _, fields = line.partition(" ")
    assert f"\n{line}\n" in text("reference/schema.md")
    assert KEY.findall(part("reference/schema.md", "## Tags")) == re.findall(r",(\w+)=", series)
    assert set(KEY.findall(part("reference/schema.md", "## Fields"))) == set(re.findall(r"(\w+)=", fields))
    assert {*re.findall(r",(\w+)=", series), *re.findall(r"(\w+)=", fields), "home", "time"} == NAMES
    assert ",home=cabin," in Encoder(home="cabin").line(COMPLETE).decode()
    assert "`home`" in part("reference/schema.md", "## Tags")


def test_the_schema_names_every_kind_category_and_word() -> None:
    fields, tags, words = (part("reference/schema.md", each) for each in ("## Fields", "## Tags", "### `value`"))
    assert [kind.value for kind in Kind if f"`{kind.value}`" not in fields] == []
    assert f"`{category('lock', None)}`" in tags
    assert set(WORDS) <= set(re.findall(r"`(\w+)`", words))


def test_every_exit_code_is_documented_with_its_number() -> None:
    documented = {
        name: int(code)
        for code, name in re.findall(r"^\| (\d+) \| `(\w+)` ", text("reference/exit-codes.md"), re.MULTILINE)
    }
    assert documented == {name: code for name, code in vars(exits).items() if name.isupper() and isinstance(code, int)}


THEIRS = {"field type conflict"}
"""Words of others that a table quotes."""


@pytest.mark.parametrize(
    ("page", "more_than"),
    [("explanation/errors.md", 30), ("how-to/troubleshoot.md", 25), ("how-to/rotate-tokens.md", 3)],
)
def test_every_sentence_that_a_page_quotes_is_in_the_code(page: str, more_than: int) -> None:
    rows = text(page) if more_than < 25 else "\n".join(re.findall(r"^ *\|.*", text(page), re.MULTILINE))
    sentences = {quoted for quoted in re.findall(r"`([^`\n]+)`", rows) if " " in quoted}
    sentences -= THEIRS | {each for each in sentences if re.match(r"homeiq-ingest |sudo |systemctl |influx |--", each)}
    pieces = {piece.strip() for sentence in sentences for piece in sentence.split("…")} - {""}
    known = "\n".join(constants())
    assert len(pieces) > more_than
    assert [piece for piece in sorted(pieces) if piece not in known] == []


@pytest.mark.parametrize("page", sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")))
def test_every_command_in_a_sentence_exists(page: str) -> None:
    """As `test_docs` has it of blocks: what stands in a line of prose is typed, too."""
    prose = re.sub(r"^( *)```.*?^\1```", "", text(page), flags=re.MULTILINE | re.DOTALL)
    calls = re.findall(r"`(?:sudo )?homeiq-ingest ([a-z][^`]*)`", prose)
    wrong = [call for call in calls if "…" not in call and (found := unknown(shlex.split(call))) and found]
    assert wrong == []


def test_the_story_of_a_session_tells_every_state() -> None:
    story = text("explanation/state-transitions.md")
    assert [state.value for state in SessionState if f"`{state.value}`" not in story] == []
    assert [state.value for state in Progress if f"`{state.value}`" not in story] == []


def test_the_page_of_privacy_names_what_is_dropped_by_default() -> None:
    assert [name for name in Settings().attributes.drop if f"`{name}`" not in text("how-to/privacy.md")] == []


def test_the_script_of_faults_can_be_read() -> None:
    [script] = re.findall(r"^```toml\n(.*?)^```", text("reference/simulator.md"), re.MULTILINE | re.DOTALL)
    assert len(parse(tomllib.loads(script))) == 2


def test_every_fault_is_documented_with_its_keys_and_defaults() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", part("reference/simulator.md", "## Faults"), re.MULTILINE)
    documented = {kind: tomllib.loads("\n".join(re.findall(r"`(\w+ = [^`]+)`", keys))) for kind, keys in rows}
    needed = {kind: re.findall(r"`(\w+)`", keys) for kind, keys in rows}
    fields = {kind: attrs.fields(fault) for kind, fault in KINDS.items()}
    assert documented == {
        kind: {each.name: each.default for each in known if each.default is not attrs.NOTHING}
        for kind, known in fields.items()
    }
    assert needed == {
        kind: [each.name for each in known if each.default is attrs.NOTHING] for kind, known in fields.items()
    }


def test_the_configurations_in_the_how_to_are_good(tmp_path: Path) -> None:
    for name in ("ha-token", "influx-token", "my-authority.pem"):
        (tmp_path / name).write_text("0123456789abcdef" * 7, "utf-8")
    examples = re.findall(r"^```toml\n(.*?)^```", text("how-to/own-home.md"), re.MULTILINE | re.DOTALL)
    assert len(examples) > 3
    for example in examples:
        file = tmp_path / "config.toml"
        file.write_text(example, "utf-8")
        assert load(file, {}, {}).warnings == ()


def test_the_keys_of_a_pattern_are_those_that_a_pattern_has() -> None:
    rows = re.findall(
        r"^\| (`.*?) \|", part("how-to/choose-what-is-stored.md", "## The keys of a pattern"), re.MULTILINE
    )
    named = [key for row in rows for key in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(each.name for each in attrs.fields(Pattern))


def test_every_module_and_test_that_is_named_exists() -> None:
    pages = [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]
    named = {path for page in pages for path in re.findall(r"`((?:ingest|tests)/[\w./-]+)", page.read_text("utf-8"))}
    assert len(named) > 30
    assert [path for path in sorted(named) if not (DOCS.parent / path).exists()] == []


def test_the_lines_of_devices_and_entities_in_the_schema_are_what_is_written() -> None:
    device = {"id": "9f1c", "name": "Living room", "manufacturer": "Aqara", "model": "WSDCGQ11LM"}
    entity = {"entity_id": "sensor.living_room_temperature", "device_id": "9f1c", "platform": "mqtt"}
    area, key = {"area_id": "living_room"}, {"unique_id": "0x00158d0001dc1ca8_temperature"}
    (first,) = device_points([_raw({**device, **area, "sw_version": "3000-0001"})], {"9f1c": 4}, COMPLETE.time_ns)
    (second,) = entity_points([_raw({**entity, **area, **key})], COMPLETE.time_ns)
    assert f"{registry_line(first).decode()}\n{registry_line(second).decode()}\n" in text("reference/schema.md")


def _raw(entry: dict[str, str]) -> Raw:
    return Raw(msgspec.json.encode(entry))
