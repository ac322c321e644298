"""Metrics that are read from health when they are asked for.

Labels are bounded: terms of the equation, rules of the configuration, names of candidates and links, kinds of errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from ingest.core.health import Health, Status
from ingest.core.state import moment_at
from ingest.edge.process import Usage
from ingest.runtime.stalls import Stalls

HELD = ("spooled", "in_flight")
"""Terms of the equation that go up and down; the others only grow."""

Series = Iterable[tuple[tuple[str, ...], float]]


def of_health(health: Health, rules: Mapping[str, int]) -> Iterator[Metric]:
    """Everything that health knows; `rules` are the states that each left out."""
    yield from of_states(health, rules)
    yield from of_connection(health)
    yield from of_store(health)
    yield from of_queues(health)
    yield from of_gaps(health)
    yield from of_registries(health)
    yield from of_data_api(health)
    yield gauge("uptime_seconds", "Seconds since the start.", [((), health.uptime)])
    yield gauge(
        "stuck", "Parts of the service that have not come back from what they began.", [((), len(health.stuck))]
    )
    statuses = [((each.value,), each is health.status) for each in Status]
    yield gauge("status", "1 for the status that it has.", statuses, "status")


def of_process(known: ProcessCollector, usage: Usage) -> Iterator[Metric]:
    """Under the names that are standard for every process. Where there is no /proc, the two that are known everywhere."""
    found = list(known.collect())
    if found:
        yield from found
        return
    memory = usage.memory_mb * 2**20
    yield GaugeMetricFamily("process_resident_memory_bytes", "Resident memory size in bytes.", memory)
    if usage.cpu_seconds is not None:
        text = "Total user and system CPU time spent in seconds."
        yield CounterMetricFamily("process_cpu_seconds", text, usage.cpu_seconds)


def of_stalls(stalls: Stalls) -> Iterator[Metric]:
    """How long nobody could be served."""
    buckets = [*((str(bound), float(count)) for bound, count in stalls.up_to()), ("+Inf", float(stalls.rounds))]
    text = "How long the event loop was away from its sockets, each time; everybody waits meanwhile."
    yield HistogramMetricFamily("homeiq_ingest_event_loop_seconds", text, buckets, stalls.busy)
    longest = [((), stalls.longest)]
    yield gauge("event_loop_longest_seconds", "The longest of these times above 5 ms since the start.", longest)


def of_tasks(living: int) -> Iterator[Metric]:
    """How much goes on at once: it goes up with connections and comes down again."""
    yield gauge("tasks", "Tasks of the event loop that are not over.", [((), living)])


def of_states(health: Health, rules: Mapping[str, int]) -> Iterator[Metric]:
    """Every term of the equation, what each rule left out, and errors by kind."""
    terms = [((term,), count) for term, count in health.totals.items()]
    grown = [each for each in terms if each[0][0] not in HELD]
    held = [each for each in terms if each[0][0] in HELD]
    yield counter(
        "states", "States by where they went: carried + received + made = all the others and held.", grown, "term"
    )
    yield gauge("states_held", "States that are on their way.", held, "term")
    if health.lifetime is not None:
        lasting = [((term,), count) for term, count in health.lifetime.totals.items()]
        yield counter("lifetime_states", "States by where they went, restarts included.", lasting, "term")
    left_out = [((rule,), count) for rule, count in rules.items()]
    yield counter(
        "filtered",
        "States that a rule left out, live and of snapshots; one that is told again counts once.",
        left_out,
        "rule",
    )
    errors = [((name,), each.total) for name, each in health.categories.items()]
    yield counter("errors", "Errors by kind.", errors, "category")


def of_connection(health: Health) -> Iterator[Metric]:
    """How it stands with Home Assistant."""
    candidates = health.connection.candidates
    attempts = [((each.name,), each.attempts) for each in candidates]
    yield counter("connection_attempts", "Attempts to connect to Home Assistant.", attempts, "candidate")
    failures = [((each.name,), each.failures) for each in candidates]
    yield counter("connection_failures", "Attempts that failed.", failures, "candidate")
    subscription = health.subscription
    yield gauge("subscribed", "1 while every change reaches us.", [((), subscription.subscribed)])
    yield gauge("events_per_minute", "Live changes of the last minute.", [((), subscription.per_minute)])
    if subscription.last_event is not None:
        age = _age(health, subscription.last_event)
        yield gauge("last_event_age_seconds", "Since the last live change.", [((), age)])


def of_store(health: Health) -> Iterator[Metric]:
    """The database, and what waits for it."""
    database, spool = health.database, health.spool
    yield gauge("store_reachable", "1 when the last delivery was taken.", [((), database.reachable is True)])
    yield gauge("waiting_points", "Points that the store does not have yet.", [((), database.waiting)])
    yield gauge("spool_points", "Points in the spool.", [((), spool.points)])
    if spool.batches is not None:
        yield gauge("spool_batches", "Batches in the spool.", [((), spool.batches)])
    if spool.letters is not None:
        yield gauge("dead_letters", "Dead letters that are kept.", [((), spool.letters)])
    yield gauge("spool_bytes", "Bytes in the spool.", [((), spool.size)])
    if spool.limit is not None:
        yield gauge("spool_limit_bytes", "Bytes that the spool holds at most.", [((), spool.limit)])
    if spool.rate is not None:
        yield gauge("spool_bytes_per_second", "Bytes that go into the spool.", [((), spool.rate)])
    yield gauge("spool_failing", "1 while the spool is in memory only.", [((), bool(spool.failing))])
    if spool.oldest is not None:
        age = _age(health, spool.oldest)
        yield gauge("spool_oldest_age_seconds", "Age of the oldest point in the spool.", [((), age)])


def of_queues(health: Health) -> Iterator[Metric]:
    """Depth, peak and capacity of every link."""
    for name, what in (("events", "changes"), ("size", "bytes")):
        for prefix in ("", "peak_", "capacity_"):
            series = [((each.name,), getattr(each, prefix + name)) for each in health.queues]
            words = {"": "held", "peak_": "held at most", "capacity_": "allowed"}[prefix]
            yield gauge(f"queue_{prefix}{what}", f"Of a queue: {what} {words}.", series, "queue")


def of_gaps(health: Health) -> Iterator[Metric]:
    """The ledger of coverage; nothing where there is none."""
    gaps = health.gaps
    if gaps is None:
        return
    states = [((each.value,), count) for each, count in gaps.counts.items()]
    yield gauge("gaps", "Intervals in which changes may have been missed, by how far they are filled.", states, "state")
    yield gauge("gap_states_filled", "States of the history that filled gaps.", [((), gaps.filled)])
    if gaps.oldest_left_ns is not None:
        age = _age(health, moment_at(gaps.oldest_left_ns))
        yield gauge("gap_oldest_age_seconds", "Since the beginning of the oldest gap to fill.", [((), age)])


def of_registries(health: Health) -> Iterator[Metric]:
    """What discovery knows, and whether it fails, as metrics."""
    known = health.registries
    kinds = ("entities", "devices", "areas", "floors", "labels")
    entries = [((kind,), getattr(known, kind)) for kind in kinds]
    yield gauge("registry_entries", "What the registries hold, as they were last read.", entries, "registry")
    yield gauge("registry_entries_skipped", "Entries that the last reading could not read.", [((), known.skipped)])
    yield gauge("registries_failing", "1 while they cannot be read.", [((), bool(known.reason))])
    yield counter("registry_readings", "Times that the registries were read whole.", [((), known.readings)])
    yield counter("registry_changes", "Times that only what had changed was read.", [((), known.changes)])
    if known.seconds is not None:
        yield gauge("registry_reading_seconds", "How long the last whole reading took.", [((), known.seconds)])
    if known.as_of is not None:
        age = _age(health, known.as_of)
        yield gauge("registries_age_seconds", "Since what is known of them was read.", [((), age)])


def of_data_api(health: Health) -> Iterator[Metric]:
    """What data-api was told; nothing where there is none."""
    told = health.data_api
    if told is None:
        return
    posted = [((kind,), count) for kind, count in told.posted.items()]
    yield counter("data_api_posted", "Entries that data-api took.", posted, "kind")
    yield counter("data_api_refused", "Entries that data-api does not take.", [((), told.refused)])
    yield counter("data_api_failures", "Attempts to tell data-api that failed.", [((), told.failures)])
    yield gauge("data_api_reachable", "1 when the last attempt was taken.", [((), told.reachable is True)])
    yield gauge("data_api_waiting_entries", "Entries that data-api does not have yet.", [((), told.waiting)])


def _age(health: Health, then: datetime) -> float:
    """Seconds since then, by the home's clock or ours; where that is ahead, none."""
    return max(0.0, (health.at - then).total_seconds())


def counter(name: str, text: str, series: Series, *labels: str) -> Metric:
    """A family of counters; `series` are label values and the figure."""
    family = CounterMetricFamily(f"homeiq_ingest_{name}", text, labels=labels)
    for values, value in series:
        family.add_metric(values, value)
    return family


def gauge(name: str, text: str, series: Series, *labels: str) -> Metric:
    """A family of gauges, likewise."""
    family = GaugeMetricFamily(f"homeiq_ingest_{name}", text, labels=labels)
    for values, value in series:
        family.add_metric(values, float(value))
    return family
