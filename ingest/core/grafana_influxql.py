"""What the dashboard of a home asks in InfluxQL, which InfluxDB 1, 2 (its bucket as a database) and 3 understand.

`$timeFilter`, `$__interval` and the variables are Grafana's: a variable becomes a regular expression of what is chosen.
Both schemas are asked by `entity_id`, because that is what a person reads; a renamed entity has a line for each name.
"""

# ruff: noqa: S608  what stands in these queries is ours: names of the schema, and the home's name without quotes in it

from __future__ import annotations

import re
from typing import Final

from ingest.core.gap_points import MEASUREMENT as GAPS
from ingest.core.gap_points import MERGED
from ingest.core.grafana import Query, Variable
from ingest.core.grafana_home import PRESENCE, STATES, Queries
from ingest.core.homeiq import MEASUREMENT

_ENTITY: Final = "$tag_entity_id"
_NAMED: Final = "$tag_domain.$tag_entity_id"
_EACH: Final = 'time($__interval), "entity_id"'
_EACH_NAMED: Final = 'time($__interval), "domain", "entity_id"'

CLASS_FIELD: Final = "device_class_str"
CLASS_TAG: Final = "device_class"
"""Where the schema `homeassistant` has the device class: in a field, or in a tag when `tags_attributes` says so."""

_WITHOUT_DOMAIN: Final = "/^[^.]+$/"
"""The points of the registries (`device_history`) have the whole entity_id in the tag in which states have its name alone."""

_BY_NAME: Final = {
    "batteries": "Found by their names, which hold `batter`: ignore_attributes leaves the device class out.",
    "humidities": "Found by their names, which hold `humidity`: ignore_attributes leaves the device class out.",
}


_LEGACY_NOTE: Final = (
    "Numbers, because influxdb.legacy_state_repr makes a whole state of each text: what is neither on nor off, open nor "
    "closed, home nor away has none, and the state before it seems to hold."
)


def influxql_homeiq(home: str, *, legacy: bool = False, tagged: bool = False) -> Queries:
    """The queries of the dashboards in InfluxQL, for points of the schema `homeiq` of that home.

    `legacy`: the text of a state is Python's of the whole of it. `tagged`: other homes are in there, too, and points say
    whose they are.
    """
    word, word_notes = ("value", {"presence": _LEGACY_NOTE, "states": _LEGACY_NOTE}) if legacy else ("state_value", {})
    ours = _of(home, tagged=tagged)
    chosen = f'{ours}"area_id" =~ /^$area$/ AND "domain" =~ /^$domain$/ AND "entity_id" =~ /^$entity$/ AND $timeFilter'

    def of(what: str, where: str, by: str, legend: str = _ENTITY, *, table: bool = False) -> Query:
        fill = " fill(none)" if "time(" in by else ""
        text = f'SELECT {what} FROM "{MEASUREMENT}" WHERE {where}{chosen} GROUP BY {by}{fill}'
        return Query(text, legend, table)

    def curve(device_class: str, what: str = 'mean("value")', also: str = "") -> Query:
        return of(what, f"\"device_class\" = '{device_class}' AND {also}", _EACH)

    return Queries(
        temperatures=[curve("temperature")],
        humidities=[curve("humidity")],
        power=[
            curve("power", also="\"unit\" = 'W' AND "),
            curve("power", 'mean("value") * 1000', "\"unit\" = 'kW' AND "),
        ],
        batteries=[
            of('last("value")', "\"device_class\" = 'battery' AND \"domain\" = 'sensor' AND ", '"entity_id"'),
        ],
        presence=[of(f'last("{word}")', f'"domain" =~ /^({PRESENCE})$/ AND ', _EACH)],
        states=[of(f'last("{word}")', f'"domain" =~ /^({STATES})$/ AND ', _EACH)],
        busiest=[of('count("duration_in_state_seconds") AS "changes"', "", '"entity_id"', table=True)],
        changes=[of('count("state_value")', "", 'time($__interval), "domain"', "$tag_domain")],
        gaps=[_gaps(home)],
        variables=[
            Variable("area", "Area", _values("area_id", f'FROM "{MEASUREMENT}" ', ours)),
            Variable("domain", "Domain", _values("domain", f'FROM "{MEASUREMENT}" ', ours)),
            Variable(
                "entity",
                "Entity",
                _values(
                    "entity_id", f'FROM "{MEASUREMENT}" ', f'{ours}"area_id" =~ /^$area$/ AND "domain" =~ /^$domain$/'
                ),
            ),
        ],
        shading=_shading(home),
        notes={
            **word_notes,
            "busiest": "Changes of the state; those of attributes alone are not counted.",
            "changes": "Changes of attributes alone, states read at a start, and heartbeats are counted, too.",
        },
    )


def influxql_homeassistant(
    home: str, default_measurement: str = "", *, classed: str | None = CLASS_FIELD, tagged: bool = False
) -> Queries:
    """Of the schema `homeassistant`, whose measurements are units; `default_measurement` holds what has none.

    `classed` is the field or tag with the device class; None: it is not stored. `tagged` as in `influxql_homeiq`.
    """
    ours = _of(home, tagged=tagged)
    chosen = f'{ours}"domain" =~ /^$domain$/ AND "entity_id" =~ /^$entity$/ AND $timeFilter'
    others = f"|^{re.escape(default_measurement).replace('/', chr(92) + '/')}$" if default_measurement else ""

    def of(what: str, measurement: str, where: str, by: str, *, table: bool = False) -> Query:
        fill = " fill(none)" if "time(" in by else ""
        text = f"SELECT {what} FROM {measurement} WHERE {where}{chosen} GROUP BY {by}{fill}"
        return Query(text, _NAMED, table)

    def curve(measurement: str, what: str = 'mean("value")', where: str = "\"domain\" = 'sensor' AND ") -> Query:
        return of(what, measurement, where, _EACH_NAMED)

    def of_class(name: str, part: str) -> str:
        return f"\"{classed}\" = '{name}' AND " if classed else f'"entity_id" =~ /{part}/ AND '

    def texts(domains: str) -> Query:
        where = f'"domain" =~ /^({domains})$/ AND '
        return of('last("state")', f"/^({domains})[.]{others}/", where, _EACH_NAMED)

    return Queries(
        temperatures=[curve("/^°[CF]$/")],
        humidities=[curve('"%"', where=of_class("humidity", "humidity"))],
        power=[curve('"W"'), curve('"kW"', 'mean("value") * 1000')],
        batteries=[
            of(
                'last("value")',
                '"%"',
                of_class("battery", "batter") + "\"domain\" = 'sensor' AND ",
                '"domain", "entity_id"',
            ),
        ],
        presence=[texts(PRESENCE)],
        states=[texts(STATES)],
        busiest=[of('count("value") AS "changes"', "/.*/", "", '"domain", "entity_id"', table=True)],
        changes=[],
        gaps=[_gaps(home)],
        variables=[
            Variable("domain", "Domain", _values("domain", where=ours)),
            Variable("entity", "Entity", _values("entity_id", where=f'{ours}"domain" =~ /^$domain$/'), _WITHOUT_DOMAIN),
        ],
        shading=_shading(home),
        notes={
            **({} if classed else _BY_NAME),
            "busiest": "Of what is a number, or on and off, open and closed, home and away: other words have no count here. "
            "Heartbeats are counted, too.",
            "presence": "This schema does not store `unavailable`: the state before it seems to hold.",
            "states": "This schema does not store `unavailable`: the state before it seems to hold.",
        },
    )


def _of(home: str, *, tagged: bool) -> str:
    return f"\"home\" = '{home}' AND " if tagged else ""


def _values(key: str, measurement: str = "", where: str = "") -> str:
    where = where.removesuffix(" AND ")
    return f'SHOW TAG VALUES {measurement}WITH KEY = "{key}"' + (f" WHERE {where}" if where else "")


def _gaps(home: str) -> Query:
    what = '"cause", "duration", "state", "filled", "why"'
    return Query(f'SELECT {what} FROM "{GAPS}" WHERE {_shown(home, MERGED)}', table=True)


def _shading(home: str) -> dict[str, str | bool]:
    """As Grafana's data source takes it: a region begins at the time of its row, and ends at `timeEndColumn`."""
    return {
        "query": f'SELECT "end", "state", "cause" FROM "{GAPS}" WHERE {_shown(home, f"{MERGED}|filled")}',
        "textColumn": "state",
        "timeEndColumn": "end",
        "tagsColumn": "cause",
    }


def _shown(home: str, left_out: str) -> str:
    return f'$timeFilter AND "home" = \'{home}\' AND "state" !~ /^({left_out})$/'
