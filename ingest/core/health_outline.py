"""Health for everybody: the same value without a word that somebody else said.

What a server answers, an exception says or a configuration holds may name an entity, quote a line or carry a secret. None
of it is searched for such things: it is left out, and who may ask for everything is told where it stands. So is the path of
a file; the address of a database has no user and no password in it, and stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from attrs import evolve

from ingest.core.health import CandidateHealth, Cause, Health
from ingest.core.problem import Problem

ELSEWHERE = "/health/detailed says why"
PLACE = "/health/detailed says where"
WORK = "work on "
"""How what is done with a file is called; its path follows."""


def outlined(health: Health) -> Health:
    """Figures, times, states, causes and remedies, and instead of every quoted text where it is to be found."""
    database, spool, connection = health.database, health.spool, health.connection
    registries, data_api = health.registries, health.data_api
    return evolve(
        health,
        connection=evolve(
            connection,
            current=_candidate(connection.current),
            candidates=tuple(map(_candidate, connection.candidates)),
        ),
        database=evolve(database, where=_place(database.where), reason=_instead(database.reason)),
        spool=evolve(
            spool,
            failing=_instead(spool.failing),
            letters_failing=_instead(spool.letters_failing),
            ledger_failing=_instead(spool.ledger_failing),
        ),
        problems=tuple(map(_problem, health.problems)),
        causes=tuple(map(_cause, health.causes)),
        stuck=_stuck(health.stuck),
        registries=evolve(
            registries,
            reason=_instead(registries.reason),
            partly=tuple(each.partition(":")[0] for each in registries.partly),
        ),
        data_api=None if data_api is None else evolve(data_api, reason=_instead(data_api.reason)),
    )


def without_path(station: str) -> str:
    """What a part of the service does, without the path of the file that it does it with."""
    return f"{WORK}a file (/health/detailed says which)" if station.startswith(WORK) else station


def _stuck(stuck: Mapping[str, datetime]) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    for station, since in stuck.items():
        name = without_path(station)
        found[name if name not in found else name.replace("a file", "another file")] = since
    return found


def _instead(text: str) -> str:
    return ELSEWHERE if text else ""


def _place(where: str) -> str:
    return where if "://" in where or not where else PLACE


def _candidate(candidate: CandidateHealth) -> CandidateHealth:
    return evolve(candidate, problem=_instead(candidate.problem))


def _problem(problem: Problem) -> Problem:
    return evolve(problem, text=ELSEWHERE)


def _cause(cause: Cause) -> Cause:
    return evolve(cause, reason=cause.outline or cause.reason, remedy=cause.outline_remedy or cause.remedy)
