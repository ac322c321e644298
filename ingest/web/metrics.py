"""`GET /metrics`: health and the books for Prometheus.

What is counted elsewhere is read when it is asked for; only the two distributions are kept here. Labels are bounded:
terms of the equation, rules of the configuration, names of candidates and links, kinds of errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from attrs import define, field
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ingest.core import reports
from ingest.core.health import Health, Status
from ingest.core.health_fold import utc
from ingest.core.reports import Report
from ingest.edge.process import Usage

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
HELD = ("spooled", "in_flight")
"""Terms of the equation that go up and down; the others only grow."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_POINTS = (1, 10, 50, 100, 500, 1000, 2500, 5000, 10_000)

Series = Iterable[tuple[tuple[str, ...], float]]


@define(eq=False)
class Metrics(Collector):
    """A registry of our own; `look` reads health, `rules` the states left out by each rule."""

    look: Callable[[], Health]
    usage: Callable[[], Usage]
    rules: Callable[[], Mapping[str, int]]
    _registry: CollectorRegistry = field(factory=CollectorRegistry)
    _seconds: Histogram = field(init=False)
    _points: Histogram = field(init=False)

    def __attrs_post_init__(self) -> None:
        registry = self._registry
        registry.register(self)
        self._seconds = Histogram(
            "homeiq_ingest_delivery_seconds", "How long a delivery took.", buckets=_SECONDS, registry=registry
        )
        self._points = Histogram("homeiq_ingest_batch_points", "Points of a batch.", buckets=_POINTS, registry=registry)

    def hear(self, report: Report) -> None:
        """Fold one report in."""
        match report:
            case reports.Stored(seconds=seconds):
                self._seconds.observe(seconds)
            case reports.Batched(count=count):
                self._points.observe(count)
            case _:
                pass

    def beside(self, other: Collector) -> None:
        """From now on the page says what this one says, too."""
        self._registry.register(other)

    def page(self) -> bytes:
        """The page, in Prometheus' text format."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing is read before somebody asks."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Everything but the distributions."""
        health, usage = self.look(), self.usage()
        yield from _of_states(health, self.rules())
        yield from _of_connection(health)
        yield from _of_store(health)
        yield from _of_queues(health)
        yield from _of_gaps(health)
        yield from _of_registries(health)
        yield from _of_data_api(health)
        yield _gauge("resident_memory_bytes", "Memory of the process.", [((), usage.memory_mb * 2**20)])
        yield _gauge("uptime_seconds", "Seconds since the start.", [((), health.uptime)])
        statuses = [((each.value,), each is health.status) for each in Status]
        yield _gauge("status", "1 for the status that it has.", statuses, "status")


def _of_states(health: Health, rules: Mapping[str, int]) -> Iterator[Metric]:
    terms = [((term,), count) for term, count in health.totals.items()]
    grown = [each for each in terms if each[0][0] not in HELD]
    held = [each for each in terms if each[0][0] in HELD]
    yield _counter(
        "states", "States by where they went: carried + received + made = all the others and held.", grown, "term"
    )
    yield _gauge("states_held", "States that are on their way.", held, "term")
    if health.lifetime is not None:
        lasting = [((term,), count) for term, count in health.lifetime.totals.items()]
        yield _counter("lifetime_states", "States by where they went, restarts included.", lasting, "term")
    left_out = [((rule,), count) for rule, count in rules.items()]
    yield _counter("filtered", "States that a rule left out.", left_out, "rule")
    errors = [((name,), each.total) for name, each in health.categories.items()]
    yield _counter("errors", "Errors by kind.", errors, "category")


def _of_connection(health: Health) -> Iterator[Metric]:
    candidates = health.connection.candidates
    attempts = [((each.name,), each.attempts) for each in candidates]
    yield _counter("connection_attempts", "Attempts to connect to Home Assistant.", attempts, "candidate")
    failures = [((each.name,), each.failures) for each in candidates]
    yield _counter("connection_failures", "Attempts that failed.", failures, "candidate")
    subscription = health.subscription
    yield _gauge("subscribed", "1 while every change reaches us.", [((), subscription.subscribed)])
    yield _gauge("events_per_minute", "Live changes of the last minute.", [((), subscription.per_minute)])
    if subscription.last_event is not None:
        age = (health.at - subscription.last_event).total_seconds()
        yield _gauge("last_event_age_seconds", "Since the last live change.", [((), age)])


def _of_store(health: Health) -> Iterator[Metric]:
    database, spool = health.database, health.spool
    yield _gauge("store_reachable", "1 when the last delivery was taken.", [((), database.reachable is True)])
    yield _gauge("waiting_points", "Points that the store does not have yet.", [((), database.waiting)])
    yield _gauge("spool_points", "Points in the spool.", [((), spool.points)])
    yield _gauge("spool_bytes", "Bytes in the spool.", [((), spool.size)])
    if spool.limit is not None:
        yield _gauge("spool_limit_bytes", "Bytes that the spool holds at most.", [((), spool.limit)])
    if spool.rate is not None:
        yield _gauge("spool_bytes_per_second", "Bytes that go into the spool.", [((), spool.rate)])
    yield _gauge("spool_failing", "1 while the spool is in memory only.", [((), bool(spool.failing))])
    if spool.oldest is not None:
        age = (health.at - spool.oldest).total_seconds()
        yield _gauge("spool_oldest_age_seconds", "Age of the oldest point in the spool.", [((), age)])


def _of_queues(health: Health) -> Iterator[Metric]:
    for name, what in (("events", "changes"), ("size", "bytes")):
        for prefix in ("", "peak_", "capacity_"):
            series = [((each.name,), getattr(each, prefix + name)) for each in health.queues]
            words = {"": "held", "peak_": "held at most", "capacity_": "allowed"}[prefix]
            yield _gauge(f"queue_{prefix}{what}", f"Of a queue: {what} {words}.", series, "queue")


def _of_gaps(health: Health) -> Iterator[Metric]:
    gaps = health.gaps
    if gaps is None:
        return
    states = [((each.value,), count) for each, count in gaps.counts.items()]
    yield _gauge(
        "gaps", "Intervals in which changes may have been missed, by how far they are filled.", states, "state"
    )
    yield _gauge("gap_states_filled", "States of the history that filled gaps.", [((), gaps.filled)])
    if gaps.oldest_left_ns is not None:
        age = (health.at - utc(gaps.oldest_left_ns)).total_seconds()
        yield _gauge("gap_oldest_age_seconds", "Since the beginning of the oldest gap to fill.", [((), age)])


def _of_registries(health: Health) -> Iterator[Metric]:
    known = health.registries
    kinds = ("entities", "devices", "areas", "floors", "labels")
    entries = [((kind,), getattr(known, kind)) for kind in kinds]
    yield _gauge("registry_entries", "What the registries hold, as they were last read.", entries, "registry")
    yield _gauge("registry_entries_skipped", "Entries that the last reading could not read.", [((), known.skipped)])
    yield _gauge("registries_failing", "1 while they cannot be read.", [((), bool(known.reason))])
    yield _counter("registry_readings", "Times that the registries were read whole.", [((), known.readings)])
    yield _counter("registry_changes", "Times that only what had changed was read.", [((), known.changes)])
    if known.seconds is not None:
        yield _gauge("registry_reading_seconds", "How long the last whole reading took.", [((), known.seconds)])
    if known.as_of is not None:
        age = (health.at - known.as_of).total_seconds()
        yield _gauge("registries_age_seconds", "Since what is known of them was read.", [((), age)])


def _of_data_api(health: Health) -> Iterator[Metric]:
    told = health.data_api
    if told is None:
        return
    posted = [((kind,), count) for kind, count in told.posted.items()]
    yield _counter("data_api_posted", "Entries that data-api took.", posted, "kind")
    yield _counter("data_api_refused", "Entries that data-api does not take.", [((), told.refused)])
    yield _counter("data_api_failures", "Attempts to tell data-api that failed.", [((), told.failures)])
    yield _gauge("data_api_reachable", "1 when the last attempt was taken.", [((), told.reachable is True)])
    yield _gauge("data_api_waiting_entries", "Entries that data-api does not have yet.", [((), told.waiting)])


def _counter(name: str, text: str, series: Series, *labels: str) -> Metric:
    family = CounterMetricFamily(f"homeiq_ingest_{name}", text, labels=labels)
    for values, value in series:
        family.add_metric(values, value)
    return family


def _gauge(name: str, text: str, series: Series, *labels: str) -> Metric:
    family = GaugeMetricFamily(f"homeiq_ingest_{name}", text, labels=labels)
    for values, value in series:
        family.add_metric(values, float(value))
    return family
