"""What the status page is looked at with: a home, a database that can be stopped, the service between, and a browser."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from attrs import define, evolve, field
from playwright.sync_api import Browser, ConsoleMessage, Page, WebSocketRoute, sync_playwright

from ingest.core.coverage import Cause, Settled
from ingest.core.ledger import Opening
from ingest.edge.ledger_file import LedgerFile
from ingest.edge.letter_file import Letter, Letters
from ingest.edge.state_file import open_state
from tests.edge.ledgers import KEY, next_spans, opening
from tests.faults.proxy import Proxy, proxy
from tests.faults.service import Service, place
from tests.faults.sink import sinking
from tests.support.homes import Running, running_home

HOSTILE = '<img src=x onerror="window.hacked = true">'
SCRIPT = "</code><script>window.hacked = true</script>"
HOUR = 3_600 * 10**9
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
OTHERS: Mapping[str, Mapping[str, str]] = {"api/status/house": {}, "ws/status": HANDSHAKE, "ws": HANDSHAKE}
"""Parts of the API that the page asks for and does without, and with which headers."""


@define(eq=False)
class Stage:
    """Everything that runs. `sink` is the line to the database: `refuse` stops it for who looks from here."""

    home: Running
    line: Proxy
    service: Service
    url: str

    def health(self) -> dict[str, Any]:
        return self.service.health()

    def missing(self) -> set[str]:
        """What of the API this service does not have."""
        return {path for path, headers in OTHERS.items() if self._status(path, headers) in {403, 404}}

    def _status(self, path: str, headers: Mapping[str, str]) -> int:
        with httpx.stream("GET", f"{self.url}/{path}", headers=headers, trust_env=False) as answer:
            return answer.status_code

    def lose_home(self, changes: int = 5) -> None:
        """Home Assistant is away for a moment, and something happens meanwhile."""

        def away() -> None:
            self.home.server.accepting.set(False)
            for client in self.home.server.clients():
                client.drop()

        self.home.do(away)
        for number in range(changes):
            self.home.change(["sensor.kitchen_power", "sensor.bath_humidity"], str(40 + number))
            time.sleep(0.02)
        self.home.do(lambda: self.home.server.accepting.set(True))


@contextmanager
def staged(folder: Path, *changes: str) -> Iterator[Stage]:
    """A service that runs, with a past: dead letters, and gaps of the last days."""
    with (
        running_home(300, timedelta(minutes=5), remember=True) as home,
        sinking() as sink,
        proxy(sink.port) as line,
    ):
        where = evolve(place(folder, home.url, line.url), changes=("api.port=0", *changes))
        remember(where.state)
        with where.service() as service:
            service.wait("Snapshot")
            service.wait("Stored")
            yield Stage(home, line, service, service.wait("Listening")["where"])


def remember(state: Path) -> None:
    now = time.time_ns()
    connection, _ = open_state(state, time.time_ns)
    with closing(connection):
        Letters(connection, state).add(
            [
                Letter(
                    0, "home", "influxdb", now - 7 * HOUR,
                    'home_assistant_events,domain=sensor,entity_id=sensor.washer_power state_value="on",value="on" 1764144000000000000',
                    'field type conflict: input field "value" is type string, already exists as type float',
                ),
                Letter(
                    0, "home", "influxdb", now - 3 * HOUR,
                    "home_assistant_events,domain=sensor,entity_id=sensor.cellar_meter value=12.5 1364144000000000000",
                    "points beyond retention policy",
                ),
                Letter(
                    0, "home", "filter", now - HOUR // 2,
                    json.dumps({"entity_id": "sensor.porch", "new_state": {"state": HOSTILE + SCRIPT}}),
                    f"Traceback (most recent call last):\n  …\nZeroDivisionError: {HOSTILE}",
                ),
            ]
        )  # fmt: skip
        ledger = LedgerFile(connection, state, KEY)
        for hours, length, filled, why in (
            (90, 0.4, 812, ""),
            (21, 0.6, 240, ""),
            (15, 1.7, 96, "Home Assistant's recorder keeps no more"),
            (4, 0.25, 31, ""),
        ):
            begin = now - hours * HOUR
            names = ("kitchen_power", "bath_humidity", "hall_motion")
            ledger.open_gap(opening(begin, begin + int(length * HOUR), *names))
            for each in next_spans(ledger, len(names)):
                ledger.settle([Settled(each.id, filled // len(names), why)])
        begin = now - 9 * HOUR
        ledger.open_gap(Opening(Cause.EVICTED, begin, begin + HOUR // 2, why="it is not known whose states these were"))


@define(eq=False, slots=False)  # Playwright writes on the object whose method it calls
class Look:
    """One page, and what its console said."""

    page: Page
    errors: list[str] = field(factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def unexpected(self, missing: set[str]) -> list[str]:
        """What it said, without the words of the browser about what this service does not have."""
        return [each for each in self.errors if not any(f"/{path}" in each for path in missing)]


@contextmanager
def browsing() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def looking(browser: Browser, **surroundings: Any) -> Iterator[Look]:
    """A page in surroundings of its own: `viewport`, `color_scheme` …; nothing is loaded yet."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **surroundings})
    look = Look(context.new_page())
    look.page.set_default_timeout(10_000)
    look.page.on("console", look.hear)
    look.page.on("pageerror", lambda error: look.errors.append(str(error)))
    try:
        yield look
    finally:
        context.close()


def tell_of_house(page: Page) -> None:
    """A house and live changes whose names attack whoever shows them, in the place of the service's own."""
    page.route("**/api/status/house", lambda route: route.fulfill(json=HOUSE))
    page.route_web_socket("**/ws/status", lambda socket: socket.send(json.dumps({"type": "snapshot", "data": HOUSE})))
    page.route_web_socket("**/ws", _stream)


def _stream(socket: WebSocketRoute) -> None:
    def hear(text: str | bytes) -> None:
        message = json.loads(text)
        if message["type"] == "subscribe":
            answer = {"type": "subscription", "status": "subscribed", "channels": message["channels"]}
            socket.send(json.dumps(answer))
            socket.send(json.dumps({"type": "events", "timestamp": "", "events": EVENTS}))

    socket.on_message(hear)


EVENTS = [
    {
        "entity_id": f"sensor.{name.partition(' ')[0].lower()}_{number}",
        "domain": "sensor",
        "state": state,
        "previous_state": "0",
        "value": None,
        "unit": "W",
        "name": name,
        "last_updated": "2026-11-26T08:00:00+00:00",
        "kind": "changed",
        "origin": None,
        "verdict": verdict,
        "rule": rule,
    }
    for number, (name, state, verdict, rule) in enumerate(
        [
            ("Kitchen power", "412.5", "stored", None),
            ("Porch" + HOSTILE, SCRIPT, "stored", None),
            ("Bath battery", "93", "filtered", "sensor.*_battery" + HOSTILE),
            ("Hall motion", "on", "repeated", None),
        ]
    )
]

HOUSE = {
    "climate": [
        {
            "entity_id": "climate.living",
            "friendly_name": "Living room" + HOSTILE,
            "current_temperature": 21.3,
            "target_temperature": 22.0,
            "hvac_mode": "heat",
            "unit": "C",
        }
    ],
    "presence": [{"name": "Anna", "state": "home"}, {"name": HOSTILE, "state": SCRIPT}],
    "lights_by_area": [{"area": "Kitchen", "on_count": 2, "off_count": 3}],
    "sensors": {"temperature": [{"name": "Bath", "state": "22.1", "device_class": "temperature"}]},
    "switches_on": [HOSTILE],
    "active_automations": ["Evening lights"],
    "timestamp": "2026-11-26T08:00:00+00:00",
}
