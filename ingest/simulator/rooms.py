"""The house: floors, areas, devices and entities, in the order in which a person meets them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from attrs import frozen

from ingest.simulator.ids import hex_id
from ingest.simulator.values import Device, Entity, Kind


@frozen
class Floor:
    """A floor of the house; `level` is 0 on the ground."""

    floor_id: str
    name: str
    level: int


@frozen
class Area:
    """A room, its usual temperature in °C, and whether people switch its light, close its blinds and heat it."""

    area_id: str
    name: str
    floor_id: str | None
    warmth: float
    furnished: bool = True


@frozen
class Label:
    """A label that entities may wear; its colour is one of the names that Home Assistant knows."""

    label_id: str
    name: str
    color: str | None = None


FLOORS = (Floor("ground_floor", "Ground floor", 0), Floor("obergeschoss", "Obergeschoß", 1))
AREAS = (
    Area("living_room", "Living room", "ground_floor", 21.0),
    Area("kitchen", "Kitchen", "ground_floor", 20.5),
    Area("bedroom", "Bedroom", "obergeschoss", 18.5),
    Area("bathroom", "Bathroom", "obergeschoss", 22.0),
    Area("kinderzimmer", "Kinderzimmer 🧸", "obergeschoss", 20.5),
    Area("buro", "Büro", "obergeschoss", 20.0),
    Area("hallway", "Hallway", "ground_floor", 19.0, furnished=False),
    Area("garden", "Garden", None, 9.0, furnished=False),
)
LABELS = (Label("zhong_yao", "重要", "red"), Label("energy", "Energy"))
PEOPLE = (("anna", "Anna"), ("jose", "José"), ("mei_lin", "美玲"))


def measured(unit: str, device_class: str | None = None, state_class: str = "measurement", **more: object) -> Kind:
    """Describe a numeric sensor."""
    classes = {"device_class": device_class} if device_class else {}
    attributes = {"state_class": state_class, "unit_of_measurement": unit, **classes}
    return Kind("sensor", "mqtt", attributes, **more)  # type: ignore[arg-type]  # the rest of Kind's own fields


def sensed(device_class: str, **more: object) -> Kind:
    """Describe a binary sensor."""
    return Kind("binary_sensor", "zha", {"device_class": device_class}, **more)  # type: ignore[arg-type]  # as above


TEMPERATURE = measured("°C", "temperature")
HUMIDITY = measured("%", "humidity")
ILLUMINANCE = measured("lx", "illuminance")
BATTERY = measured("%", "battery", category="diagnostic")
POWER = measured("W", "power")
ENERGY = measured("kWh", "energy", "total_increasing")
MOTION, DOOR, WINDOW = sensed("motion"), sensed("door"), sensed("window")
LIGHT = Kind("light", "hue", capabilities={"supported_color_modes": ["brightness"]}, features=32)
SWITCH = Kind("switch", "tplink", {"device_class": "outlet"})
COVER = Kind("cover", "zwave_js", {"device_class": "blind"}, features=15)
CLIMATE = Kind(
    "climate",
    "tado",
    capabilities={"hvac_modes": ["heat", "off", "auto"], "min_temp": 7, "max_temp": 30, "target_temp_step": 0.5},
    features=385,
)
PLAYER = Kind("media_player", "cast", features=152461)
UPDATE = Kind("update", "hassio", {"title": "Home Assistant Core"}, features=11, category="config")
WEATHER = Kind("weather", "met", {"attribution": "Simulated weather"}, features=3)
SUN = Kind("sun", "sun", registered=False)
ZONE = Kind("zone", "zone", registered=False)
PERSON = Kind("person", "person")
TRACKER = Kind("device_tracker", "mobile_app", {"source_type": "gps"})
TEMPLATE = Kind("sensor", "template", {"unit_of_measurement": "°C", "device_class": "temperature"}, registered=False)
LIGHT_OFF = {"color_mode": None, "brightness": None}
COORDINATES = {"latitude": 52.3731339, "longitude": 4.8903147}


def token(entity_id: str) -> dict[str, str]:
    """Return the secret attributes of an entity that shows a picture."""
    secret = hex_id("token", entity_id)
    return {
        "access_token": secret,
        "entity_picture": f"/api/{entity_id.partition('.')[0]}_proxy/{entity_id}?token={secret}",
    }


def room(area: Area) -> Iterator[Entity]:
    """Yield what stands in one room."""
    key, name = area.area_id, area.name
    climate = Device(f"0x00158d{hex_id(key)[:10]}", f"{name} climate", "mqtt", key, "Aqara", "WSDCGQ11LM")
    motion = Device(f"0x0017880{hex_id(key)[:9]}", f"{name} motion", "zha", key, "Philips", "SML001")
    lamp = Device(f"hue-{hex_id(key)[:12]}", f"{name} light", "hue", key, "Signify", "LCA001")
    yield Entity(f"sensor.{key}_temperature", f"{name} temperature", TEMPERATURE, climate, str(area.warmth))
    yield Entity(f"sensor.{key}_humidity", f"{name} humidity", HUMIDITY, climate, "48")
    yield Entity(f"light.{key}", f"{name} light", LIGHT, lamp, "off", LIGHT_OFF)
    yield Entity(f"binary_sensor.{key}_motion", f"{name} motion", MOTION, motion, "off")
    yield Entity(f"sensor.{key}_illuminance", f"{name} illuminance", ILLUMINANCE, motion, "12")
    yield Entity(f"sensor.{key}_climate_battery", f"{name} climate battery", BATTERY, climate, "87")
    yield Entity(f"sensor.{key}_motion_battery", f"{name} motion battery", BATTERY, motion, "71")
    if area.furnished:
        yield from _furniture(area)


def _furniture(area: Area) -> Iterator[Entity]:
    key, name = area.area_id, area.name
    valve = Device(f"tado-{hex_id(key)[:8]}", f"{name} thermostat", "tado", key, "tado°", "VA02")
    blind = Device(f"zwave-{hex_id(key)[:8]}", f"{name} blind", "zwave_js", key, "Fibaro", "FGR223")
    window = Device(f"0x00124b{hex_id(key)[:10]}", f"{name} window", "zha", key, "Sonoff", "SNZB-04")
    heating = {"current_temperature": area.warmth, "temperature": 17.0, "hvac_action": "idle"}
    yield Entity(f"climate.{key}", f"{name} thermostat", CLIMATE, valve, "heat", heating)
    yield Entity(f"cover.{key}_blind", f"{name} blind", COVER, blind, "closed", {"current_position": 0})
    yield Entity(f"binary_sensor.{key}_window", f"{name} window", WINDOW, window, "off")


def shared() -> Iterator[Entity]:
    """Yield what belongs to the house as a whole."""
    meter = Device("p1-meter", "Smart meter", "mqtt", "hallway", "Kamstrup", "OMNIPOWER")
    roof = Device("inverter-1", "Solar inverter", "mqtt", None, "SMA", "SB3.0")
    plug = Device("plug-1", "Fridge plug", "tplink", "kitchen", "TP-Link", "HS110")
    player = Device("cast-1", "Wohnzimmer-Lautsprecher", "cast", "living_room", "Google", "Chromecast")
    door = Device("0x00124b0022f1", "Front door", "zha", "hallway", "Aqara", "MCCGQ11LM")
    yield Entity("sensor.house_power", "House power", POWER, meter, "310")
    yield Entity("sensor.house_energy", "House energy", ENERGY, meter, "8123.412")
    yield Entity("sensor.solar_power", "Solar power", POWER, roof, "0")
    yield Entity("sensor.solar_energy", "Solar energy", ENERGY, roof, "2210.105")
    yield Entity("switch.fridge", "Fridge", SWITCH, plug, "on")
    yield Entity("sensor.fridge_power", "Kühlschrank power", POWER, plug, "2")
    playing = {"volume_level": 0.35, **token("media_player.living_room")}
    yield Entity("media_player.living_room", "Wohnzimmer-Lautsprecher 🎵", PLAYER, player, "off", playing)
    yield Entity("binary_sensor.front_door", "Front door", DOOR, door, "off")
    yield Entity("sun.sun", "Sun", SUN, None, "below_horizon", {"elevation": -20.0, "azimuth": 20.0, "rising": True})
    yield Entity("weather.home", "Weather", WEATHER, None, "cloudy", {"temperature": 8.0, "humidity": 80})
    yield Entity("sensor.outside_feels_like", "Outside feels like", TEMPLATE, None, "7.1")
    yield Entity(
        "update.core", "Core update", UPDATE, None, "off", {"installed_version": "1.0", "latest_version": "1.0"}
    )
    yield from _people()


def _people() -> Iterator[Entity]:
    ids = [f"person.{key}" for key, _ in PEOPLE]
    home = {**COORDINATES, "radius": 100, "passive": False, "persons": ids, "editable": True, "icon": "mdi:home"}
    yield Entity("zone.home", "Home", ZONE, None, str(len(ids)), home)
    for key, name in PEOPLE:
        tracker = f"device_tracker.{key}_phone"
        phone = Device(f"phone-{key}", f"{name} phone", "mobile_app", None, "Fairphone", "FP5")
        place = {**COORDINATES, "gps_accuracy": 12}
        known = {"editable": True, "id": key, "device_trackers": [tracker], **place, "source": tracker}
        yield Entity(f"person.{key}", name, PERSON, None, "home", known)
        yield Entity(tracker, f"{name} phone", TRACKER, phone, "home", {**place, "battery_level": 90})
    guest = Device("phone-guest", "Guest phone", "mobile_app", None, "Nokia", "3310")
    yield Entity("sensor.guest_phone_battery", "Guest phone battery", BATTERY, guest, "64")


_NODE = (
    ("sensor", "temperature", TEMPERATURE),
    ("sensor", "power", POWER),
    ("sensor", "energy", ENERGY),
    ("binary_sensor", "connectivity", sensed("connectivity", category="diagnostic")),
    ("switch", "relay", SWITCH),
    ("sensor", "battery", BATTERY),
)


def nodes() -> Iterator[Entity]:
    """Yield further devices for ever: what makes a home large. Six entities each, spread over the rooms."""
    number = 0
    while True:
        number += 1
        area = AREAS[number % len(AREAS)]
        name = f"Node {number:04} {area.name}"
        device = Device(f"node-{number:06}", name, "mqtt", area.area_id, "Espressif", "ESP32-C6")
        for domain, key, kind in _NODE:
            first = "on" if domain != "sensor" else "50"
            yield Entity(f"{domain}.node_{number:04}_{area.area_id}_{key}", f"{name} {key}", kind, device, first)


def house() -> Iterator[Entity]:
    """Yield every entity of the house, friendliest first, then nodes for ever."""
    first, *others = AREAS
    yield from room(first)
    yield from shared()
    for area in others:
        yield from room(area)
    yield from nodes()


def entities(count: int) -> list[Entity]:
    """Return the first `count` entities."""
    return list(islice(house(), count))


def is_node(entity: Entity) -> bool:
    """True for what only makes the home larger."""
    return entity.device is not None and entity.device.key.startswith("node-")
