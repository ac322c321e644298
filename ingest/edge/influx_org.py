"""An organisation of the database, by its name or its id: where points are written either will do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

import msgspec
from attrs import frozen

from ingest.core.influx_answer import Answer

_id = re.compile("[0-9a-f]{16}")


class Asks(Protocol):
    """What can be asked of the database."""

    def request(self, method: str, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """Any status is an answer. Raises `Transient` or `Refused`."""


@frozen
class Org:
    """An organisation of the database."""

    id: str
    name: str


@frozen
class Orgs:
    """The answer of `/api/v2/orgs`."""

    orgs: tuple[Org, ...] = ()


_orgs = msgspec.json.Decoder(Orgs)


def may_be_id(wanted: str) -> bool:
    """True of what has the form of an organisation's id; a name may have it, too."""
    return _id.fullmatch(wanted) is not None


def organisation(client: Asks, wanted: str) -> Answer:
    """The answer that holds it, or says why not. What may be an id is one first, as where points are written.

    Raises `Transient` or `Refused`.
    """
    if may_be_id(wanted):
        found = client.request("GET", "/api/v2/orgs", {"orgID": wanted})
        if found.status == 200 and org_id(found, wanted):
            return found
    return client.request("GET", "/api/v2/orgs", {"org": wanted})


def org_id(found: Answer, wanted: str) -> str:
    """The organisation's id in the answer; empty, which no server takes for one, when it is not there."""
    try:
        orgs = _orgs.decode(found.text).orgs
    except (msgspec.DecodeError, RecursionError):
        return ""
    return next((org.id for org in orgs if wanted in {org.name, org.id}), "")
