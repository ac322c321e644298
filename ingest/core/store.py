"""What a store is: a pure codec, and a delivery that ends in a verdict.

    points ──encode──▶ items ──seal──▶ payload ──deliver──▶ verdict

An item is one encoded point (a line, a row); a payload is what is sent, frozen: sending it again is the same bytes,
hence idempotent. The spool keeps payloads, and looks into one only when it has to drop it: whose states go is missing then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeAlias, TypeVar

from attrs import define, evolve, frozen

from ingest.core.coverage import NO_NOTE, Note
from ingest.core.evicted import Named
from ingest.core.gap_points import GapPoint
from ingest.core.point import Point
from ingest.core.registry_points import RegistryPoint

Item = TypeVar("Item")
Payload = TypeVar("Payload")


@frozen
class Codec(Generic[Item, Payload]):
    """A store's schema: pure functions.

    `encode` may raise: that one point goes to the dead letters. None: the schema does not write such a point
    (filtered). `size` is the weight of items in bytes. `gap` encodes a gap of the coverage; None: the store has no such
    points. `registry` encodes an entry of a registry; None likewise. `heartbeats`: it takes points that say a value again.
    `whose` says who has states in a payload, as far as that is known: None when it is not.
    """

    encode: Callable[[Point], Item | None]
    size: Callable[[Sequence[Item]], int]
    seal: Callable[[Sequence[Item]], Payload]
    gap: Callable[[GapPoint], Item | None] | None = None
    registry: Callable[[RegistryPoint], Item | None] | None = None
    heartbeats: bool = False
    whose: Callable[[Payload], Sequence[Named] | None] = lambda _: None


@frozen
class Batch(Generic[Payload]):
    """A payload and what must be known of it without opening it. Times in nanoseconds; `size` in bytes as it is kept.

    `note` is what the ledger of coverage may write down as soon as the batch is safe.
    One that was dropped may be `counted` among the lasting totals by the very file that dropped it.
    """

    payload: Payload
    count: int
    size: int
    oldest_ns: int
    newest_ns: int
    note: Note = NO_NOTE
    counted: bool = False


@frozen
class Delivered:
    """Everything in the payload is stored and can be queried; `rejected` are the exceptions, named by the server."""

    rejected: tuple[Rejection, ...] = ()


@frozen
class Rejection:
    """One line that the server named, and its words."""

    line: str
    reason: str


@frozen
class Keep:
    """Nothing is known to be stored: keep the batch and try again.

    `retry_after` is the server's own wish in seconds. `remedy` is set when a person must act. `progress`: nothing failed,
    the delivery only takes more than one attempt may cost. Go on at once; it ends, as each such attempt came nearer.
    """

    reason: str
    retry_after: float | None = None
    remedy: str = ""
    progress: bool = False


Verdict: TypeAlias = Delivered | Keep


@frozen
class Store(Generic[Item, Payload]):
    """One destination. `name` keys its state; `deliver` never raises for what a server or disk may answer."""

    name: str
    codec: Codec[Item, Payload]
    deliver: Callable[[Batch[Payload]], Awaitable[Verdict]]


def always(_point: Point) -> bool:
    """What a store writes whose schema leaves nothing out."""
    return True


def writing(codec: Codec[Item, Payload]) -> Callable[[Point], bool]:
    """Whether the schema writes a point. Not the batcher's own codec: it remembers what it wrote before."""

    def writes(point: Point) -> bool:
        try:
            return codec.encode(point) is not None
        except Exception:  # noqa: BLE001  such a point becomes a dead letter; it is not the schema that leaves it out
            return True

    return writes


def since(codec: Codec[Item, Payload], oldest_ns: Callable[[], int]) -> Codec[Item, Payload]:
    """The codec of a store that keeps nothing older: such a point is not written, where the store would refuse it."""
    gap, registry = codec.gap, codec.registry
    return evolve(
        codec,
        encode=lambda point: codec.encode(point) if point.time_ns >= oldest_ns() else None,
        gap=gap and (lambda point: gap(point) if point.time_ns >= oldest_ns() else None),
        registry=registry and (lambda point: registry(point) if point.time_ns >= oldest_ns() else None),
    )


@define
class Age:
    """What is too old for a store that keeps nothing older than `kept_ns`, as far as a running service can know.

    What comes live is old only if a clock is wrong, and that might be ours. What is told later, of a snapshot or the
    history, is aged by the newest that came live, while our clock is ahead of that.
    """

    kept_ns: int
    now_ns: Callable[[], int]
    newest_ns: int | None = None

    def oldest_ns(self) -> int:
        """The time of the oldest that is kept."""
        now = self.now_ns()
        return (now if self.newest_ns is None else min(now, self.newest_ns)) - self.kept_ns


def living(codec: Codec[Item, Payload], age: Age) -> Codec[Item, Payload]:
    """The codec of a running service's store that keeps nothing older: what comes live is always written."""
    aged = since(codec, age.oldest_ns)

    def encode(point: Point) -> Item | None:
        if point.origin is not None:
            return aged.encode(point)
        newest_ns = age.newest_ns
        age.newest_ns = point.time_ns if newest_ns is None else max(newest_ns, point.time_ns)
        return codec.encode(point)

    return evolve(aged, encode=encode)
