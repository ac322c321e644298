"""docs/reference/metrics.md is made from the metrics: `python -m tests.web.test_metrics_reference > docs/reference/metrics.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve
from prometheus_client.core import Metric

from ingest.core import reports
from ingest.core.catalog import Catalog
from ingest.core.data_api_health import DataApiHealth
from ingest.core.registries_health import RegistriesHealth
from ingest.core.state import moment_at
from ingest.edge.process import Usage
from ingest.runtime.tap import Tap
from ingest.runtime.watch import Watch
from ingest.web.audience import Audience
from ingest.web.live_metrics import LiveMetrics
from ingest.web.metrics import Metrics
from ingest.web.seats import Seats
from tests.core.test_health import AWAY, DOWN, UP, after
from tests.web.test_app import GAUGES

PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"
HEAD = """\
# Metrics

<!-- Made from the code: python -m tests.web.test_metrics_reference > docs/reference/metrics.md -->

What `GET /metrics` tells [Prometheus](https://prometheus.io/docs/concepts/metric_types/), in its text format or, for who
asks for that, in OpenMetrics. A counter's name ends in `_total`; a histogram has `_bucket`, `_sum` and `_count`. Labels
are few and bounded: none is of an entity, but `rule` is a rule's name, which says what you wrote into it, a pattern of
entity_ids among it.

The states that came in are all somewhere: `carried + received + made` of `homeiq_ingest_states_total` are its other terms
and both of `homeiq_ingest_states_held` together.

Times of states are by the clock of Home Assistant's machine, all others by that of the machine of this service: where the
two clocks differ, `homeiq_ingest_lag_seconds` is wrong by as much, and never negative.

| metric | kind | labels | |
|---|---|---|---|
"""


def everything() -> Metrics:
    """Metrics of a service that has everything, and to which everything happened."""
    seen = after(*UP, DOWN, gauges=evolve(GAUGES, letters=3))
    health = evolve(
        seen,
        data_api=DataApiHealth(posted={"devices": 1}),
        registries=RegistriesHealth(seconds=1.0, as_of=moment_at(1)),
    )
    told = Metrics(lambda: health, lambda: Usage(50.5, 1.5, 7.25), lambda: {"sensor.*": 3}, lambda: 2 * 10**9)
    told.tasks = lambda: 40
    letter, stored = reports.DeadLetter("filter", "a.b", "{}", "x"), reports.Stored("db", 1, 0.1, 1, 2)
    for report in (*UP, *AWAY, DOWN, letter, stored):
        told.hear(report)
    told.beside(LiveMetrics(Audience(Tap(print), Watch(Catalog()), str), Seats()))
    return told


def described() -> list[Metric]:
    """Every metric, once, by its name."""
    return sorted(everything().families(), key=lambda each: each.name)


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_rows())


def _rows() -> Iterator[str]:
    for each in described():
        labels = dict.fromkeys(label for sample in each.samples for label in sample.labels if label != "le")
        name = f"{each.name}_total" if each.type == "counter" else each.name
        yield f"| `{name}` | {each.type} | {', '.join(f'`{label}`' for label in labels)} | {each.documentation} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
