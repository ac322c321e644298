"""What `/metrics` says of the clients of `/ws` and `/ws/status`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import frozen
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ingest.web.audience import Audience
from ingest.web.listeners import REASONS
from ingest.web.seats import Seats

_NAME = "homeiq_ingest_websocket"


@frozen(eq=False)
class LiveMetrics(Collector):
    """Read when it is asked for."""

    audience: Audience
    seats: Seats

    def describe(self) -> Iterable[Metric]:
        """Nothing is read before somebody asks."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Clients, those that were dropped, and events that were left out of full frames."""
        audience = self.audience
        yield GaugeMetricFamily(
            f"{_NAME}_clients", "Clients that are connected to /ws and /ws/status.", value=self.seats.taken
        )
        yield GaugeMetricFamily(
            f"{_NAME}_waiting_bytes", "Bytes of frames that wait for clients of /ws.", value=audience.held
        )
        dropped = CounterMetricFamily(
            f"{_NAME}_dropped", "Clients of either that were dropped or refused.", labels=["reason"]
        )
        for reason in REASONS:
            dropped.add_metric([reason], self.seats.refused if reason == "full" else audience.dropped[reason])
        yield dropped
        yield CounterMetricFamily(
            f"{_NAME}_omitted", "Events left out of frames of /ws that were full.", value=audience.omitted
        )
