"""Rules with which Prometheus warns of what a person should know, and how it comes to the figures.

Eight rules, each of which says what is wrong, and what to do. A threshold that a quiet home could cross is a wide one: a
warning that comes every night is not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from ingest.core.grafana_service import LASTS

JOB: Final = "homeiq-ingest"
"""The name of the job in Prometheus' configuration, by which a rule knows that nobody answers."""


@frozen
class Rule:
    """One alert: it fires when `expr` has held for so long. `critical`: changes are missed, or will be."""

    name: str
    expr: str
    lasting: str
    summary: str
    remedy: str
    critical: bool = False


RULES: Final = (
    Rule(
        "HomeiqIngestDown",
        f'up{{job="{JOB}"}} == 0 or absent(up{{job="{JOB}"}}) or resets(homeiq_ingest_uptime_seconds[30m]) > 2',
        "5m",
        "homeiq-ingest does not answer, or was restarted three times in half an hour",
        "Look at its log: journalctl -u homeiq-ingest. What happens meanwhile becomes a gap, and is filled afterwards.",
        critical=True,
    ),
    Rule(
        "HomeiqIngestNotConnected",
        "homeiq_ingest_subscribed == 0",
        "5m",
        "there is no connection to Home Assistant",
        "Look at what it says: homeiq-ingest status. A wrong token or address needs a person.",
        critical=True,
    ),
    Rule(
        "HomeiqIngestNoEvents",
        "homeiq_ingest_events_per_minute == 0 and homeiq_ingest_subscribed == 1",
        "30m",
        "connected, but for half an hour nothing has changed at home",
        "See whether Home Assistant's own history goes on; if it does, look at the filter: homeiq-ingest status.",
    ),
    Rule(
        "HomeiqIngestDatabaseDown",
        "(homeiq_ingest_store_reachable == 0 and homeiq_ingest_waiting_points > 0)"
        " or (homeiq_ingest_spool_oldest_age_seconds > 600 and deriv(homeiq_ingest_waiting_points[10m]) > 0)",
        "10m",
        "the database takes no points, or fewer than come",
        "Nothing is lost, it waits in the spool. See why: homeiq-ingest config check --connect.",
    ),
    Rule(
        "HomeiqIngestSpoolNearlyFull",
        f"({LASTS.replace('{}', '')} < 86400 and homeiq_ingest_spool_oldest_age_seconds > 600)"
        " or homeiq_ingest_spool_bytes / homeiq_ingest_spool_limit_bytes > 0.8 or homeiq_ingest_spool_failing == 1",
        "10m",
        "the spool lasts for less than a day, is four fifths full, or cannot be written to the disk",
        "Fix the database or the disk, or raise spool.size: when it is full, the oldest gives way.",
        critical=True,
    ),
    Rule(
        "HomeiqIngestGaps",
        "homeiq_ingest_gap_oldest_age_seconds > 21600"
        ' or sum without (state) (delta(homeiq_ingest_gaps{state=~"partly|unfillable"}[1h])) > 0'
        ' or sum without (term) (increase(homeiq_ingest_states_total{term=~"shed|evicted"}[1h])) > 0',
        "5m",
        "changes are missing: a gap is open for six hours, could not be filled, or changes were dropped",
        "See which, and why: homeiq-ingest gaps list.",
    ),
    Rule(
        "HomeiqIngestDeadLetters",
        'sum without (term) (increase(homeiq_ingest_states_total{term=~"rejected|malformed"}[15m])) > 0',
        "1m",
        "the database refuses points",
        "They are kept. See them and the database's words: homeiq-ingest dead-letters list.",
    ),
    Rule(
        "HomeiqIngestSlow",
        # Of a backlog that is being sent every second batch is old: the quickest quarter is what comes in now.
        'histogram_quantile(0.25, rate(homeiq_ingest_lag_seconds_bucket{of="newest"}[10m])) > 30'
        " or increase(homeiq_ingest_event_loop_seconds_count[10m])"
        ' - ignoring (le) increase(homeiq_ingest_event_loop_seconds_bucket{le="1.0"}[10m]) > 5'
        " or max without (queue) (homeiq_ingest_queue_changes / homeiq_ingest_queue_capacity_changes) > 0.8",
        "10m",
        "changes are stored late: the service or the database does not keep up",
        "See which queue is full: homeiq-ingest status. The machine may be busy, the database's disk slow, or a clock wrong.",
    ),
)


def rules_yaml() -> str:
    """A file of rules for Prometheus, and for VictoriaMetrics' vmalert."""
    return (
        "\n".join(
            ["groups:", "  - name: homeiq-ingest", "    rules:", *(line for each in RULES for line in _rule(each))]
        )
        + "\n"
    )


def _rule(rule: Rule) -> Iterator[str]:
    yield f"      - alert: {rule.name}"
    yield f"        expr: {_text(rule.expr)}"
    yield f"        for: {rule.lasting}"
    yield f"        labels: {{severity: {'critical' if rule.critical else 'warning'}}}"
    yield "        annotations:"
    yield f"          summary: {_text(rule.summary)}"
    yield f"          description: {_text(rule.remedy)}"


def scrape_yaml(target: str, *, guarded: bool) -> str:
    """The part of Prometheus' configuration that reads the service; `guarded`: it asks for a token."""
    lines = [
        "# A part of prometheus.yml. `homeiq-ingest prometheus rules` prints the rules.",
        "rule_files: [homeiq-ingest.rules.yml]",
        "scrape_configs:",
        f"  - job_name: {JOB}",
        "    scrape_interval: 15s",
    ]
    if guarded:
        lines += [
            "    # A file that holds api.token, and that Prometheus may read.",
            "    authorization: {credentials_file: /etc/prometheus/homeiq-ingest.token}",
        ]
    lines += ["    static_configs:", f"      - targets: [{_text(target)}]"]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    """A text for YAML, which takes JSON's."""
    return json.dumps(text, ensure_ascii=False)
