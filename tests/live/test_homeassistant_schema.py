"""The schema `homeassistant` against what it stands for: a real Home Assistant with its own `influxdb` integration.

Both write what the home does into a database that keeps every line. What one of them wrote the other wrote, point for
point; where a field differs, it is for a reason of the list in docs/reference/schema-homeassistant.md.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from functools import partial

import httpx
import pytest
from attrs import frozen

from ingest.core.attributes import SECRET_OR_VOLATILE
from ingest.core.homeassistant import Encoder
from ingest.core.number import number
from ingest.core.point import Attributes, Facts, Point
from tests.live.capture import Capture, capture
from tests.live.driven import CALLS, ODD, STILL
from tests.live.ha_client import Client
from tests.live.ha_install import Release
from tests.live.homeassistant import HomeAssistant
from tests.live.lab import wait_for
from tests.live.servers import Database
from tests.live.service import service
from tests.support import integration_lines as lines
from tests.support.integration_lines import Written

pytestmark = pytest.mark.live

DROPPED = {*SECRET_OR_VOLATILE, "media_position", "media_position_updated_at"}
MARKER = "sensor.live_marker"
APIS = {"2024.3.3": "", "2025.4.4": "  api_version: 2\n  token: lab\n  organization: lab\n  bucket: lab\n"}
"""One version writes as to InfluxDB 1, the other as to InfluxDB 2: two clients, two ways to write a line."""

HOME = """
influxdb:
  host: 127.0.0.1
  port: {port}
  ssl: false
{api}
automation:
  - alias: live
    trigger: [{{platform: event, event_type: live_never}}]
    action: []
script:
  live:
    sequence: []
"""


@frozen
class Sides:
    """What either wrote between the two markers, by time and entity; the domains that say something in this home."""

    ours: dict[tuple[int, str, str], Written]
    theirs: dict[tuple[int, str, str], Written]
    domains: set[str]


def points(capture: Capture) -> list[Written]:
    """The points in what was captured. A client of InfluxDB 2 leaves line breaks in a text as they are."""
    found, open_line = [], ""
    for part in capture.lines:
        open_line = f"{open_line}\n{part}" if open_line else part
        if open_line.replace(r"\\", "").replace(r"\"", "").count('"') % 2 == 0:
            found.append(lines.read(open_line))
            open_line = ""
    return found


def mark(home: Client, number: int) -> None:
    home.set_states([(MARKER, f"{number}", {})])


def marked(capture: Capture) -> dict[float, int]:
    """The time of each marker that has come."""
    return {
        float(point.fields["value"]): point.time
        for point in points(capture)
        if point.tags["entity_id"] == "live_marker"
    }


def came(capture: Capture, number: int) -> bool:
    return number in marked(capture)


def drive(home: Client) -> None:
    """Every demo entity comes anew, some are used, and states are set that no integration would."""
    for entry in home.request("GET", "config/config_entries/entry"):
        if entry["domain"] in {"demo", "kitchen_sink"}:
            home.request("POST", f"config/config_entries/entry/{entry['entry_id']}/reload")
    for domain, name, data in CALLS:
        home.call(domain, name, **data)
    still = [each for each in home.request("GET", "states") if each["entity_id"].partition(".")[0] in STILL]
    home.set_states([(each["entity_id"], each["state"], {**each["attributes"], "touched": 1}) for each in still])
    home.set_states([(f"sensor.odd_{at}", state, attributes) for at, (state, attributes) in enumerate(ODD)])
    home.request("DELETE", "states/sensor.odd_1")


def speaking(home: Client) -> set[str]:
    said = (each for each in home.request("GET", "states") if each["state"] not in {"unknown", "unavailable", ""})
    return {each["entity_id"].partition(".")[0] for each in said}


def between(capture: Capture) -> dict[tuple[int, str, str], Written]:
    first, last = (marked(capture)[number] for number in (1.0, 2.0))
    within = [point for point in points(capture) if first <= point.time <= last]
    found = {(point.time, point.tags["domain"], point.tags["entity_id"]): point for point in within}
    assert len(found) == len(within), "a point came twice"
    return found


@pytest.fixture(scope="module")
def sides(release_with_influxdb: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    folder = tmp_path_factory.mktemp("sides")
    with capture() as theirs, capture() as ours:
        home = HomeAssistant.fresh(release_with_influxdb, folder / "config")
        told = HOME.format(port=theirs.url.rpartition(":")[2], api=APIS.get(release_with_influxdb.version, ""))
        with (home.config / "configuration.yaml").open("a", encoding="utf-8") as file:
            file.write(told)
        database = Database("capture", ours.url, lambda _bucket, _measurement: [])
        try:
            home.start()
            with service(folder / "service", home, database, "lab", ["schema = 'homeassistant'"]) as running:
                running.wait_connected()
                mark(home.admin, 1)
                drive(home.admin)
                mark(home.admin, 2)
                domains = speaking(home.admin)
                for one in (theirs, ours):
                    wait_for(partial(came, one, 2), "the last marker", 60)
        finally:
            home.stop()
        yield Sides(between(ours), between(theirs), domains)


def test_each_writes_the_points_that_the_other_writes(sides: Sides, release_with_influxdb: Release) -> None:
    """The client of InfluxDB 2 leaves out a value that is no number, and with it a point that holds nothing else."""
    only_ours = {"odd_0", "odd_1", "odd_2"} if APIS.get(release_with_influxdb.version) else set()
    assert {name for _, _, name in sides.ours.keys() - sides.theirs.keys()} == only_ours
    assert not sides.theirs.keys() - sides.ours.keys()
    assert {domain for _, domain, _ in sides.theirs} == sides.domains
    assert len(sides.domains) >= 35


def test_every_point_is_the_same_but_for_what_is_listed(sides: Sides, release_with_influxdb: Release) -> None:
    reasons: Counter[str] = Counter()
    for key, theirs in sides.theirs.items():
        for name, why in lines.differences(sides.ours[key], theirs, DROPPED):
            reasons[f"{key}: {name}" if why == lines.UNEXPLAINED else why] += 1
    listed = {lines.SECRET, lines.GLUED, lines.SIGN, lines.NOT_FINITE, lines.ENUM, lines.TAKEN, lines.LONG}
    assert set(reasons) == listed | {lines.LINE_BREAK if APIS.get(release_with_influxdb.version) else lines.ESCAPED}


def test_a_real_engine_stores_every_line_as_it_is(influxdb: Database) -> None:
    bucket, encoder = f"lines-{uuid.uuid4().hex}", Encoder()
    influxdb.create_bucket(bucket)
    made = [
        Point(f"sensor.odd_{at}", at * 1_000, state, Facts("r"), Attributes(json.dumps(attributes)), number(state))
        for at, (state, attributes) in enumerate(ODD)
    ]
    written = [line for line in map(encoder.line, made) if line is not None]
    headers, where = {"Authorization": f"Token {influxdb.token}"}, {"org": influxdb.org, "bucket": bucket}
    with httpx.Client(base_url=influxdb.url, headers=headers, trust_env=False) as client:
        client.post("/api/v2/write", params=where, content=b"\n".join(written)).raise_for_status()
    for point in (lines.read(line.decode()) for line in written):
        [row] = [row for row in influxdb.read(bucket, point.measurement) if row.time == point.time]
        # Its JSON has no decimal point where none is needed.
        stored = {name: value if isinstance(value, str) else float(value) for name, value in row.fields.items()}
        assert (row.tags, stored) == (point.tags, point.fields)
