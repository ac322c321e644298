"""The page on `/ws` says what the code does: its session is played, its tables are compared."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import trio

from ingest.config.service import Api
from ingest.core.channels import GLOBS, MOST, WILD
from ingest.core.judged import Judged
from ingest.core.point import Attributes, Facts, Kind, Point
from ingest.core.state import Source
from ingest.core.ws_messages import LARGEST, LONGEST_ID
from ingest.edge.http_server import Limits
from ingest.web.listeners import REASONS, Bounds
from ingest.web.seats import CLIENTS
from tests.web.watching import change, serving

PAGE = (Path(__file__).parents[2] / "docs/reference/websocket.md").read_text("utf-8")
MADE_UP = re.compile(r'("(?:correlation_id|timestamp|last_updated|version)": ")(?!my-)[^"]*')


def session() -> list[tuple[str, dict[str, Any]]]:
    [text] = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [(line[0], json.loads(line[2:])) for line in text.splitlines()]


def alike(message: dict[str, Any]) -> str:
    """Without what differs each time; the order of the keys counts."""
    return MADE_UP.sub(r"\g<1>", json.dumps(message))


def part(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def looked_on() -> list[Judged]:
    facts, seen = Facts("1", area_id="kitchen"), Attributes("{}", friendly_name="Kitchen")
    point = Point("light.kitchen", 0, "on", facts, seen, 1.0, "off", 3.0, Kind.CHANGED)
    router = b'{"friendly_name": "Router", "unit_of_measurement": "W", "device_class": "power"}'
    left_out = change("sensor.router_power", "7.5", "7.4", router)
    return [
        Judged(Source.LIVE, [change("light.kitchen", "on", "off")], [point]),
        Judged(Source.LIVE, [left_out], ["pattern 1: entity_id=sensor.router_*"]),
    ]


async def test_the_session_is_what_happens() -> None:
    async with serving(Api()) as served:
        talker = await served.talker()
        for number, (who, message) in enumerate(session()):
            if who == ">":
                await talker.say(message)
            else:
                if message["type"] == "events":
                    served.tell(*looked_on())
                with trio.fail_after(5):
                    assert alike(await talker.hear()) == alike(message), number


def test_every_key_of_an_event_is_explained() -> None:
    keys = {key for _, message in session() for event in message.get("events", ()) for key in event}
    rows = re.findall(r"^\| (`.*?) \|", part("Events"), re.MULTILINE)
    assert {key for row in rows for key in re.findall(r"`(\w+)`", row)} == keys


def test_the_limits_are_those_of_the_code() -> None:
    bounds, limits, text = Bounds(), Limits(), part("Limits") + part("What a client says")
    for said in (
        f"{LARGEST:,} bytes, in any",
        f"up to {LONGEST_ID} characters",
        f"| {MOST} |",
        f"| {GLOBS}, each with at most {WILD} of",
        f"{bounds.events:,} events, {bounds.frame:,} bytes",
        f"{bounds.frames} messages, {bounds.waiting:,} bytes",
        f"| {bounds.held:,} bytes",
        f"| {CLIENTS}, those of [`/ws/status`](house-status.md) among them, of {limits.connections} connections",
        f"pinged every {limits.ping:.0f} s",
    ):
        assert said in text, said
    assert f"within {limits.send:.0f} s" in PAGE


def test_every_reason_is_on_it() -> None:
    assert re.findall(r"^\| `(\w+)` \|", part("When a conversation ends"), re.MULTILINE) == list(REASONS)
