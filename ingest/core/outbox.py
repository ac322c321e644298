"""What waits to be told data-api, and what it was told.

    Entry ──▶ only what changed ──▶ Chunk: up to 1,000 entries, compressed while they wait ──▶ taken, or halved

A registry of 23 MB waits in about a tenth of that. Once data-api has taken a chunk, a hash of each entry is left of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from attrs import define, evolve, field, frozen

from ingest.core.publishing import Entry, Kind

CHUNK = 1000
"""Entries of a chunk at most."""

HEAVY = 1024 * 1024
"""Bytes of entries after which a chunk is full though it holds fewer than `CHUNK`: a proxy may allow no more."""


@frozen
class Stub:
    """What is remembered of an entry: its JSON is `size` bytes of the chunk's."""

    id: str
    hash: int
    size: int


@frozen
class Chunk:
    """Entries that are posted together, compressed while they wait.

    `failures`: how often these very entries were not taken; `since`: how many chunks had been taken when that happened
    first, to them or to what they are a part of. None: it did not.
    """

    kind: Kind
    stubs: tuple[Stub, ...]
    packed: bytes = field(repr=False)
    failures: int = 0
    since: int | None = None

    def __len__(self) -> int:
        return len(self.stubs)

    def body(self) -> bytes:
        """The request's body: an array, or an object of services."""
        joined = b",".join(self._jsons())
        return b"{%b}" % joined if self.kind is Kind.SERVICES else b"[%b]" % joined

    def failed(self, taken: int) -> Chunk:
        """The same after one more failure, when so many chunks have been taken."""
        return evolve(self, failures=self.failures + 1, since=taken if self.since is None else self.since)

    def halves(self) -> tuple[Chunk, ...]:
        """Its entries in two chunks. There must be two entries at least."""
        jsons, middle = self._jsons(), len(self.stubs) // 2
        return tuple(
            evolve(self, stubs=self.stubs[part], packed=_packed(jsons[part]), failures=0)
            for part in (slice(middle), slice(middle, None))
        )

    def _jsons(self) -> list[bytes]:
        whole = zlib.decompress(self.packed)
        ends = list(accumulate(stub.size for stub in self.stubs))
        return [whole[end - stub.size : end] for stub, end in zip(self.stubs, ends, strict=True)]


@define
class Packer:
    """Puts entries of one kind into chunks of at most `CHUNK`; one is full at `HEAVY` bytes, too."""

    kind: Kind
    _held: list[Entry] = field(factory=list)
    _size: int = 0

    def add(self, entries: Iterable[Entry]) -> Iterator[Chunk]:
        """Take entries; the chunks that became full."""
        for entry in entries:
            self._held.append(entry)
            self._size += len(entry.json)
            if len(self._held) >= CHUNK or self._size >= HEAVY:
                yield from self.rest()

    def rest(self) -> Iterator[Chunk]:
        """What is not in a chunk yet."""
        held, self._held, self._size = self._held, [], 0
        if held:
            stubs = tuple(Stub(each.id, each.hash, len(each.json)) for each in held)
            yield Chunk(self.kind, stubs, _packed([each.json for each in held]))


def _packed(jsons: Sequence[bytes]) -> bytes:
    return zlib.compress(b"".join(jsons), 1)


@define
class Acknowledged:
    """What data-api has: of each entry the hash of its JSON."""

    _known: dict[Kind, dict[str, int]] = field(factory=lambda: {kind: {} for kind in Kind})

    def news(self, kind: Kind, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The entries that it was not told, or not so."""
        known = self._known[kind]
        return (each for each in entries if known.get(each.id) != each.hash)

    def add(self, chunk: Chunk) -> None:
        """Note that data-api has the entries of this chunk."""
        self._known[chunk.kind].update((stub.id, stub.hash) for stub in chunk.stubs)

    def keep(self, kind: Kind, present: set[str]) -> None:
        """Forget what is no longer there: it is told again, should it come back."""
        known = self._known[kind]
        for gone in known.keys() - present:
            del known[gone]

    def forget(self) -> None:
        """Forget everything: all is told again."""
        for known in self._known.values():
            known.clear()
