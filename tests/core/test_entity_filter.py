"""Home Assistant's six cases of include and exclude. The live suite asks its own code; here is what is documented."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.entity_filter import Chosen, Lists, chosen
from ingest.core.point import Attributes, Facts
from ingest.core.rules import Rules

NAMES = st.text("ab", min_size=1, max_size=2)
DOMAINS = st.sampled_from(["a", "b", "ab"])
ENTITIES = st.builds("{}.{}".format, DOMAINS, NAMES)
GLOBS = st.sampled_from(["a.*", "*.a", "b.?", "*", "*b*", "[ab].a", "a.[!a]"])
SIDES = st.builds(
    Lists,
    st.lists(ENTITIES, max_size=2).map(tuple),
    st.lists(DOMAINS, max_size=1).map(tuple),
    st.lists(GLOBS, max_size=1).map(tuple),
)


def passes(found: Chosen, entity_id: str) -> bool:
    return Rules(found.filter).decide(entity_id, Attributes(), Facts("id")).passed


def documented(include: Lists, exclude: Lists, entity_id: str) -> bool:
    """The six cases as `common-tasks/filters` of Home Assistant's documentation lists them."""

    def by_domain(side: Lists) -> bool:
        return entity_id.partition(".")[0] in side.domains

    def by_glob(side: Lists) -> bool:
        return any(fnmatchcase(entity_id, glob) for glob in side.globs)

    left_out = entity_id in exclude.entities or by_glob(exclude) or by_domain(exclude)
    if not include:
        return not left_out
    if entity_id in include.entities:
        return True
    if include.domains or include.globs:
        by_glob_or_domain = by_glob(include) or (not by_glob(exclude) and by_domain(include))
        return entity_id not in exclude.entities and by_glob_or_domain
    return bool(exclude.domains or exclude.globs) and not left_out


@given(SIDES, SIDES, ENTITIES)
def test_the_same_entities_are_let_through(include: Lists, exclude: Lists, entity_id: str) -> None:
    found = chosen(include, exclude)
    otherwise = any(note.startswith(f"{entity_id} is included and excluded") for note in found.notes)
    assert passes(found, entity_id) is (documented(include, exclude, entity_id) and not otherwise)


def test_what_has_no_effect_is_said() -> None:
    (note,) = chosen(Lists(domains=("light",)), Lists(domains=("update",))).notes
    assert note.startswith("exclude.domains (update) has no effect in Home Assistant beside included domains or globs")
    (note,) = chosen(Lists(entities=("a.b",)), Lists(entities=("c.d",))).notes
    assert note.endswith("only a.b is stored")
    (note,) = chosen(Lists(entities=("a.b", "a.c")), Lists(entities=("c.d",))).notes
    assert note.endswith("only the 2 named entities are stored")


def test_what_home_assistant_does_otherwise_than_it_says_is_done_and_said() -> None:
    found = chosen(Lists(entities=("a.b", "b.b")), Lists(entities=("a.b", "b.b"), domains=("b",)))
    assert not passes(found, "a.b")
    assert passes(found, "b.b")
    assert found.notes == ("a.b is included and excluded: Home Assistant's code leaves it out, whatever is documented",)


@pytest.mark.parametrize("side", [Lists(domains=("",)), Lists(globs=("",))])
def test_an_empty_name_is_nobodys(side: Lists) -> None:
    assert not passes(chosen(side, Lists()), "a.b")
    assert passes(chosen(Lists(), side), "a.b")
