"""`GET /metrics`: health and the books for Prometheus.

What is counted elsewhere is read when it is asked for (`metric_families`); what is not is kept (`distributions`). The page
is in Prometheus' text format, or in OpenMetrics for who asks for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from attrs import define, field
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from ingest.core.health import Health
from ingest.core.reports import Report
from ingest.edge.process import Usage
from ingest.runtime.stalls import Stalls
from ingest.web.distributions import Distributions
from ingest.web.metric_families import of_health, of_process, of_stalls, of_tasks

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text"
OPENMETRICS_TYPE = f"{OPENMETRICS}; version=1.0.0; charset=utf-8"


@define(eq=False)
class Metrics(Collector):
    """A registry of our own; `look` reads health, `rules` the states left out by each rule.

    `tasks` counts those of the event loop.
    """

    look: Callable[[], Health]
    usage: Callable[[], Usage]
    rules: Callable[[], Mapping[str, int]]
    now_ns: Callable[[], int]
    stalls: Stalls = field(factory=Stalls)
    tasks: Callable[[], int] | None = None
    process: ProcessCollector = field(factory=lambda: ProcessCollector(registry=None))
    _registry: CollectorRegistry = field(factory=CollectorRegistry)
    _kept: Distributions = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._registry.register(self)
        self._kept = Distributions(self._registry, self.now_ns)

    def hear(self, report: Report) -> None:
        """Take the next report of the pipeline."""
        self._kept.hear(report)

    def beside(self, other: Collector) -> None:
        """From now on the page says what this one says, too."""
        self._registry.register(other)

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """The page and its type, in the format that is asked for."""
        if OPENMETRICS in accept:
            page: bytes = generate_openmetrics(self._registry)  # type: ignore[no-untyped-call]  # it says nothing
            return page, OPENMETRICS_TYPE
        return generate_latest(self._registry), CONTENT_TYPE

    def families(self) -> Iterable[Metric]:
        """Every metric with its value at this moment, as `/metrics` shows it."""
        return self._registry.collect()

    def describe(self) -> Iterable[Metric]:
        """Nothing is read before somebody asks."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Everything but what is kept."""
        usage = self.usage()
        yield from of_health(self.look(), self.rules())
        yield from of_process(self.process, usage)
        yield from of_stalls(self.stalls)
        if self.tasks is not None:
            yield from of_tasks(self.tasks())
