"""Reading what a database holds, over `/query`: spans of time that are as long as an answer stays small. Blocking.

An answer is looked at whole, so its size bounds the memory: one of more than `LARGEST` is thrown away unread and half of
the span asked for instead. The client reads 16 MiB of an answer at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlencode

from attrs import define, frozen

from ingest.core.influx_answer import CHECK_URL, Answer, check_token, is_page, words
from ingest.core.influxql import FIELD_KEYS, Stored, Unreadable, between, selects
from ingest.edge.influx_client import Client
from ingest.errors import Refused, Transient

LARGEST: Final = 4 * 1024 * 1024
SMALL: Final = LARGEST // 8
"""Bytes of an answer: of more half of the span is asked for, of less twice the span the next time."""

SHORTEST_NS: Final = 10**9
FIRST_NS: Final = 300 * 10**9
LONGEST_NS: Final = 6 * 3_600 * 10**9
"""Nanoseconds: a span, the first one, the longest."""

NOTHING: Final = "{}"
"""The answer of a database that holds nothing."""

# The charset keeps the client from making a form of its own.
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}

MAPPING: Final = (
    "InfluxDB 2 is asked in InfluxQL: a bucket needs a mapping of its own name, which newer ones have by themselves"
    " (else: influx v1 dbrp create --db BUCKET --rp autogen --default --bucket-id ID)."
)


@frozen
class Source:
    """One side: a database's client, the statements that read it, and how its answer is read. `shift_ns` moves its spans."""

    client: Client
    selects: Sequence[str]
    read: Callable[[str], Iterator[Stored]]
    shift_ns: int = 0

    def ask(self, from_ns: int, to_ns: int) -> str:
        """The answer for a span, or as much of it as is read. Raises `Refused` or `Transient`."""
        if not self.selects:
            return NOTHING
        return ask(self.client, between(self.selects, from_ns + self.shift_ns, to_ns + self.shift_ns))

    def points(self, text: str) -> list[Stored]:
        """The points in an answer. Raises `Refused` with the server's words when it is none."""
        with _readable(self.client):
            return list(self.read(text))


def ask(client: Client, statements: str) -> str:
    """What a database answers to statements in InfluxQL. Raises `Refused` or `Transient`."""
    query = {"db": client.address.bucket, "epoch": "ns"}
    # In the body, because a list of all measurements is too long for an address.
    answer = client.request("POST", "/query", query, FORM, urlencode({"q": statements}).encode())
    if answer.status != 200:
        raise _problem(client, answer)
    return answer.text


def everything(client: Client) -> list[str]:
    """The statements that read all that a database holds. Raises as `ask`."""
    answer = ask(client, FIELD_KEYS)
    with _readable(client):
        return selects(answer)


@contextmanager
def _readable(client: Client) -> Iterator[None]:
    try:
        yield
    except Unreadable as error:
        raise Refused(f"the database cannot tell: {error}", where=_where(client), remedy=MAPPING) from None


def _problem(client: Client, answer: Answer) -> Refused | Transient:
    said = f"the database answers {answer.status}: {words(answer)}"
    if answer.status in {401, 403}:
        return Refused(said, where=_where(client), remedy=check_token(client.address.token_setting))
    if answer.status == 429 or answer.status >= 500:
        return Transient(said, where=_where(client), remedy="Try again.")
    return Refused(said, where=_where(client), remedy=CHECK_URL if is_page(answer) else MAPPING)


def _where(client: Client) -> str:
    return f"{client.address.where}, {client.address.bucket}"


@frozen
class Window:
    """What both sides hold from `from_ns` to `to_ns`, the end not included."""

    from_ns: int
    to_ns: int
    ours: list[Stored]
    theirs: list[Stored]


@define
class Windows:
    """Both sides, span by span."""

    ours: Source
    theirs: Source
    length_ns: int = FIRST_NS

    def between(self, from_ns: int, to_ns: int) -> Iterator[Window]:
        """Every span, in order. Raises as `Source`, and `Refused` when a second holds too much.

        Between whole seconds all spans are such: what the original's precision cuts stays in the span that it is of.
        """
        for begin_ns, end_ns, (ours, theirs) in self._spans((self.ours, self.theirs), from_ns, to_ns):
            yield Window(begin_ns, end_ns, ours, theirs)

    def original(self, from_ns: int, to_ns: int) -> Iterator[list[Stored]]:
        """What they alone hold, span by span. Raises as `between`."""
        for _, _, (theirs,) in self._spans((self.theirs,), from_ns, to_ns):
            yield theirs

    def _spans(
        self, sources: Sequence[Source], from_ns: int, to_ns: int
    ) -> Iterator[tuple[int, int, list[list[Stored]]]]:
        while from_ns < to_ns:
            end_ns = min(from_ns + self.length_ns, to_ns)
            texts = [source.ask(from_ns, end_ns) for source in sources]
            size = max(map(len, texts))
            if size > LARGEST and self.length_ns > SHORTEST_NS:
                self.length_ns = max(self.length_ns // 2 // SHORTEST_NS * SHORTEST_NS, SHORTEST_NS)
                continue
            yield from_ns, end_ns, [source.points(text) for source, text in zip(sources, texts, strict=True)]
            from_ns = end_ns
            if size < SMALL:
                self.length_ns = min(self.length_ns * 2, LONGEST_NS)
