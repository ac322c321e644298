"""What answers everybody names nobody: no entity, no secret, nothing that somebody else said, whatever was reported."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

import attrs
import pytest

from ingest.core import reports
from ingest.core.data_api_health import DataApiFold
from ingest.core.evicted import Named
from ingest.core.health import Health
from ingest.core.health_fold import HealthFold
from ingest.core.reports import Report
from ingest.core.state import moment_at
from ingest.core.store import Rejection
from ingest.web.app import Sources
from tests.core.test_health import AWAY, DOWN, UP
from tests.core.test_reports import VALUES, kinds
from tests.core.test_reports import sample as plain
from tests.web.test_app import GAUGES, ask, sources

ENTITY, SECRET = "light.of_anna_weber", "eyJhbGciOiJIUzI1NiJ9.of-anna"
MARKED = f'{ENTITY} of "Anna Weber" at http://anna:{SECRET}@nas/: {ENTITY}'
MARKS = (ENTITY, SECRET, "Anna", "anna", "of_anna")
OURS = {
    "breaker", "candidate", "command", "file", "ha_version", "home", "kept_as", "kind", "link", "path", "remedy",
    "source", "station", "store", "version", "where",
}  # fmt: skip
"""Fields that hold a word of ours or of the configuration: names of parts, paths, addresses (which hold no password)."""

TOLD: Mapping[object, Any] = {
    str: MARKED,
    tuple[str, ...]: (MARKED, MARKED),
    tuple[Rejection, ...]: (Rejection(f"m,entity_id={ENTITY} v=1 1", MARKED),),
    Sequence[Named]: (Named(ENTITY, ENTITY, 7, 8),),
    Mapping[str, tuple[int, int]]: {ENTITY: (7, 8)},
    Sequence[tuple[str, int]]: ((ENTITY, 7),),
}


def marked(kind: type[Report]) -> Report:
    """A report of that kind with an entity and a secret wherever somebody else may have put them."""
    hints, make = get_type_hints(kind), attrs.evolve
    changes: dict[str, Any] = {
        each.name: TOLD[hints[each.name]]
        for each in attrs.fields(kind)
        if hints[each.name] in TOLD and each.name not in OURS
    }
    known = {"candidate": "primary"} if "candidate" in hints else {}
    return make(plain(kind), **changes, **known)


KINDS = [kind for kind in kinds() if kind is not Report]


def health_after(*told: Report) -> Health:
    fold = HealthFold("db", ("primary", "nabu_casa"), data_api=DataApiFold())
    for at, report in enumerate(told):
        fold.add(report, at)
    return fold.look(GAUGES, len(told) + 2, moment_at(10**9))


async def answers(health: Health) -> dict[str, str]:
    told: Sources = sources(health)
    made: dict[str, Callable[[Any], Any]] = {"/health": told.healthy, "/ready": told.ready, "all": told.detailed}
    return {path: bytes((await answer(None)).body).decode() for path, answer in made.items()}


def named(text: str) -> list[str]:
    return [mark for mark in MARKS if mark in text]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("before", [[], UP, [*UP, DOWN, *AWAY]], ids=["unknown", "up", "down"])
async def test_no_report_brings_a_name_or_a_secret_to_everybody(kind: type[Report], before: list[Report]) -> None:
    told = await answers(health_after(*before, marked(kind)))
    assert not named(told["/health"])
    assert not named(told["/ready"])


async def test_all_of_them_together_do_not_either_and_who_may_ask_for_everything_is_told() -> None:
    told = await answers(health_after(*UP, *map(marked, KINDS)))
    assert not named(told["/health"] + told["/ready"])
    assert named(told["all"]), "or nothing was looked for"
    public, everything = json.loads(told["/health"]), json.loads(told["all"])
    assert public.keys() == everything.keys()
    assert len(public["errors"]["recent"]) == len(everything["errors"]["recent"]) > 10
    assert public["errors"]["categories"] == everything["errors"]["categories"]


def test_every_kind_of_value_of_a_report_was_thought_of() -> None:
    """What is neither marked here nor a number, a time or a word of ours would not be looked for."""
    assert set(TOLD) <= set(VALUES)
    texts = {hint for hint in VALUES if "str" in str(hint)} | {tuple[Rejection, ...], Sequence[Named]}
    assert texts - set(TOLD) == {Mapping[str, int]}, "the names of rules and books, which health does not tell"


async def test_everybody_is_told_what_is_wrong_and_where_the_reason_stands() -> None:
    told = (await ask("/health", *UP, reports.StoreWaiting("db", MARKED, "Mend it.", 5.0, 3))).json()
    assert told["status"] == "unhealthy"
    assert told["reason"].startswith("db takes no points since ")
    assert "points wait" in told["reason"]
    assert told["remedies"] == ["Mend it."]
    assert told["database"]["reason"] == "/health/detailed says why"
    assert told["errors"]["recent"][0]["error"] == "/health/detailed says why"
    detailed = (await ask("/health/detailed", *UP, reports.StoreWaiting("db", MARKED, "Mend it.", 5.0, 3))).json()
    assert MARKED in detailed["reason"]
    assert detailed["database"]["reason"] == MARKED
