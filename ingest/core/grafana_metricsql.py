"""What the dashboard of a home asks in MetricsQL: VictoriaMetrics, through Grafana's data source for Prometheus.

VictoriaMetrics calls a field `measurement_field` and keeps numbers only (`influxdb.numeric_only`). A series is asked for what
it said last, a day back: homes say a value when it changes, and then nothing for as long as it holds.
"""

from __future__ import annotations

from typing import Final

from ingest.core.gap_points import MEASUREMENT as GAPS
from ingest.core.grafana import Query, Variable
from ingest.core.grafana_home import MOST, PRESENCE, STATES, Queries
from ingest.core.homeiq import MEASUREMENT

HOLDS: Final = "1d"
"""For how long a value is taken to hold that nothing came after."""

_VALUE: Final = f"{MEASUREMENT}_value"
_DURATION: Final = f"{MEASUREMENT}_duration_in_state_seconds"
_ENTITY: Final = "{{entity_id}}"
_NAMED: Final = "{{domain}}.{{entity_id}}"
_ANY: Final = '__name__=~".+_value"'
_LONG_GAP: Final = "30d"
_STEP: Final = "60s"


def metricsql_homeiq(home: str, *, tagged: bool = False) -> Queries:
    """The queries of the dashboards in MetricsQL, for points of the schema `homeiq` of that home.

    `tagged`: other homes are in there, too, and points say whose they are.
    """
    ours = _of(home, tagged=tagged)
    chosen = f'{ours}area_id=~"$area",domain=~"$domain",entity_id=~"$entity"'
    every = f"{_VALUE}{{{ours}}}" if ours else _VALUE

    def curve(device_class: str) -> Query:
        return Query(f'avg_over_time({_VALUE}{{device_class="{device_class}",{chosen}}}[$__interval])', _ENTITY)

    def holding(domains: str) -> Query:
        """What a later change without a number ended (unavailable, another zone) does not hold any longer."""
        where = f'{{domain=~"{domains}",{chosen}}}[{HOLDS}]'
        later = f"tlast_over_time({_DURATION}{where}) > tlast_over_time({_VALUE}{where})"
        return Query(f"last_over_time({_VALUE}{where}) unless ({later})", _ENTITY)

    battery = f'{_VALUE}{{device_class="battery",domain="sensor",{chosen}}}'
    counted = f"count_over_time({_DURATION}{{{chosen}}}[$__range])"
    return Queries(
        temperatures=[curve("temperature")],
        humidities=[curve("humidity")],
        power=[curve("power")],
        batteries=[Query(f"last_over_time({battery}[$__range])", _ENTITY)],
        presence=[holding(PRESENCE)],
        states=[holding(STATES)],
        busiest=[Query(f"topk({MOST}, sum by (entity_id) ({counted}))", _ENTITY, table=True)],
        changes=[
            Query(f"sum by (domain) (count_over_time({_DURATION}{{{chosen}}}[$__interval]))", "{{domain}}"),
        ],
        gaps=[_gaps(home)],
        variables=[
            Variable("area", "Area", f"label_values({every}, area_id)"),
            Variable("domain", "Domain", f"label_values({every}, domain)"),
            Variable(
                "entity", "Entity", f'label_values({_VALUE}{{{ours}area_id=~"$area",domain=~"$domain"}}, entity_id)'
            ),
        ],
        shading=_shading(home),
        notes={
            "power": "There are no units here: what is in kW is drawn as if it were W.",
            "presence": "Who is in another zone has no number, and no colour.",
            "states": "What is neither on nor off, open nor closed has no number, and no colour.",
            "busiest": "Changes of the state; those of attributes alone are not counted.",
            "changes": "Changes of the state; those of attributes alone are not counted.",
            "gaps": _GAPS_NOTE,
        },
    )


def metricsql_homeassistant(home: str, *, tagged: bool = False) -> Queries:
    """Of the schema `homeassistant`, whose metrics begin with the unit, or with the entity where there is none.

    `tagged` as in `metricsql_homeiq`.
    """
    ours = _of(home, tagged=tagged)
    chosen = f'{ours}domain=~"$domain",entity_id=~"$entity"'

    def curve(name: str, times: str = "", also: str = 'domain="sensor",') -> Query:
        return Query(f'avg_over_time({{__name__=~"{name}",{also}{chosen}}}[$__interval]){times}', _NAMED)

    def holding(domains: str) -> Query:
        return Query(f'last_over_time({{{_ANY},domain=~"{domains}",{chosen}}}[{HOLDS}])', _NAMED)

    battery = f'{{__name__="%_value",domain="sensor",entity_id=~".*batter.*",{chosen}}}'

    def counted(span: str) -> str:
        """An entity's points, each once: an attribute that is called `…_value` is in the same points as its state."""
        return f"max by (domain, entity_id) (count_over_time({{{_ANY},{chosen}}}[{span}]))"

    return Queries(
        temperatures=[curve("°[CF]_value")],
        humidities=[curve("%_value", also='domain="sensor",entity_id=~".*humidity.*",')],
        power=[curve("W_value"), curve("kW_value", " * 1000")],
        batteries=[Query(f"last_over_time({battery}[$__range])", _NAMED)],
        presence=[holding(PRESENCE)],
        states=[holding(STATES)],
        busiest=[
            Query(f"topk({MOST}, {counted('$__range')})", _NAMED, table=True),
        ],
        changes=[Query(f"sum by (domain) ({counted('$__interval')})", "{{domain}}")],
        gaps=[_gaps(home)],
        variables=[
            Variable("domain", "Domain", f"label_values({{{ours}{_ANY}}}, domain)"),
            Variable("entity", "Entity", f'label_values({{{ours}{_ANY},domain=~"$domain"}}, entity_id)'),
        ],
        shading=_shading(home),
        notes={
            "batteries": "Found by their names, which hold `batter`: a device class is no number.",
            "humidities": "Found by their names, which hold `humidity`: a device class is no number.",
            "presence": "Who is in another zone has no number: the state before it seems to hold, for a day.",
            "states": "Neither `unavailable` nor other words have numbers: the state before seems to hold, for a day. "
            "An attribute whose name ends in `_value` is drawn beside the state, under the same name.",
            "busiest": "Heartbeats are counted, too; what has no number is not.",
            "changes": "Heartbeats are counted, too; what has no number is not.",
            "gaps": _GAPS_NOTE,
        },
    )


_GAPS_NOTE: Final = (
    "Seconds by cause, those filled among them: VictoriaMetrics does not know how far a gap is filled. It needs "
    "-dedup.minScrapeInterval=1ms, else a gap that was told again counts again."
)


def _of(home: str, *, tagged: bool) -> str:
    return f'home="{home}",' if tagged else ""


def _gaps(home: str) -> Query:
    return Query(f'sum by (cause) (sum_over_time({GAPS}_duration{{home="{home}"}}[$__range]))', "{{cause}}", table=True)


def _shading(home: str) -> dict[str, str]:
    """A gap is at every step until its end, and a step longer, so that one that is shorter than a step is seen."""
    last = f'last_over_time({GAPS}_end{{home="{home}"}}[{_LONG_GAP}])'
    return {
        "expr": f"{last} / 1000 > time() - 60",
        "step": _STEP,
        "titleFormat": "gap",
        "textFormat": "{{cause}}",
        "tagKeys": "cause",
    }
