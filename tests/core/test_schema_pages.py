"""The page of the schema `homeassistant` says what the code does, and what was measured."""

from __future__ import annotations

import gzip
import json
import lzma
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from ingest.core.attributes import Drops
from ingest.core.enrich import Enricher
from ingest.core.homeassistant import Profile, homeassistant
from ingest.core.homeiq import homeiq
from ingest.core.point import Point
from ingest.core.sealing import line_of
from ingest.core.state import Source, State, from_snapshot
from ingest.core.treatment import Treatment
from tests.core.test_homeassistant import FRAMES, LINE, recorded
from tests.golden.replay import catalog
from tests.support import integration_lines as lines

PAGE = (Path(__file__).parents[2] / "docs/reference/schema-homeassistant.md").read_text("utf-8")
ROW = re.compile(r"^\| `(\w+)` \| (\w+).* \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)

_state = msgspec.json.Decoder(State)


def test_it_shows_a_line() -> None:
    assert f"\n{LINE}\n" in PAGE


def test_it_lists_every_reason_why_a_point_may_differ() -> None:
    reasons = {value for name, value in vars(lines).items() if name.isupper() and not name.startswith("_")}
    assert [reason for reason in sorted(reasons - {lines.UNEXPLAINED}) if f"| **{reason}** |" not in PAGE] == []


def states() -> Iterator[Point]:
    """One state of each entity of a home with the demo integration."""
    enricher, known = Enricher(Drops()), catalog("2025.4.4")
    with lzma.open(FRAMES / "2025.4.4" / "states.jsonl.xz", "rt", encoding="utf-8") as file:
        for text in file:
            yield enricher.point(from_snapshot(_state.decode(json.dumps(json.loads(text)))), Source.LIVE, known)


def changes() -> Iterator[Point]:
    """The changes of such a home as they came."""
    enricher, known = Enricher(Drops()), catalog("2025.4.4")
    for change, _ in recorded("2025.4.4"):
        yield enricher.point(change, Source.LIVE, known)


@pytest.mark.parametrize(("schema", "kept", "sizes"), [(name, kept, sizes) for name, kept, *sizes in ROW.findall(PAGE)])
def test_its_sizes_are_measured(schema: str, kept: str, sizes: list[str]) -> None:
    found = []
    for points in (states(), changes()):
        codec = homeiq() if schema == "homeiq" else homeassistant(Profile())
        treatment = Treatment("none" if kept == "none" else "all")
        made = [line_of(codec, replace(point, treatment=treatment)) for point in points]
        written = [line + b"\n" for line in made if line is not None]
        found += [size / len(written) for size in (sum(map(len, written)), len(gzip.compress(b"".join(written), 1)))]
    # zlib's versions differ a little in what they find.
    assert found == pytest.approx([float(size) for size in sizes], rel=0.04, abs=0.5)


def test_four_sizes_are_told() -> None:
    assert len(ROW.findall(PAGE)) == 4
