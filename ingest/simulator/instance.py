"""One running Home Assistant: a home, who listens to it, and the mood it is in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from hmac import compare_digest
from typing import Any

from attrs import define, field

from ingest.runtime.watch import Watch
from ingest.simulator.home import Home
from ingest.simulator.recorder import Recorder
from ingest.simulator.rooms import COORDINATES
from ingest.simulator.values import Change, change_json, context_json, encode, event_json, seal

RUNNING = "RUNNING"
NOT_RUNNING = "NOT_RUNNING"
VERSION = "2025.4.4"

Send = Callable[[bytes], None]


@define
class Mood:
    """What is wrong with it at present; scripted faults set and clear these."""

    refuse_auth: bool = False
    """Every token is answered with `auth_invalid`."""
    silent_auth: bool = False
    """Authentication is never answered."""
    delay: float = 0.0
    """Seconds before a command is looked at."""
    errors: dict[str, tuple[str, str]] = field(factory=dict)
    """Command types answered with an error, `*` stands for anything: code and message. `api/template` is one."""
    nameless: set[str] = field(factory=set)
    """Of those, the ones whose error does not say which command it answers."""

    def error(self, kind: str) -> tuple[str, str] | None:
        """The code and message that a command is answered with; None when it works."""
        named = self.errors.get(kind)
        return named or next((error for name, error in self.errors.items() if fnmatchcase(kind, name)), None)

    def names(self, kind: str) -> bool:
        """Whether the error of a command says which it answers."""
        return not any(fnmatchcase(kind, name) for name in self.nameless)


class HomeAssistant:
    """A home behind the API: `emit` tells its listeners what changed.

    `version` is the release it claims to be, `admin` whether the token is an administrator's.
    Cells say how it fares: whether anybody ever listened, how many state changes it sent, how often it was asked to
    restart.
    """

    def __init__(self, home: Home, token: str, *, version: str = VERSION) -> None:
        self.home = home
        self.version = version
        self.state = RUNNING
        self.admin = True
        self.mood = Mood()
        self.recorder = Recorder(home)
        self.heard = Watch(False)
        self.emitted = Watch(0)
        self.restarts = Watch(0)
        self._token = token.encode()
        self._listeners: dict[str | None, dict[tuple[int, int], Send]] = defaultdict(dict)

    def accepts(self, token: object) -> bool:
        """True when `token` is the access token."""
        return isinstance(token, str) and not self.mood.refuse_auth and compare_digest(token.encode(), self._token)

    def listen(self, event_type: str | None, key: tuple[int, int], send: Send) -> None:
        """Subscribe to a type of events, None for all; `key` is the connection and its subscription's id."""
        self._listeners[event_type][key] = send
        if event_type in {"state_changed", None}:
            self.heard.set(True)

    def ignore(self, event_type: str | None, key: tuple[int, int]) -> None:
        """Undo `listen` with the same arguments; a listener that is not there is nothing."""
        self._listeners[event_type].pop(key, None)

    def emit(self, changes: Iterable[Change]) -> int:
        """Send `state_changed` events, in one turn as far as the listeners can tell; return how many."""
        count = 0
        for change in changes:
            count += 1
            self._publish("state_changed", change_json(change))
        self.emitted.set(self.emitted.value + count)
        return count

    def fire(self, event_type: str, data: Mapping[str, Any]) -> None:
        """Send an event of another type, at the home's time."""
        at = self.home.tick()
        context = context_json(self.home.context(), None)
        self._publish(event_type, event_json(event_type, encode(data), at, context))

    def fire_shapeless(self) -> None:
        """Send a `state_changed` event of a shape that no client expects."""
        at = self.home.tick()
        data = b'{"entity_id":5,"new_state":["on"]}'
        self._publish("state_changed", event_json("state_changed", data, at, context_json(self.home.context(), None)))

    def move(self, entity_id: str, **fields: object) -> None:
        """Change an entity's registry entry (`area_id`, `name`, …), as a person does. Raises `KeyError`."""
        old = self.home.registry.update(entity_id, **fields)
        self.fire("entity_registry_updated", {"action": "update", "entity_id": entity_id, "changes": old})

    def rename(self, old: str, new: str) -> None:
        """Give an entity another id. Raises `KeyError`."""
        changes = self.home.rename(old, new)
        renamed = {"action": "update", "entity_id": new, "changes": {"entity_id": old}, "old_entity_id": old}
        self.fire("entity_registry_updated", renamed)
        self.emit(changes)

    def config(self) -> dict[str, Any]:
        """Return the answer to `get_config`."""
        return {
            "allowlist_external_dirs": ["/media"],
            "allowlist_external_urls": [],
            "components": sorted({entity.kind.domain for entity in self.home.registry.entities.values()}),
            "config_dir": "/config",
            "config_source": "storage",
            "country": "NL",
            "currency": "EUR",
            "debug": False,
            "elevation": 2,
            "external_url": None,
            "internal_url": None,
            "language": "en",
            "latitude": COORDINATES["latitude"],
            "location_name": "Simulated home",
            "longitude": COORDINATES["longitude"],
            "radius": 100,
            "recovery_mode": False,
            "safe_mode": False,
            "state": self.state,
            "time_zone": "UTC",
            "unit_system": {
                "length": "km",
                "accumulated_precipitation": "mm",
                "area": "m²",
                "mass": "g",
                "pressure": "Pa",
                "temperature": "°C",
                "volume": "L",
                "wind_speed": "m/s",
            },
            "version": self.version,
            "whitelist_external_dirs": ["/media"],
        }

    def _publish(self, event_type: str, body: bytes) -> None:
        # Listeners of one type and of all: a copy, because one that is dropped takes itself off the list.
        for listeners in (self._listeners[event_type], self._listeners[None]):
            for (_, subscription), send in tuple(listeners.items()):
                send(seal(body, subscription))
