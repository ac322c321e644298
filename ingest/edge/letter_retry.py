"""Which dead letters go back into the spool, and in which batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from ingest.edge.letter_file import Letter, Letters
from ingest.edge.spool_rows import Key
from ingest.errors import Refused

BATCH = 5_000
"""Lines that go back together at most."""

NAMED = 20
"""Missing letters that an error names at most."""


def named(letters: Letters, ids: Sequence[int]) -> list[Letter]:
    """The letters with these ids. Raises `Refused` when one is not there."""
    found = {each: letters.find(each) for each in ids}
    missing = [str(each) for each, letter in found.items() if letter is None]
    if missing:
        remedy = "`homeiq-ingest dead-letters list` shows which there are."
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise Refused(f"there is no dead letter {', '.join(missing[:NAMED])}{more}", remedy=remedy)
    return [letter for letter in found.values() if letter is not None]


def returning(letters: Iterable[Letter], key: Key) -> Iterator[list[Letter]]:
    """Of these letters those that this spool can take, in batches of at most `BATCH`.

    What another home's took nobody would send.
    """
    rest = (letter for letter in letters if letter.is_line and Key(letter.home, letter.store) == key)
    while part := list(islice(rest, BATCH)):
        yield part
