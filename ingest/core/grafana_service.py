"""The dashboard of the service itself, asked of the Prometheus that reads its `/metrics`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ingest.core.grafana import Dashboard, Language, Panel, Query, Variable
from ingest.core.grafana_look import steps, words

_WHERE: Final = '{instance=~"$instance"}'
_RATE: Final = "[$__rate_interval]"
_OURS: Final = f" and on (instance, job) homeiq_ingest_uptime_seconds{_WHERE}"
"""Of what every process tells, only that of this service, whatever its job is called."""

_GOOD_BAD: Final = words(_1=("yes", "green"), _0=("no", "red"))


def service_dashboard() -> Dashboard:
    """First whether all is well, then what comes in, what waits, and what went wrong."""
    instance = Variable("instance", "Instance", "label_values(homeiq_ingest_uptime_seconds, instance)")
    panels = [*_verdict(), *_flow(), *_waiting(), *_trouble(), *_process()]
    return Dashboard("homeiq-ingest-service", "homeiq-ingest", Language.PROMETHEUS, panels, [instance], since="now-6h")


def _stat(title: str, text: str, unit: str = "", *, legend: str = "", **look: Any) -> Panel:
    return Panel(title, "stat", 4, 4, [Query(text, legend)], unit, look={"defaults": look.pop("defaults", {}), **look})


def _verdict() -> Iterator[Panel]:
    colours = [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for name, colour in (("healthy", "green"), ("degraded", "orange"), ("unhealthy", "red"))
    ]
    verdict = f"max by (status) (homeiq_ingest_status{_WHERE} == 1)"
    named = {"textMode": "name", "colorMode": "background", "reduceOptions": {"calcs": ["lastNotNull"]}}
    asked = Query(verdict, "{{status}}")
    yield Panel(
        "Status", "stat", 4, 4, [asked], about="`homeiq-ingest status` says why, and what to do.", over="2m",
        look={"overrides": colours, "options": named},
    )  # fmt: skip
    yield _stat("Connected", f"min(homeiq_ingest_subscribed{_WHERE})", defaults={"mappings": _GOOD_BAD})
    yield _stat(
        "Database takes points", f"min(homeiq_ingest_store_reachable{_WHERE})", defaults={"mappings": _GOOD_BAD}
    )
    yield _stat("Changes a minute", f"sum(homeiq_ingest_events_per_minute{_WHERE})", "short")
    waiting = steps(("green", None), ("orange", 10_000))
    yield _stat(
        "Points that wait", f"sum(homeiq_ingest_waiting_points{_WHERE})", "short", defaults={"thresholds": waiting}
    )
    days = steps(("red", None), ("orange", 86_400), ("green", 3 * 86_400))
    yield _stat("The spool lasts", f"min({LASTS})".replace("{}", _WHERE), "s", defaults={"thresholds": days})


LASTS: Final = (
    "(homeiq_ingest_spool_limit_bytes{} - homeiq_ingest_spool_bytes{}) / (homeiq_ingest_spool_bytes_per_second{} > 0)"
)
"""Seconds that the rest of the spool lasts at the present rate; `{}` stands for the labels."""


def _flow() -> Iterator[Panel]:
    yield _curves(
        "States a second, by where they went",
        Query(f"sum by (term) (rate(homeiq_ingest_states_total{_WHERE}{_RATE}))", "{{term}}"),
        unit="cps",
    )
    lag = 'sum by (le) (rate(homeiq_ingest_lag_seconds_bucket{instance=~"$instance",of="newest"}' + f"{_RATE}))"
    yield _curves("From a change to its being stored", *_quantiles(lag), unit="s")
    yield _curves("How long a delivery takes", *_quantiles(_counted("homeiq_ingest_delivery_seconds")), unit="s")
    yield _curves("Points in a batch", *_quantiles(_counted("homeiq_ingest_batch_points")), unit="short")
    left_out = f"topk(10, sum by (rule) (increase(homeiq_ingest_filtered_total{_WHERE}{_RATE})))"
    yield _curves("Left out by the filter, by rule", Query(left_out, "{{rule}}"), unit="short")


def _counted(name: str) -> str:
    return f"sum by (le) (rate({name}_bucket{_WHERE}{_RATE}))"


def _quantiles(counted: str) -> list[Query]:
    return [Query(f"histogram_quantile({part}, {counted})", said) for part, said in ((0.5, "half"), (0.99, "99 %"))]


def _waiting() -> Iterator[Panel]:
    yield _curves(
        "What waits for the database",
        Query(f"homeiq_ingest_waiting_points{_WHERE}", "all"),
        Query(f"homeiq_ingest_spool_points{_WHERE}", "in the spool"),
        unit="short",
    )
    yield _curves(
        "The spool",
        Query(f"homeiq_ingest_spool_bytes{_WHERE}", "holds"),
        Query(f"homeiq_ingest_spool_limit_bytes{_WHERE}", "holds at most"),
        unit="bytes",
    )
    oldest = Query(
        f"homeiq_ingest_spool_oldest_age_seconds{_WHERE} or homeiq_ingest_spool_points{_WHERE} * 0", "oldest"
    )
    yield _curves("Age of the oldest point that waits", oldest, unit="s")
    full = f"max by (queue) (homeiq_ingest_queue_changes{_WHERE} / homeiq_ingest_queue_capacity_changes{_WHERE})"
    yield _curves("How full the queues are", Query(full, "{{queue}}"), unit="percentunit")


def _trouble() -> Iterator[Panel]:
    yield _curves("Gaps, by how far they are filled", Query(f"homeiq_ingest_gaps{_WHERE}", "{{state}}"), unit="short")
    errors = f"sum by (category) (increase(homeiq_ingest_errors_total{_WHERE}{_RATE}))"
    yield _curves("Errors, by kind", Query(errors, "{{category}}"), unit="short")
    lost = f'sum by (term) (increase(homeiq_ingest_states_total{{instance=~"$instance",term=~"{MISSED}"}}{_RATE}))'
    yield _curves(
        "Dead letters that are kept", Query(f"homeiq_ingest_dead_letters{_WHERE}", "{{instance}}"), unit="short"
    )
    yield _curves("Refused, dropped or evicted", Query(lost, "{{term}}"), unit="short")
    yield _curves(
        "Connecting to Home Assistant",
        Query(f"sum(increase(homeiq_ingest_connection_attempts_total{_WHERE}{_RATE}))", "attempts"),
        Query(f"sum(increase(homeiq_ingest_connection_failures_total{_WHERE}{_RATE}))", "failures"),
        unit="short",
    )


MISSED: Final = "rejected|malformed|shed|evicted"
"""Terms of the books that no state should come under."""


def _process() -> Iterator[Panel]:
    yield _curves("Memory", Query(f"process_resident_memory_bytes{_WHERE}{_OURS}", "{{instance}}"), unit="bytes")
    yield _curves(
        "Processor", Query(f"rate(process_cpu_seconds_total{_WHERE}{_RATE}){_OURS}", "{{instance}}"), unit="percentunit"
    )
    busy = f"rate(homeiq_ingest_event_loop_seconds_sum{_WHERE}{_RATE})"
    yield _curves("How busy the event loop is", Query(busy, "{{instance}}"), unit="percentunit")
    longest = Query(f"homeiq_ingest_event_loop_longest_seconds{_WHERE}", "{{instance}}")
    yield _curves("The longest that everybody had to wait", longest, unit="s")
    yield _curves("Running since", Query(f"homeiq_ingest_uptime_seconds{_WHERE}", "{{instance}}"), unit="s")
    yield _curves(
        "What the registries hold", Query(f"homeiq_ingest_registry_entries{_WHERE}", "{{registry}}"), unit="short"
    )


def _curves(title: str, *queries: Query, unit: str) -> Panel:
    return Panel(title, "timeseries", 12, 7, queries, unit)
