"""The filter, compiled: which entities are stored, and the name of the rule that decided.

    exception? ──yes──▶ stored
        │no
    pattern?   ──yes──▶ exclude: left out · include: stored
        └──no─────────▶ exclude: stored   · include: left out

Inside a pattern every key must agree (`match = "any"`: one is enough, which is how HomeIQ read it); of several
patterns the first that agrees decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fnmatch import translate

from attrs import frozen

from ingest.core.filter_settings import FilterSettings, Pattern
from ingest.core.point import Facts

KEYS = ("entity_id", "domain", "device_class", "area_id")


@frozen
class Decision:
    """Whether an entity is stored, and the rule that says so: the same name as long as the settings are the same.

    `heartbeat_ns`: how often its value is said again while it does not change; None: never.
    """

    passed: bool
    rule: str
    heartbeat_ns: int | None = None


@frozen
class Subject:
    """What a rule may ask of an entity."""

    entity_id: str
    device_class: str | None
    area_id: str | None

    @property
    def domain(self) -> str:
        """The part of the entity_id before the dot."""
        return self.entity_id.partition(".")[0]


Matches = Callable[[Subject], bool]


def compiled(pattern: Pattern) -> Matches:
    """A pattern as a function. One without any key agrees with nothing."""
    asked = tuple(_tests(pattern))
    if pattern.match == "any":
        return lambda subject: any(test(subject) for test in asked)
    return lambda subject: bool(asked) and all(test(subject) for test in asked)


def _tests(pattern: Pattern) -> Iterator[Matches]:
    if pattern.entity_id is not None:
        glob = re.compile(translate(pattern.entity_id)).match
        yield lambda subject: glob(subject.entity_id) is not None
    for key in KEYS[1:]:
        asked = getattr(pattern, key)
        if asked is not None:
            yield lambda subject, key=key, asked=asked: getattr(subject, key) == asked  # type: ignore[misc]  # bound now


def named(kind: str, number: int, pattern: Pattern) -> str:
    """A rule's name: `pattern 1: domain=update`."""
    asked = (f"{key}={getattr(pattern, key)}" for key in KEYS if getattr(pattern, key) is not None)
    return f"{kind} {number}: {(' or ' if pattern.match == 'any' else ' and ').join(asked)}"


class Rules:
    """Decides for each entity once, until its device class or area changes.

    It remembers at most `entities` of them, and forgets the one that came first. `intervals` are those of all heartbeats,
    in nanoseconds.
    """

    def __init__(self, settings: FilterSettings, entities: int = 100_000) -> None:
        include = settings.mode == "include"
        self.drop_replays = settings.drop_replays
        self._rules: list[tuple[Matches, Decision]] = [
            *_compiled("exception", settings.exceptions, passed=True),
            *_compiled("pattern", settings.patterns, passed=include),
        ]
        self.intervals = frozenset(
            each.heartbeat_ns for _, each in self._rules if each.passed and each.heartbeat_ns is not None
        )
        self._otherwise = Decision(not include, "no pattern")
        self._by_class = any(each.device_class for each in (*settings.patterns, *settings.exceptions))
        self._entities = entities
        self._known: dict[str, tuple[str | None, str | None, Decision]] = {}

    def decide(self, entity_id: str, device_class: str | None, facts: Facts) -> Decision:
        """Whether the entity is stored."""
        known = self._known.get(entity_id)
        if known is not None and known[0] == device_class and known[1] == facts.area_id:
            return known[2]
        if known is None and len(self._known) >= self._entities:
            del self._known[next(iter(self._known))]
        decision = self._decide(Subject(entity_id, device_class, facts.area_id))
        self._known[entity_id] = (device_class, facts.area_id, decision)
        return decision

    def may_pass(self, entity_id: str, facts: Facts) -> bool:
        """False when it is certain that the entity is left out, though no state of it was looked at."""
        known = self._known.get(entity_id)
        if known is not None and known[1] == facts.area_id:
            return known[2].passed
        return self._by_class or self._decide(Subject(entity_id, None, facts.area_id)).passed

    def _decide(self, subject: Subject) -> Decision:
        return next((decision for matches, decision in self._rules if matches(subject)), self._otherwise)


def _compiled(kind: str, patterns: tuple[Pattern, ...], *, passed: bool) -> Iterator[tuple[Matches, Decision]]:
    for number, pattern in enumerate(patterns, start=1):
        heartbeat_ns = None if pattern.heartbeat is None else round(pattern.heartbeat) * 1_000_000_000
        yield compiled(pattern), Decision(passed, named(kind, number, pattern), heartbeat_ns)
