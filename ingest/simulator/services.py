"""The services of the home: switching lights and switches, and restarting Home Assistant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingest.simulator.errors import CommandError
from ingest.simulator.instance import HomeAssistant
from ingest.simulator.rooms import LIGHT_OFF
from ingest.simulator.values import Change

SWITCHING = {"turn_on": "on", "turn_off": "off", "toggle": None}
DOMAINS = ("light", "switch")


def described() -> dict[str, Any]:
    """Return the answer to `get_services`."""
    titles = {"turn_on": "Turn on", "turn_off": "Turn off", "toggle": "Toggle"}
    switching = {
        domain: {
            service: {
                "name": title,
                "description": f"{title}: {domain}.",
                "fields": {},
                "target": {"entity": [{"domain": [domain]}]},
            }
            for service, title in titles.items()
        }
        for domain in DOMAINS
    }
    restart = {"name": "Restart", "description": "Restarts Home Assistant.", "fields": {}}
    return {**switching, "homeassistant": {"restart": restart}}


def call(instance: HomeAssistant, domain: str, service: str, data: Mapping[str, Any]) -> list[Change]:
    """Call a service and return what it changed. Raises `CommandError` when it is unknown or the data is wrong."""
    if (domain, service) == ("homeassistant", "restart"):
        instance.restarts.set(instance.restarts.value + 1)
        return []
    if domain not in DOMAINS or service not in SWITCHING:
        raise CommandError(
            "not_found",
            f"Service {domain}.{service} not found.",
            translation_key="service_not_found",
            translation_placeholders={"domain": domain, "service": service},
            translation_domain="homeassistant",
        )
    brightness = data.get("brightness")
    if brightness is not None and not isinstance(brightness, int):
        raise CommandError("invalid_format", "expected int for dictionary value @ data['brightness']")
    changes = [_switch(instance, key, SWITCHING[service], brightness) for key in _targets(domain, data)]
    done = [change for change in changes if change]
    instance.emit(done)
    return done


def _targets(domain: str, data: Mapping[str, Any]) -> list[str]:
    named = data.get("entity_id", [])
    return [key for key in ([named] if isinstance(named, str) else named) if key.startswith(f"{domain}.")]


def _switch(instance: HomeAssistant, key: str, state: str | None, brightness: int | None) -> Change | None:
    known = instance.home.states.get(key)
    if known is None:
        return None
    state = state or ("off" if known.state == "on" else "on")
    if not key.startswith("light."):
        return instance.home.act(key, state)
    on = {"color_mode": "brightness", "brightness": brightness or 180}
    return instance.home.act(key, state, on if state == "on" else LIGHT_OFF)
