"""Recorded frames of a real Home Assistant, replayed through protocol, enricher, filter and encoder, to readable text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from attrs import Factory, define, field
from msgspec import Raw

from ingest.core import wire
from ingest.core.attributes import Drops
from ingest.core.catalog import Catalog
from ingest.core.catalog_builder import CatalogBuilder
from ingest.core.conversation import Answer, AuthOk, AuthRequired, Conversation, Received
from ingest.core.enrich import Enricher
from ingest.core.filter_settings import FilterSettings, Pattern
from ingest.core.homeiq import Encoder
from ingest.core.rules import Rules
from ingest.core.state import EPOCH, Frame, Source, from_snapshot
from tests.core import lines

FRAMES = Path(__file__).parent.parent / "frames"
VERSIONS = sorted(path.name for path in FRAMES.iterdir() if path.is_dir())

RULES = FilterSettings(
    patterns=(Pattern(domain="zone"), Pattern(entity_id="sensor.lab_burst_*")),
    exceptions=(Pattern(entity_id="sensor.lab_burst_1*", device_class="temperature"),),
)


def recorded(version: str, name: str) -> list[str]:
    """The frames of a recording, each the exact text that the server sent."""
    path = FRAMES / version / f"{name}.jsonl"
    return path.read_text("utf-8").splitlines() if path.exists() else []


def catalog(version: str) -> Catalog:
    areas, devices, entities = (wire.raw_list(result(frame)) for frame in recorded(version, "registries"))
    builder = CatalogBuilder()
    builder.add_areas(areas)
    builder.add_devices(devices)
    builder.add_entities(entities)
    assert builder.skipped == 0
    return builder.build()


def result(frame: str) -> Raw:
    (envelope,) = wire.envelopes(frame)
    assert isinstance(envelope, wire.Envelope)
    return envelope.result


@define
class Replay:
    """A recording on its way to text. `unexpected` are the messages that the protocol did not know."""

    version: str
    unexpected: list[Received] = Factory(list)
    left_out: Counter[str] = Factory(Counter)
    _enricher: Enricher = field(factory=lambda: Enricher(Drops()))
    _encoder: Encoder = field(factory=Encoder)
    _rules: Rules = field(factory=lambda: Rules(RULES))

    def text(self) -> str:
        """Every point, and at the end what the filter left out."""
        known = catalog(self.version)
        blocks = [block for frame in self._frames() for block in self._blocks(frame, known)]
        counts = [f"{count:5}  {rule}\n" for rule, count in sorted(self.left_out.items())]
        return "\n".join([*blocks, f"left out\n{''.join(counts)}"])

    def _frames(self) -> Iterator[Frame]:
        states = [wire.state(Raw(text.encode())) for text in recorded(self.version, "snapshot")]
        yield Frame([from_snapshot(state) for state in states], 0, Source.SNAPSHOT)
        for name in ("restart", "state_changed"):
            conversation = Conversation()
            conversation.command("supported_features", features={"coalesce_messages": 1})
            conversation.subscribe("state_changed")
            for frame in recorded(self.version, name):
                for value in conversation.receive(frame):
                    if isinstance(value, Frame):
                        yield value
                    elif not isinstance(value, AuthRequired | AuthOk | Answer):
                        self.unexpected.append(value)

    def _blocks(self, frame: Frame, known: Catalog) -> Iterator[str]:
        for change in frame.changes:
            point = self._enricher.point(change, frame.source, known)
            decision = self._rules.decide(point.entity_id, point.attributes, point.facts)
            if decision.passed:
                yield readable(self._encoder.line(point).decode())
            else:
                self.left_out[decision.rule] += 1


ROWS = (
    ("state", ("state_value", "previous_state", "value", "duration_in_state_seconds")),
    ("nature", ("kind", "origin", "context_id", "context_parent_id", "context_user_id")),
    ("device", ("manufacturer", "model", "sw_version", "unit")),
)


def readable(line: str) -> str:
    """A line as a block: when and who, then its tags, fields and attributes in rows."""
    series, fields, time_ns = lines.read(line)
    measurement, *tags = series.split(",")
    entity_id = next(tag.removeprefix("entity_id=") for tag in tags if tag.startswith("entity_id="))
    moment = EPOCH + timedelta(microseconds=time_ns // 1000)
    rows = [("series", " ".join([measurement, *tags]))]
    rows += [(row, " ".join(f"{key}={fields.pop(key)}" for key in keys if key in fields)) for row, keys in ROWS]
    rows.append(("attributes", lines.text(fields.pop("attributes")) if "attributes" in fields else ""))
    assert fields == {}, "every field has its row"
    assert time_ns % 1000 == 0
    head = f"{moment:%Y-%m-%d %H:%M:%S.%f}  {entity_id}\n"
    return head + "".join(f"  {name:<10}  {shown}\n" for name, shown in rows if shown)
