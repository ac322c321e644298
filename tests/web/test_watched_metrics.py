"""Every metric that a rule or the dashboard of the service names is on the page that the service serves."""

from __future__ import annotations

import re

import attrs
from prometheus_client.parser import text_string_to_metric_families

from ingest.core import reports
from ingest.core.grafana_service import service_dashboard
from ingest.core.prometheus_rules import RULES
from ingest.core.tally import Tally
from ingest.edge.process import Usage
from ingest.web.metrics import Metrics
from tests.core.test_health import DOWN, UP, after
from tests.web.test_app import GAUGES

NAME = re.compile(r"\b(?:homeiq_ingest|process)_[a-z_]+")
LABEL = re.compile(r'\b([a-z_]+)=~?"([^"$]+)"')


def page() -> dict[str, set[tuple[str, str]]]:
    """The labels of each name that is on the page of a service of which everything is known."""
    books = Tally().books(spooled=2, in_flight=1)
    health = after(*UP, DOWN, gauges=attrs.evolve(GAUGES, letters=2, books=books))
    metrics = Metrics(lambda: health, lambda: Usage(50, 1), lambda: {"sensor.*": 3}, lambda: 10**18)
    for report in (*UP, reports.Stored("influxdb", 1, 0.1, 10**18, 10**18)):
        metrics.hear(report)
    text, _ = metrics.page()
    found: dict[str, set[tuple[str, str]]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels.items())
    return found


ASKED = [
    *((rule.name, rule.expr) for rule in RULES),
    *((panel.title, query.text) for panel in service_dashboard().panels for query in panel.queries),
]


def test_the_page_has_every_metric_that_is_asked_for() -> None:
    there = page()
    assert len(ASKED) > 30
    assert {(who, name) for who, text in ASKED for name in NAME.findall(text) if name not in there} == set()


def test_it_has_the_values_of_labels_that_the_rules_ask_for() -> None:
    there = {pair for pairs in page().values() for pair in pairs}
    asked = {
        (label, value)
        for _, text in ASKED
        for label, values in LABEL.findall(text)
        if label != "job"
        for value in values.split("|")
    }
    assert asked - there == set()
