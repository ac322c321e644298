"""What is known of the lines of batches that are kept, however the next batch is made up of them.

While a backlog grows, each claim of the oldest takes in what came meanwhile, so hardly a batch comes twice. What was
found is therefore remembered by line: the next batch that holds some of these lines goes on from there, and what it
holds besides is added to the search.

It is forgotten with the verdict. A line that comes again after that, out of the dead letters, is asked for anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain

from attrs import Factory, define, evolve, field, frozen

from ingest.core.learnt_types import Lines, Part

REMEMBERED = 4
"""Batches whose search is remembered; each holds its lines."""


@frozen
class Known:
    """Of some lines: what is still to be sent, the next at the end; what is refused, with the words; what was taken."""

    pending: tuple[Part, ...] = ()
    refused: Mapping[bytes, str] = Factory(dict)
    taken: frozenset[bytes] = frozenset()

    def __bool__(self) -> bool:
        """Something is known."""
        return bool(self.pending or self.refused or self.taken)

    def only(self, wanted: Callable[[bytes], bool]) -> Known:
        """What is known of those lines alone for which `wanted` is true."""
        parts = (evolve(part, lines=tuple(filter(wanted, part.lines))) for part in self.pending)
        refused = {line: words for line, words in self.refused.items() if wanted(line)}
        return Known(tuple(part for part in parts if part.lines), refused, frozenset(filter(wanted, self.taken)))

    def lacks(self, lines: Lines) -> Lines:
        """Those of the lines of which nothing is known."""
        known = {*self.refused, *self.taken, *_in(self.pending)}
        return tuple(line for line in lines if line not in known)


@define
class Searches:
    """What the searches found that did not come to an end, the latest last. Bounded: the oldest gives way."""

    _found: list[Known] = field(factory=list)

    def __len__(self) -> int:
        """How many searches are remembered."""
        return len(self._found)

    def known(self, lines: Lines) -> Known:
        """What is known of these lines."""
        wanted = frozenset(lines).__contains__
        found = [each.only(wanted) for each in self._found]
        return Known(
            tuple(chain.from_iterable(each.pending for each in found)),
            {line: words for each in found for line, words in each.refused.items()},
            frozenset().union(*(each.taken for each in found)),
        )

    def taken(self, lines: Iterable[bytes]) -> frozenset[bytes]:
        """Those of the lines that were taken. May be asked in another thread."""
        wanted = frozenset(lines)
        return frozenset().union(*(wanted & each.taken for each in tuple(self._found)))

    def keep(self, lines: Lines, pending: Iterable[Part], refused: Mapping[bytes, str]) -> None:
        """The search of these lines is to go on later; what is neither pending nor refused was taken."""
        self.forget(lines)
        parts = tuple(pending)
        self._found.append(Known(parts, dict(refused), frozenset(lines) - {*refused, *_in(parts)}))
        del self._found[:-REMEMBERED]

    def forget(self, lines: Lines) -> None:
        """There is a verdict on these lines, or their search begins anew."""
        gone = frozenset(lines)
        rest = (each.only(lambda line: line not in gone) for each in self._found)
        self._found = [each for each in rest if each]


def _in(parts: Iterable[Part]) -> Iterable[bytes]:
    return chain.from_iterable(part.lines for part in parts)
