"""An import: what of the time before everything that is stored is to be asked for, entity by entity. Pure.

    since ─────────── the span ───────────┤ first stored state ─── stored, or a gap of its own ───▶ now

Only what lies before an entity's first stored state is missing; what the history tells of the time after it is poorer
than what is stored. Of an entity of which nothing is stored everything is, until a while ago: what comes from then on
comes live. What the filter left out later, between two stored states, is missing as well.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import translate

from attrs import evolve, frozen

from ingest.core.coverage import FOREVER, MICROSECOND, Mark, Span
from ingest.core.marks import state_ns
from ingest.errors import Refused

NOTHING = 0
"""In the place of a mark's times: nothing of the entity is stored."""

BETWEEN = MICROSECOND // 2
"""Added to a time of Home Assistant's, or taken from it: no state is there."""


@frozen
class Wanted:
    """Everything of these entities from `since_ns` until `until_ns`, both whole microseconds of Home Assistant's.

    `again`: what is stored, too. `whole`: these are all there are, so that the home is known from then on. `excluded` are
    spans that the filter left out and that may not be in the ledger yet.
    """

    since_ns: int
    until_ns: int
    entities: Sequence[Mark]
    again: bool = False
    whole: bool = False
    excluded: Sequence[Span] = ()


@frozen
class Taken:
    """A span that was left out is asked for now; `rest_ns` is where the rest of it ends that is not, None: there is none."""

    span_id: int
    rest_ns: int | None


def chosen(entities: Iterable[Mark], globs: Sequence[str], passes: Callable[[Mark], bool]) -> Iterator[Mark]:
    """The entities that one of the globs names, all without globs, and that pass. Each once, by its name for life."""
    named = re.compile("|".join(map(translate, globs))).match if globs else None
    seen: set[str] = set()
    for each in entities:
        if each.registry_id not in seen and (named is None or named(each.entity_id)) and passes(each):
            seen.add(each.registry_id)
            yield each


def check_named(found: Sequence[Mark], globs: Sequence[str]) -> None:
    """Raises `Refused` when globs were given and name nothing: what is not there is not "stored already"."""
    if globs and not found:
        named = " or ".join(map(repr, globs))
        remedy = "`homeiq-ingest query '*'` lists what is stored, `homeiq-ingest explain ENTITY` says why an entity is left out."
        raise Refused(f"no entity that is to be stored matches {named}", remedy=remedy)


def known(entity: Mark, stored: Mark | None) -> Mark:
    """What two say of an entity that one of them may not know whole: its oldest state and its newest."""
    if stored is None:
        return entity
    first = [each for each in (entity.oldest_ns, stored.oldest_ns) if each]
    return Mark(entity.registry_id, entity.entity_id, max(entity.time_ns, stored.time_ns), min(first, default=NOTHING))


def stored_since(entity: Mark, since_ns: int | None) -> Mark:
    """The entity, where everything since then may be stored, and no mark tells of it. None: marks tell of everything."""
    if since_ns is None or 0 < entity.oldest_ns <= since_ns:
        return entity
    return Mark(entity.registry_id, entity.entity_id, max(entity.time_ns, since_ns), since_ns)


def spans_of(wanted: Wanted, pending: Mapping[str, int], stored: Iterable[Mark] = ()) -> list[Span]:
    """What is to be asked for. `pending` says since when an entity's states are asked for already; `stored` are all marks.

    The history knows names only. What another entity did under a name before is stored as that one's, and so is asked for
    what came before its first state. Where no state is known to be at an end of a span, that end lies between two
    microseconds.
    """
    named = defaultdict[str, list[Mark]](list)
    for each in stored:
        named[each.entity_id].append(each)
    spans = []
    for each in wanted.entities:
        before = [mark for mark in named[each.entity_id] if _bore_it_before(mark, each)]
        begun_ns = max([wanted.since_ns - 1, *(whole_microseconds(mark.time_ns) + BETWEEN for mark in before)])
        asked = [Span(each.entity_id, each.registry_id, begun_ns, _before(each, wanted))]
        if before:
            first = min(before, key=lambda mark: mark.oldest_ns)
            asked.append(Span(each.entity_id, first.registry_id, wanted.since_ns - 1, first.oldest_ns))
        spans += [_not_pending(span, pending, again=wanted.again) for span in asked]
    return [each for each in spans if each.before_ns > each.after_ns + 1]


def with_left_out(
    wanted: Wanted, spans: Sequence[Span], left_out: Mapping[str, Sequence[Span]]
) -> tuple[list[Span], list[Taken]]:
    """The spans with what of these entities was left out since then; and what is taken of that.

    Of what has no end yet nothing is: its entity is left out still, or not there.
    """
    named = {each.registry_id for each in wanted.entities}
    chosen = [
        each
        for name, those in left_out.items()
        if name in named
        for each in those
        if wanted.since_ns < each.before_ns < FOREVER
    ]
    begun = [evolve(each, id=0, after_ns=max(each.after_ns, wanted.since_ns - 1)) for each in chosen]
    rests = [wanted.since_ns - BETWEEN if each.after_ns < wanted.since_ns - 1 else None for each in chosen]
    asked = _merged([*spans, *begun]) if begun else list(spans)
    return asked, [Taken(each.id, rest) for each, rest in zip(chosen, rests, strict=True)]


def _merged(spans: Iterable[Span]) -> list[Span]:
    """What overlaps is one."""
    merged: list[Span] = []
    for each in sorted(spans, key=lambda span: (span.registry_id, span.after_ns)):
        last = merged[-1] if merged else None
        if last is not None and last.registry_id == each.registry_id and each.after_ns < last.before_ns:
            merged[-1] = evolve(last, before_ns=max(last.before_ns, each.before_ns))
        else:
            merged.append(each)
    return merged


def _bore_it_before(mark: Mark, entity: Mark) -> bool:
    other = mark.registry_id != entity.registry_id and mark.time_ns > NOTHING
    return other and (entity.oldest_ns == NOTHING or mark.oldest_ns < entity.oldest_ns)


def _not_pending(span: Span, pending: Mapping[str, int], *, again: bool) -> Span:
    if again or span.registry_id not in pending:
        return span
    return evolve(span, before_ns=min(span.before_ns, pending[span.registry_id] + 1 - BETWEEN))


def _before(entity: Mark, wanted: Wanted) -> int:
    until_ns = wanted.until_ns + BETWEEN
    if wanted.again:
        return state_ns(entity) + 1 if entity.time_ns > NOTHING else until_ns
    return entity.oldest_ns or until_ns


def whole_microseconds(time_ns: int) -> int:
    """The time as Home Assistant could say it."""
    return time_ns - time_ns % MICROSECOND
