"""Home Assistant's include/exclude lists as a filter of ours that chooses the same entities.

Home Assistant knows six cases, by which of the lists hold anything, and in each another order of what wins; what its code
does differs from its documentation in one of them. All of that is expressed by patterns of which the first decides.

    includes    excludes    here
    none        none        everything
    some        none        `include`: entities, domains, globs
    none        some        `exclude`: entities, domains, globs
    domains or globs, any   `include`: entities, not the excluded entities, globs, not the excluded globs, domains
    entities    domains or  `exclude`: exceptions for the entities; then entities, domains, globs
                globs
    entities    entities    `include`: entities
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from attrs import field, frozen

from ingest.core.filter_settings import FilterSettings, Pattern


@frozen
class Lists:
    """One side of the integration's filter: entity ids, domains, and globs on entity ids."""

    entities: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.entities or self.domains or self.globs)

    @property
    def wide(self) -> bool:
        """True when more is named than single entities."""
        return bool(self.domains or self.globs)


@frozen
class Chosen:
    """The filter, and what the lists say without any effect: a sentence each, without the full stop."""

    filter: FilterSettings
    notes: tuple[str, ...] = field(default=())


def chosen(include: Lists, exclude: Lists) -> Chosen:
    """The filter that lets through what Home Assistant's own lets through."""
    if not exclude:
        return Chosen(FilterSettings("include", _named(include)) if include else FilterSettings())
    if not include:
        return Chosen(FilterSettings("exclude", _named(exclude)))
    if include.wide:
        return Chosen(FilterSettings("include", tuple(_in_turn(include, exclude))), tuple(_idle_domains(exclude)))
    if exclude.wide:
        return _single(include, exclude)
    idle = f"exclude.entities has no effect beside include.entities alone: only {_counted(include.entities)}"
    return Chosen(FilterSettings("include", _named(include)), (idle,))


def _named(lists: Lists) -> tuple[Pattern, ...]:
    found = (_entities(lists.entities), _domains(lists.domains), _entities(lists.globs))
    return tuple(each for each in found if each is not None)


def _in_turn(include: Lists, exclude: Lists) -> Iterator[Pattern]:
    in_turn = (
        _entities(include.entities),
        _entities(exclude.entities, left_out=True),
        _entities(include.globs),
        # The domains are asked last: what only an excluded glob names would be left out without it, too.
        _entities(exclude.globs, left_out=True) if include.domains else None,
        _domains(include.domains),
    )
    return (each for each in in_turn if each is not None)


def _single(include: Lists, exclude: Lists) -> Chosen:
    """Single entities are let through although their domain or a glob is excluded, unless they are excluded singly."""
    both = [each for each in include.entities if each in exclude.entities]
    lost = [each for each in both if not _excluded_widely(each, exclude)]
    exceptions = _entities(tuple(each for each in include.entities if each not in lost))
    notes = [
        f"{each} is included and excluded: Home Assistant's code leaves it out, whatever is documented" for each in lost
    ]
    settings = FilterSettings("exclude", _named(exclude), (exceptions,) if exceptions else ())
    return Chosen(settings, tuple(notes))


def _excluded_widely(entity_id: str, exclude: Lists) -> bool:
    return entity_id.partition(".")[0] in exclude.domains or any(fnmatchcase(entity_id, glob) for glob in exclude.globs)


def _idle_domains(exclude: Lists) -> Iterator[str]:
    if exclude.domains:
        yield (
            f"exclude.domains ({', '.join(exclude.domains)}) has no effect in Home Assistant beside included domains or"
            " globs: whatever they do not name is left out anyway"
        )


def _entities(names: Iterable[str], *, left_out: bool = False) -> Pattern | None:
    asked = tuple(dict.fromkeys(name for name in names if name))
    return Pattern(entity_id=asked, mode="exclude" if left_out else None) if asked else None


def _domains(names: Iterable[str]) -> Pattern | None:
    asked = tuple(dict.fromkeys(name for name in names if name))
    return Pattern(domain=asked) if asked else None


def _counted(names: tuple[str, ...]) -> str:
    return f"the {len(names)} named entities are stored" if len(names) > 1 else f"{names[0]} is stored"
