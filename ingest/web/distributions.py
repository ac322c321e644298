"""Metrics that are kept between two looks: distributions, and what is counted nowhere else. Folds over reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import define, field
from prometheus_client import CollectorRegistry, Counter, Histogram

from ingest.core import reports
from ingest.core.reports import Report
from ingest.core.session import SessionState

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
POINTS = (1, 10, 50, 100, 500, 1000, 2500, 5000, 10_000)
BYTES = (256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304)
LAG = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21_600, 86_400, 604_800)
"""Buckets; the lag's reach to a week, which is how long an outage may last and still be made good."""

ENDS = frozenset({SessionState.WAITING, SessionState.REFUSED})


@define(eq=False)
class Distributions:
    """Registers itself in `registry`. `now_ns` is the wall clock of this machine."""

    registry: CollectorRegistry
    now_ns: Callable[[], int]
    _histograms: Mapping[str, Histogram] = field(init=False)
    _counters: Mapping[str, Counter] = field(init=False)
    _doing: dict[str, SessionState] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        lag = (
            "From a state's last_updated, by the clock of Home Assistant's machine, to its being acknowledged by the "
            "store, by ours: of each batch its newest and its oldest state, those of the history and of a backlog too."
        )
        self._histograms = {
            "seconds": self._histogram("delivery_seconds", "How long a delivery took.", SECONDS),
            "points": self._histogram("batch_points", "Points of a batch.", POINTS),
            "bytes": self._histogram("batch_bytes", "Bytes of a batch, as it is kept.", BYTES),
            "lag": self._histogram("lag_seconds", lag, LAG, "of"),
        }
        ends = (
            "Sessions, and attempts at one, that ended, by what they were doing (live is a connection that was lost) and by "
            "who can fix it: nobody (the next attempt may succeed) or a person (a token, an address, a setting)."
        )
        stages = "States that broke a stage and became dead letters."
        self._counters = {
            "ends": self._counter("session_ends", ends, "candidate", "during", "mends"),
            "stages": self._counter("stage_errors", stages, "stage"),
            "kept": self._counter("delivery_failures", "Deliveries that the store did not take; they are tried again."),
        }

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"homeiq_ingest_{name}", text, labels, buckets=buckets, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"homeiq_ingest_{name}", text, labels, registry=self.registry)

    def hear(self, report: Report) -> None:
        """Take the next report: what says how long or how large something was is counted."""
        match report:
            case reports.Stored(oldest_ns=oldest_ns, newest_ns=newest_ns, seconds=seconds):
                self._histograms["seconds"].observe(seconds)
                self._lag("oldest", oldest_ns)
                self._lag("newest", newest_ns)
            case reports.Batched(count=count, size=size):
                self._histograms["points"].observe(count)
                self._histograms["bytes"].observe(size)
            case reports.StoreWaiting():
                self._counters["kept"].inc()
            case reports.DeadLetter(store=stage):
                self._counters["stages"].labels(stage).inc()
            case reports.SessionChanged(candidate=name, state=state) if state not in ENDS:
                self._doing[name] = state
            case reports.ConnectionFailed(candidate=name, needs_person=needs_person):
                self._ended(name, "person" if needs_person else "nobody")
            case reports.CandidateRefused(candidate=name):
                self._ended(name, "person")
            case _:
                pass

    def _lag(self, which: str, time_ns: int | None) -> None:
        """A clock of Home Assistant's that is ahead of ours makes no negative one."""
        if time_ns is not None:
            self._histograms["lag"].labels(which).observe(max(0, self.now_ns() - time_ns) / 1e9)

    def _ended(self, name: str, mends: str) -> None:
        doing = self._doing.get(name, SessionState.IDLE)
        self._counters["ends"].labels(name, doing.value, mends).inc()
