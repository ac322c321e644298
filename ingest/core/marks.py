"""What the marks of a home say together. Times in nanoseconds, Home Assistant's.

The mark of an entity that is gone lies between two of Home Assistant's times: no state is there, and none is known since.
So does that of one whose removal is known, just after it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from attrs import define, field
from msgspec.structs import replace

from ingest.core.coverage import FOREVER, MICROSECOND, TURNED_BACK, Mark
from ingest.core.home_clock import LITTLE_NS
from ingest.core.room import ENTITIES, make_room

UNKNOWN = 1
"""So many nanoseconds after one of Home Assistant's times stands what is no state's."""

REMOVED = 2
"""So many nanoseconds after the removal of an entity stands its mark: that state is known, and no other has to be there since."""


def unknown_at(from_ns: int) -> int:
    """Where the span begins of an entity of which no state is known at the beginning of its gap."""
    return from_ns - from_ns % MICROSECOND + UNKNOWN


def is_absent(mark: Mark) -> bool:
    """True when the mark is no state's: the entity was not there then."""
    return mark.time_ns % MICROSECOND == UNKNOWN


def state_ns(mark: Mark) -> int:
    """When the newest state was, or the removal."""
    return mark.time_ns - REMOVED * _is_removed(mark)


def _is_removed(mark: Mark) -> bool:
    return mark.time_ns % MICROSECOND == REMOVED


def doubted(mark: Mark) -> int:
    """Where the mark stands when its newest state, or the removal, is not known to be stored: just before it, told once or often."""
    is_state = not is_absent(mark) and mark.time_ns % MICROSECOND != MICROSECOND - 1
    return state_ns(mark) - is_state


def went_back(mark: Mark, time_ns: int, newest_ns: int) -> bool:
    """True when Home Assistant's clock was set back, where a state of that time is newer than what the mark stands for.

    `newest_ns` is the newest time that was told together with it. Who is absent has a state older than its mark when only that
    snapshot lacked it; when all that is told is older, the mark is of a time that is still to come.
    """
    return time_ns < mark.time_ns and (not is_absent(mark) or newest_ns < mark.time_ns)


def missing_since(mark: Mark | None, from_ns: int, first_ns: int = FOREVER) -> int:
    """Since when something may be missing of an entity, in a gap that begins at `from_ns`; it was seen at `first_ns` then.

    The recorder may keep its removal no longer. Of a run that ended before its snapshot the gap begins before what came live.
    Where its mark is of a time that was still to come when it was seen, that tells nothing of the gap.
    """
    if mark is None or is_absent(mark) or first_ns < state_ns(mark):
        return unknown_at(from_ns)
    return unknown_at(max(from_ns, mark.time_ns)) if _is_removed(mark) else mark.time_ns


def newest(marks: Mapping[str, Mark]) -> int:
    """The time of the newest state of all; 0 without any."""
    return max((state_ns(mark) - UNKNOWN * is_absent(mark) for mark in marks.values()), default=0)


def named(marks: Mapping[str, Mark]) -> dict[str, str]:
    """By entity_id the id under which it was seen last: the key of its newest mark."""
    return {mark.entity_id: key for key, mark in sorted(marks.items(), key=lambda each: each[1].time_ns)}


def gone_of(marks: Mapping[str, Mark], there: Collection[str], known_as: Mapping[str, str], from_ns: int) -> list[Mark]:
    """Those that are not there, neither by name nor by id, each at the beginning of what is missing of it.

    `known_as` says under which id each name was seen last. One that several bore is asked for once: of the others
    everything was stored when it changed hands.
    """
    gone = [mark for key, mark in marks.items() if key not in there and mark.entity_id not in there]
    return [
        replace(mark, time_ns=missing_since(mark, from_ns))
        for mark in gone
        if known_as[mark.entity_id] == mark.registry_id
    ]


@define
class Extent:
    """From when to when the states are that were added; `FOREVER` and 0 without any."""

    oldest_ns: int = FOREVER
    newest_ns: int = 0

    def add(self, time_ns: int) -> None:
        """A state of that time is one of them."""
        self.oldest_ns, self.newest_ns = min(self.oldest_ns, time_ns), max(self.newest_ns, time_ns)


@define
class Marks:
    """The mark of every entity, by its id for life, and which moved since that was asked last.

    At most `entities` marks are remembered: that of an entity that is gone is forgotten first, then the one that came first.
    """

    marks: dict[str, Mark] = field(factory=dict)
    entities: int = field(default=ENTITIES, kw_only=True)
    _moved: list[Mark] = field(factory=list, init=False)
    _gone: list[str] = field(factory=list, init=False)
    _until_look: int = field(default=0, init=False)
    _known_as: dict[str, str] = field(factory=dict, init=False)
    """By entity_id the id under which it was seen last, as of when that was looked at."""
    _last_ns: int = field(default=0, init=False)
    """The time of the state that came last; 0 before any did."""

    @property
    def until_ns(self) -> int:
        """Until then everything is known that was heard; 0 when nothing was.

        One state from a future that Home Assistant's clock was set back from does not say so for all the others.
        """
        newest_ns = newest(self.marks)
        return self._last_ns if 0 < self._last_ns < newest_ns - LITTLE_NS else newest_ns

    def advance(self, registry_id: str, entity_id: str, time_ns: int) -> bool:
        """Move a mark that is there to a state that is not older; False, and nothing is done, for any other."""
        known = self.marks.get(registry_id)
        if known is None:
            return False
        newest_ns = known.time_ns
        oldest_ns = known.first_ns or newest_ns
        if time_ns < newest_ns or time_ns < oldest_ns:
            return False
        self._last_ns = time_ns
        mark = self.marks[registry_id] = Mark(registry_id, entity_id, time_ns, oldest_ns)
        self._moved.append(mark)
        return True

    def remove(self, removal: Mark) -> None:
        """That state is a removal: where it is the newest, no other has to be there since."""
        # While a home is read anew its mark is under the id that it had when the registries could be read.
        known = self.marks.get(removal.registry_id) or self.marks.get(self._keyed(removal).registry_id)
        if known is not None and known.time_ns == removal.time_ns:
            self._put(replace(known, time_ns=known.time_ns + REMOVED, first_ns=known.oldest_ns))

    def has(self, registry_id: str, entity_id: str, time_ns: int) -> bool:
        """True for the newest state of that entity that is stored, or on its way; nothing moves."""
        mark = mark_of(self.marks, self._known_as, self._key(registry_id, entity_id), entity_id)
        return mark is not None and time_ns == mark.time_ns

    def _put(self, mark: Mark) -> None:
        """It moved, whatever it was before."""
        if mark.registry_id not in self.marks:
            self._make_room()
        self.marks[mark.registry_id] = mark
        self._moved.append(mark)

    def _make_room(self) -> None:
        if len(self.marks) < self.entities:
            return
        self._until_look -= 1
        if self._until_look < 0:
            # They are all looked at for this: seldom, as a home may bring thousands more than there is room for.
            self._until_look = self.entities // 100
            self._gone = [key for key, mark in reversed(self.marks.items()) if is_absent(mark)]
        while self._gone:
            key = self._gone.pop()
            if key in self.marks and is_absent(self.marks[key]):
                del self.marks[key]
                return
        make_room(self.marks, self.entities)

    def _key(self, registry_id: str, entity_id: str) -> str:
        """The entity's name for life; while the registries cannot be read, the one that it had when they could."""
        return registry_id if registry_id != entity_id else self._known_as.get(entity_id, registry_id)

    def _keyed(self, mark: Mark) -> Mark:
        return replace(mark, registry_id=self._key(mark.registry_id, mark.entity_id))

    def _reach_back(self, registry_id: str, time_ns: int, *, last: bool) -> None:
        """A state came that may be older than the mark of its entity. When it came `last`, the clock was set back.

        Then the mark goes back with it, which on its way to disk has to be said.
        """
        known = self.marks.get(registry_id)
        if known is None:
            return
        if last and went_back(known, time_ns, time_ns):
            self.marks[registry_id] = replace(known, time_ns=time_ns, first_ns=min(known.oldest_ns, time_ns))
            self._moved.append(replace(known, time_ns=time_ns, first_ns=TURNED_BACK))
        elif time_ns < known.oldest_ns:
            self._put(replace(known, first_ns=time_ns))

    def forget(self, oldest_ns: int, newest_ns: int) -> None:
        """States of that time were lost: what the next snapshot says of their entities is not stored already."""
        for key, mark in tuple(self.marks.items()):
            if oldest_ns <= state_ns(mark) <= newest_ns and not is_absent(mark):
                self.lose(key)

    def lose(self, registry_id: str) -> None:
        """The newest state of that entity was lost: it is not known to be stored, but everything before it is."""
        if (mark := self.marks.get(registry_id)) is not None:
            self.marks[registry_id] = replace(mark, time_ns=doubted(mark))


def bearers(marks: Mapping[str, Mark]) -> list[Mark]:
    """The marks without those whose name another id had last."""
    names = named(marks)
    return [mark for key, mark in marks.items() if names[mark.entity_id] == key]


def mark_of(marks: Mapping[str, Mark], names: Mapping[str, str], key: str, entity_id: str) -> Mark | None:
    """An entity's mark under its id, or under another that its name had last (`names`), whichever is the newer.

    Who gets an old id back, as from a back-up of the registry, has the mark of then under it.
    """
    own, other = marks.get(key), marks.get(names.get(entity_id, key))
    if other is None or other.entity_id != entity_id:
        return own
    if own is None or (own.entity_id == entity_id and own.time_ns < other.time_ns):
        return other
    return own
