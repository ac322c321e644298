"""A package for Home Assistant that watches the service: sensors, whether there is a problem, and notifications.

It asks `/health`, which everybody may, so no token is in it. What it says of the service is seen from outside: when nothing
answers, the sensors are unavailable, and that is a problem, too.
"""

from __future__ import annotations

from string import Template
from typing import Final

_PACKAGE: Final = Template("""\
# homeiq-ingest, watched from Home Assistant. Made by: homeiq-ingest home-assistant package
# Put it into the folder `packages` beside configuration.yaml as homeiq_ingest.yaml, and have that folder read:
#   homeassistant:
#     packages: !include_dir_named packages
# Home Assistant must reach the address below. The service listens on loopback unless api.host says otherwise, and then
# wants api.token or api.trusted_networks; /health itself is answered without either.

rest:
  - resource: $url/health
    scan_interval: 30
    timeout: 10
    sensor:
      - name: homeiq-ingest status
        unique_id: homeiq_ingest_status
        icon: mdi:database-import
        value_template: "{{ value_json.status }}"
        # Whatever is another text at every look would be a row in the recorder every half minute: it is left out.
        json_attributes: [remedies, version]
      - name: homeiq-ingest reason
        unique_id: homeiq_ingest_reason
        icon: mdi:text
        value_template: "{{ 'all is well' if value_json.status == 'healthy' else value_json.reason | truncate(250) }}"
      - name: homeiq-ingest changes a minute
        unique_id: homeiq_ingest_changes_a_minute
        icon: mdi:pulse
        state_class: measurement
        unit_of_measurement: changes/min
        value_template: "{{ value_json.subscription.event_rate_per_minute | round(1) }}"
      - name: homeiq-ingest points that wait
        unique_id: homeiq_ingest_points_that_wait
        icon: mdi:tray-full
        state_class: measurement
        unit_of_measurement: points
        value_template: "{{ value_json.database.waiting_points }}"
      - name: homeiq-ingest oldest that waits
        unique_id: homeiq_ingest_oldest_that_waits
        device_class: duration
        state_class: measurement
        unit_of_measurement: s
        value_template: >-
          {% set oldest = value_json.spool.oldest %}
          {{ [0, (as_timestamp(value_json.timestamp) - as_timestamp(oldest)) | round(0)] | max if oldest else 0 }}
      - name: homeiq-ingest spool
        unique_id: homeiq_ingest_spool
        device_class: data_size
        state_class: measurement
        unit_of_measurement: B
        value_template: "{{ value_json.spool.bytes }}"
        json_attributes_path: $$.spool
        json_attributes: [limit_bytes, dead_letters, failing]
      - name: homeiq-ingest gaps to fill
        unique_id: homeiq_ingest_gaps_to_fill
        icon: mdi:timeline-question
        state_class: measurement
        unit_of_measurement: gaps
        value_template: "{{ (value_json.gaps.open or 0) + (value_json.gaps.filling or 0) }}"
        json_attributes_path: $$.gaps
        json_attributes: [filled, partly, unfillable, dropped_changes, oldest_open]

template:
  - binary_sensor:
      - name: homeiq-ingest problem
        unique_id: homeiq_ingest_problem
        device_class: problem
        # Degraded is none: nothing is lost. No answer is one.
        state: "{{ states('sensor.homeiq_ingest_status') not in ['healthy', 'degraded'] }}"

input_boolean:
  homeiq_ingest_told:
    name: homeiq-ingest told of a problem
    icon: mdi:bell-alert

automation:
  - id: homeiq_ingest_problem
    alias: homeiq-ingest has a problem
    mode: single
    trigger:
      - platform: state
        entity_id: binary_sensor.homeiq_ingest_problem
        to: "on"
        for: "00:05:00"
      - platform: state
        entity_id: sensor.homeiq_ingest_status
        to: degraded
        for: "01:00:00"
    action:
      - service: persistent_notification.create
        data:
          notification_id: homeiq_ingest
          title: homeiq-ingest needs attention
          message: >-
            {% if states('sensor.homeiq_ingest_status') in ['unavailable', 'unknown'] %}
            It does not answer at $url.
            Is it running, and is it reachable from Home Assistant? On its machine: `homeiq-ingest status`.
            {% else %}
            {{ states('sensor.homeiq_ingest_status') }}: {{ states('sensor.homeiq_ingest_reason') }}.
            {{ (state_attr('sensor.homeiq_ingest_status', 'remedies') or []) | join(' ') }}
            {% endif %}
      - service: input_boolean.turn_on
        target: {entity_id: input_boolean.homeiq_ingest_told}
  - id: homeiq_ingest_well_again
    alias: homeiq-ingest is well again
    mode: single
    trigger:
      - platform: state
        entity_id: sensor.homeiq_ingest_status
        to: healthy
        for: "00:01:00"
    condition:
      - condition: state
        entity_id: input_boolean.homeiq_ingest_told
        state: "on"
    action:
      - service: persistent_notification.create
        data:
          notification_id: homeiq_ingest
          title: homeiq-ingest is well again
          message: It is healthy, and what it missed is being filled, or is told by `homeiq-ingest gaps list`.
      - service: input_boolean.turn_off
        target: {entity_id: input_boolean.homeiq_ingest_told}

# What is not /health wants the token. To have the registries read from an automation, put into secrets.yaml
#   homeiq_ingest_authorization: Bearer …
# and take away the number signs:
# rest_command:
#   homeiq_ingest_read_registries:
#     url: $url/api/v1/discovery/trigger
#     method: post
#     headers: {Authorization: !secret homeiq_ingest_authorization}
""")


def package(url: str) -> str:
    """The package's YAML; `url` is where the service answers, as Home Assistant sees it, without a slash at its end."""
    return _PACKAGE.substitute(url=url)
