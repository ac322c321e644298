"""What changed between two readings, as a person reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from ingest.config.changes import AT_ONCE, READ_AGAIN, applied, changed, needing_restart, told
from ingest.config.settings import KEYS, Settings
from ingest.core.filter_settings import Pattern
from ingest.core.secret import Secret

OLD = Settings(home="home")


def test_a_secret_is_not_shown() -> None:
    before = evolve(OLD, home_assistant=evolve(OLD.home_assistant, token=Secret("one")))
    after = evolve(OLD, home_assistant=evolve(OLD.home_assistant, token=Secret("two")))
    assert changed(before, after) == ("home_assistant.token",)
    assert told("home_assistant.token", before, after) == "home_assistant.token: another one (not shown)"


def test_of_a_list_it_is_said_what_came_and_went() -> None:
    def having(*domains: str) -> Settings:
        return evolve(OLD, filter=evolve(OLD.filter, patterns=tuple(Pattern(domain=each) for each in domains)))

    name = "filter.patterns"
    assert told(name, having("a", "b"), having("b", "c")) == f'{name}: without {{domain = "a"}}, with {{domain = "c"}}'
    swapped = told(name, having("a", "b"), having("b", "a"))
    assert swapped == f'{name}: [{{domain = "a"}}, {{domain = "b"}}] → [{{domain = "b"}}, {{domain = "a"}}]'
    assert told(name, having("a" * 300, "b"), having("b")).endswith("…")


def test_only_what_can_be_changed_is() -> None:
    new = evolve(
        OLD,
        home="other",
        filter=evolve(OLD.filter, mode="include"),
        attributes=evolve(OLD.attributes, drop=()),
        log=evolve(OLD.log, level="debug", format="json"),
    )
    rest = changed(applied(OLD, new), new)
    assert rest == ("home", "log.format")
    assert not AT_ONCE & set(rest)
    assert set(KEYS) > AT_ONCE


@pytest.mark.parametrize("name", sorted({*READ_AGAIN, "api.token", "original.token"}))
def test_only_a_secret_that_its_user_reads_again_from_the_same_file_needs_no_restart(name: str) -> None:
    section, _, key = name.partition(".")

    def having(secret: str, file: str | None) -> Settings:
        told = {key: Secret(secret), f"{key}_file": None if file is None else Path(file)}
        return evolve(OLD, **{section: evolve(getattr(OLD, section), **told)})

    rest = () if name in READ_AGAIN else (name,)
    assert needing_restart(having("one", "a"), having("two", "a")) == rest
    again = changed(applied(having("one", "a"), having("two", "a")), having("two", "a"))
    assert again == rest, "what is taken on is not told of at the next reload once more"
    assert needing_restart(having("one", None), having("two", None)) == (name,)
    assert needing_restart(having("one", "a"), having("two", "b")) == (name, f"{name}_file")
