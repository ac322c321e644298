"""What is done with the demo home: services of every kind of entity, and states that no integration would set."""

from __future__ import annotations

from typing import Any

CALLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("light", "turn_on", {"entity_id": "light.bed_light", "brightness": 120, "rgb_color": [255, 100, 50]}),
    ("light", "turn_on", {"entity_id": "light.kitchen_lights", "color_temp_kelvin": 3000}),
    ("light", "turn_off", {"entity_id": "all"}),
    ("switch", "toggle", {"entity_id": "all"}),
    ("climate", "set_temperature", {"entity_id": "climate.heatpump", "temperature": 21.5}),
    ("fan", "set_percentage", {"entity_id": "fan.living_room_fan", "percentage": 66}),
    ("media_player", "volume_set", {"entity_id": "media_player.walkman", "volume_level": 0.25}),
    ("alarm_control_panel", "alarm_arm_away", {"entity_id": "all", "code": "1234"}),
    ("lawn_mower", "start_mowing", {"entity_id": "all"}),
    ("demo", "randomize_device_tracker_data", {}),
    ("button", "press", {"entity_id": "button.push"}),
    ("image_processing", "scan", {"entity_id": "all"}),
    ("counter", "increment", {"entity_id": "counter.lab_counter"}),
    ("input_boolean", "toggle", {"entity_id": "input_boolean.lab_flag"}),
    ("input_number", "set_value", {"entity_id": "input_number.lab_level", "value": 1.5}),
    ("input_text", "set_value", {"entity_id": "input_text.lab_note", "value": "備考 🐍, a=b"}),
    ("group", "set", {"object_id": "live", "entities": ["light.bed_light", "light.ceiling_lights"]}),
    ("automation", "trigger", {"entity_id": "automation.live"}),
    ("script", "turn_on", {"entity_id": "script.live"}),
)

STILL = {"image", "mailbox", "sun", "zone"}
"""Domains that nothing can be done with."""

ODD: tuple[tuple[str, dict[str, Any]], ...] = (
    ("nan", {"unit_of_measurement": "W"}),
    ("inf", {"unit_of_measurement": "W"}),
    ("-Infinity", {"unit_of_measurement": "W"}),
    ("1_000", {"unit_of_measurement": "kWh"}),
    (" 5 ", {"unit_of_measurement": "µg/m³"}),
    ("٣", {"unit_of_measurement": "μg/m³"}),
    ("", {"unit_of_measurement": "W"}),
    ("x" * 255, {"unit_of_measurement": "in H2O, cold"}),
    ("1", {"unit_of_measurement": "a=b"}),
    ('zeile1\nzeile2 "quote" \\back 🚀 , = comma', {"text": 'a\nb "c" \\ d, e=f'}),
    ("1", {"none": None, "true": True, "false": False, "list": [1, 2.5, None, True, "x"], "empty": [], "dict": {"a": {"b": 1}}}),
    ("1", {"size": "23.5 °C", "cold": "-23.5 °C", "day": "2026-11-23", "token8": "6e41f2a9", "v": "v2.31", "short": "5 m"}),
    ("heat", {"value": 5, "state": "x", "nan": "nan", "inf": "inf", "digits": "12", "float": "1e3", "big": 2**60}),
    ("7", {"value": 5, "state": 6, "domain": 7, "x_str": 8, "x": "text", "a b,c=d": "e", "entity_id": ["sensor.a"]}),
    ("on", {"value": "text", "value_": 1, "time": "10:30", "unit_of_measurement": "", "device_class": None}),
    ("1", {"long": "日本語" * 10_000, "access_token": "00f00", "entity_picture": "/x?token=1", "friendly_name": "Küche ☕"}),
)  # fmt: skip
