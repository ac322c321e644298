"""What data-api's answer to a bulk upsert means: the one table of statuses.

| answer                        | meaning                                                            |
|-------------------------------|--------------------------------------------------------------------|
| 2xx, `{"success": true, …}`   | it has every entry of the chunk                                    |
| 400, 413, 422, 500            | about entries, perhaps about one of them: halve, and try again     |
| 404 of services               | this data-api keeps no services: goes on without                   |
| 401, 403                      | about the key: a person must act                                   |
| 408, 429, 5xx                 | not now: wait as long as the server asks                           |
| others                        | no data-api answers there: a person must act                       |

data-api stores a request whole or not at all, and answers 500 both when its database is busy and when it cannot store one
of the entries (a device without any name).
Source: `bulk_upsert_devices`, `bulk_upsert_entities` and `bulk_upsert_services` of HomeIQ's data-api; FastAPI's errors.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from attrs import frozen

from ingest.core.influx_answer import Answer, body_of, is_page, wait
from ingest.core.publishing import Kind
from ingest.core.store import Keep

CHECK_KEY = "Check data_api.api_key: it must be the key that data-api was given."
CHECK_KEY_FILE = (
    "Check data_api.api_key_file: it must hold the key that data-api was given. It is read at every attempt."
)
CHECK_URL = "Check data_api.url: it must be the address of HomeIQ's data-api itself, such as http://data-api:8006."

LONGEST = 300
"""Characters of what it says that are told."""


@frozen
class Taken:
    """Every entry of the request is in data-api."""


@frozen
class Halve:
    """Something in the request is not taken, perhaps one entry of it."""

    reason: str


@frozen
class Lacking:
    """This data-api has no such endpoint, and need not have one."""


Verdict: TypeAlias = Taken | Halve | Lacking | Keep


def classify(answer: Answer, kind: Kind, now: datetime, check_key: str = CHECK_KEY) -> Verdict:
    """What to do after an answer; `check_key` is what a person does about a refused key."""
    said = answers(answer)
    match answer.status:
        case status if 200 <= status < 300:
            return _taken(answer)
        case 400 | 413 | 422 | 500:
            return Halve(said)
        case 404 if kind is Kind.SERVICES:
            return Lacking()
        case 401 | 403:
            return Keep(said, remedy=check_key)
        case status if status in {408, 429} or status >= 500:
            return Keep(said, wait(answer.headers.get("retry-after"), now))
        case _:
            return Keep(said, remedy=CHECK_URL)


def answers(answer: Answer) -> str:
    """The status, and what data-api said if it said anything, in one short line."""
    body = body_of(answer)
    said = "a page for a browser" if is_page(answer) else str(body.get("detail") or body.get("error") or answer.text)
    short = " ".join(said.split())
    short = short if len(short) <= LONGEST else short[: LONGEST - 1] + "…"
    return f"data-api answers {answer.status}: {short}".removesuffix(": ")


def _taken(answer: Answer) -> Verdict:
    match body_of(answer).get("success"):
        case True:
            return Taken()
        case False:
            return Halve(answers(answer))
        case _:
            return Keep(f"{answers(answer)}, which is not what data-api answers", remedy=CHECK_URL)
