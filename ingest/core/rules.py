"""The filter, compiled: which entities are stored, how, and the name of the rule that decided.

    exception? ──yes──▶ stored
        │no
    pattern?   ──yes──▶ exclude: left out · include: stored   (a pattern's own mode before the filter's)
        └──no─────────▶ exclude: stored   · include: left out

Inside a pattern every key must agree (`match = "any"`: one is enough, which is how HomeIQ read it); of several
patterns the first that agrees decides. Overrides decide nothing: they say how the points of what is stored are written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from fnmatch import translate
from typing import TypeAlias

import msgspec
from attrs import frozen
from msgspec import Raw
from msgspec.structs import replace

from ingest.core.attributes import alike, looked_at
from ingest.core.filter_settings import OF_THE_STATE, FilterSettings, Override, Pattern, texts
from ingest.core.point import Attributes, Facts, Point
from ingest.core.room import ENTITIES, make_room
from ingest.core.rule_names import EXCEPTION, NO_PATTERN, OVERRIDE, PATTERN, named
from ingest.core.treatment import USUAL, Treatment

NO_ATTRIBUTES = Attributes()


@frozen
class Decision:
    """Whether an entity is stored, and the rule that says so: the same name as long as the settings are the same.

    `heartbeat_ns`: how often its value is said again while it does not change; None: never. `treatment`: what is
    different in its points. `overrides` are the names of those that said so.
    """

    passed: bool
    rule: str
    heartbeat_ns: int | None = None
    treatment: Treatment = USUAL
    overrides: tuple[str, ...] = ()


@frozen
class Subject:
    """What a rule may ask of an entity."""

    entity_id: str
    attributes: Attributes
    facts: Facts

    @property
    def domain(self) -> str:
        """The part of the entity_id before the dot."""
        return self.entity_id.partition(".")[0]


Matches: TypeAlias = Callable[[Subject], bool]

_ANSWERS: dict[str, Callable[[Subject], str | None]] = {
    "domain": lambda subject: subject.domain,
    "device_class": lambda subject: subject.attributes.device_class,
    "area_id": lambda subject: subject.facts.area_id,
    "floor_id": lambda subject: subject.facts.floor_id,
    "device_id": lambda subject: subject.facts.device_id,
    "integration": lambda subject: subject.facts.platform,
    "entity_category": lambda subject: subject.facts.entity_category,
    "unit": lambda subject: subject.attributes.unit,
    "state_class": lambda subject: subject.attributes.state_class,
}


def compiled(pattern: Pattern) -> Matches:
    """A pattern as a function. One without any key agrees with nothing."""
    asked = tuple(_tests(pattern))
    if pattern.match == "any":
        return lambda subject: any(test(subject) for test in asked)
    return lambda subject: bool(asked) and all(test(subject) for test in asked)


def _tests(pattern: Pattern) -> Iterator[Matches]:
    if pattern.entity_id is not None:
        glob = re.compile("|".join(translate(each) for each in texts(pattern.entity_id))).match
        yield lambda subject: glob(subject.entity_id) is not None
    for key, answer in _ANSWERS.items():
        asked = getattr(pattern, key)
        if asked is not None:
            wanted = frozenset(texts(asked))
            yield lambda subject, answer=answer, wanted=wanted: answer(subject) in wanted  # type: ignore[misc]  # bound now
    if pattern.label is not None:
        labels = frozenset(texts(pattern.label))
        yield lambda subject: not labels.isdisjoint(subject.facts.labels)
    if pattern.disabled is not None:
        yield lambda subject: subject.facts.disabled is pattern.disabled
    if pattern.hidden is not None:
        yield lambda subject: subject.facts.hidden is pattern.hidden


class Rules:
    """Decides for each entity once, until what the rules ask of it changes.

    It remembers at most `entities` of them, and forgets the one that came first. `intervals` are those of all heartbeats,
    in nanoseconds. `by_state`: some rule asks what only a state answers.
    """

    def __init__(self, settings: FilterSettings, entities: int = ENTITIES) -> None:
        include = settings.mode == "include"
        self.settings = settings
        self.drop_replays = settings.drop_replays
        self._rules: list[tuple[Matches, Decision]] = [
            *_compiled(EXCEPTION, settings.exceptions, lambda _: True),
            *_compiled(PATTERN, settings.patterns, settings.passing),
        ]
        self._overrides = [
            (compiled(each.pattern), named(OVERRIDE, number, each.pattern), each)
            for number, each in enumerate(settings.overrides, start=1)
        ]
        beats = [
            *(each.heartbeat_ns for _, each in self._rules if each.passed),
            *(_nanoseconds(each.heartbeat) for each in settings.overrides),
        ]
        self.intervals = frozenset(each for each in beats if each is not None)
        self._otherwise = Decision(not include, NO_PATTERN)
        self._verdicts = {(each.rule, each.passed) for each in (*(each for _, each in self._rules), self._otherwise)}
        asking = (*settings.patterns, *settings.exceptions)
        self.by_state = any(getattr(each, key) is not None for each in asking for key in OF_THE_STATE)
        self._entities = entities
        self._known: dict[str, tuple[Attributes, Facts, Decision]] = {}

    def decide(self, entity_id: str, attributes: Attributes, facts: Facts) -> Decision:
        """Whether the entity is stored, and how."""
        known = self._known.get(entity_id)
        if known is not None and known[1] is facts and (known[0] is attributes or alike(known[0], attributes)):
            return known[2]
        if known is None:
            make_room(self._known, self._entities)
        decision = self._decide(Subject(entity_id, attributes, facts))
        self._known[entity_id] = (attributes, facts, decision)
        return decision

    def ended(self, others: Rules) -> frozenset[str]:
        """The names of the rules that the others do not have, or have with another verdict under the same name."""
        return frozenset(name for name, _ in self._verdicts - others._verdicts)

    def __contains__(self, entity_id: str) -> bool:
        """True when it was decided for that entity."""
        return entity_id in self._known

    def decided(self) -> tuple[tuple[str, Attributes, Decision], ...]:
        """Every entity for which it was decided, with what was looked at."""
        return tuple((entity_id, attributes, decision) for entity_id, (attributes, _, decision) in self._known.items())

    def renewed(self, point: Point, facts: Facts) -> tuple[Point, int | None]:
        """A point that stands with what is known of its entity by now, and how often its value is to be said again.

        That is in nanoseconds; None: never.
        """
        decision = self.decide(point.entity_id, point.attributes, facts)
        if facts is not point.facts or decision.treatment is not point.treatment:
            point = replace(point, facts=facts, treatment=decision.treatment)
        return point, decision.heartbeat_ns if decision.passed else None

    def forget(self, entity_id: str) -> None:
        """Drop what was decided of an entity that is gone; an unknown one is nothing."""
        self._known.pop(entity_id, None)

    def agreeing(self, entity_id: str, attributes: Attributes, facts: Facts) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names of every rule and of every override that agrees with the entity, whichever decides."""
        subject = Subject(entity_id, attributes, facts)
        rules = tuple(each.rule for matches, each in self._rules if matches(subject))
        return rules, tuple(name for matches, name, _ in self._overrides if matches(subject))

    def look(self, entity_id: str, attributes: Raw, facts: Facts) -> None:
        """Decide for an entity of which nothing is to be stored now: what becomes of it may be asked for."""
        if entity_id not in self._known:
            with suppress(msgspec.DecodeError):
                self.decide(entity_id, looked_at(attributes), facts)

    def may_pass(self, entity_id: str, facts: Facts) -> bool:
        """False when it is certain that the entity is left out, though no state of it was looked at."""
        known = self._known.get(entity_id)
        if known is not None and known[1] == facts:
            return known[2].passed
        return self.by_state or self._decide(Subject(entity_id, NO_ATTRIBUTES, facts)).passed

    def _decide(self, subject: Subject) -> Decision:
        decision = next((each for matches, each in self._rules if matches(subject)), self._otherwise)
        said = [(name, override) for matches, name, override in self._overrides if matches(subject)]
        return _treated(decision, said) if said and decision.passed else decision


def treated(point: Point, decision: Decision) -> Point:
    """The point with what is different in those of its entity."""
    return point if decision.treatment is USUAL else replace(point, treatment=decision.treatment)


def _treated(decision: Decision, said: list[tuple[str, Override]]) -> Decision:
    """With what the overrides say, the first of them that says a thing."""
    overrides = [override for _, override in said]
    treatment = Treatment(
        next((each.attributes for each in overrides if each.attributes is not None), None),
        next((each.measurement for each in overrides if each.measurement is not None), None),
        next((each.ignore for each in overrides if each.ignore is not None), ()),
    )
    beat = next((each.heartbeat for each in overrides if each.heartbeat is not None), None)
    heartbeat_ns = _nanoseconds(beat) if decision.heartbeat_ns is None else decision.heartbeat_ns
    return Decision(True, decision.rule, heartbeat_ns, treatment, tuple(name for name, _ in said))


def _compiled(
    kind: str, patterns: tuple[Pattern, ...], passing: Callable[[Pattern], bool]
) -> Iterator[tuple[Matches, Decision]]:
    for number, pattern in enumerate(patterns, start=1):
        decision = Decision(passing(pattern), named(kind, number, pattern), _nanoseconds(pattern.heartbeat))
        yield compiled(pattern), decision


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds) * 1_000_000_000
