"""What is known of the registries, as health tells it: from when it is, and why it is not newer."""

from __future__ import annotations

from datetime import timedelta

from ingest.core import reports
from ingest.core.health import Status
from ingest.core.registries_health import RegistriesHealth
from ingest.core.reports import Report
from ingest.core.state import EPOCH
from tests.core.test_health import WALL, after

LOADED = reports.CatalogLoaded(41_000, 6_900, 12, 3, 1.5, floors=2, labels=5)
KEPT = reports.CatalogKept(7, 86_400 * 10**9)


def known(*told: Report) -> RegistriesHealth:
    return after(*told).registries


def causes(*told: Report) -> list[str]:
    return [cause.reason for cause in after(*told).causes if "regist" in cause.reason or "serves" in cause.reason]


def test_nothing_is_known_before_anything_was_read() -> None:
    assert known() == RegistriesHealth("unread")


def test_what_an_earlier_run_knew_is_of_its_time() -> None:
    kept = known(KEPT)
    assert (kept.source, kept.as_of, kept.entities) == ("state file", EPOCH + timedelta(days=1), 7)


def test_a_reading_is_of_its_own_time_and_says_what_it_read() -> None:
    loaded = known(KEPT, LOADED)
    assert loaded.source == "registries"
    assert loaded.as_of is not None
    assert loaded.as_of <= WALL
    assert (loaded.entities, loaded.devices, loaded.areas, loaded.floors, loaded.labels) == (41_000, 6_900, 12, 2, 5)
    assert (loaded.skipped, loaded.seconds, loaded.readings, loaded.changes) == (3, 1.5, 1, 0)


def test_single_changes_are_counted() -> None:
    assert known(LOADED, reports.CatalogChanged(("light.a",), (), 0.1)).changes == 1


def test_a_failure_says_from_when_it_is_what_points_carry() -> None:
    failed = reports.CatalogFailed("unknown_error")
    assert causes(failed) == ["the registries cannot be read, nothing is known of them: unknown_error"]
    assert causes(KEPT, failed) == [
        "the registries cannot be read, points carry what they said at 1970-01-02 00:00 UTC: unknown_error"
    ]
    assert after(KEPT, failed).status is not Status.HEALTHY
    assert causes(failed, LOADED) == []


def test_templates_do_not_make_it_whole() -> None:
    templates = reports.CatalogLoaded(5, 0, 0, 0, 0.1, source="templates")
    told = causes(reports.CatalogFailed("unknown_command"), templates)
    assert told == [
        "the registries cannot be read, its templates are asked instead, which know no registry ids: unknown_command"
    ]
    assert known(templates).source == "templates"


def test_a_command_that_fails_is_named_until_it_works() -> None:
    failed = reports.RegistryFailed("config/floor_registry/list", "no answer")
    assert causes(LOADED, failed) == [
        "what was known before is used in its place: config/floor_registry/list: no answer"
    ]
    assert known(LOADED, failed).partly == ("config/floor_registry/list: no answer",)
    assert causes(LOADED, failed, reports.RegistryWorks("config/floor_registry/list")) == []
