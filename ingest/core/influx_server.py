"""Which database answers, and what it says to somebody who asks whether they may write.

The question is a write of a comment: it needs the same token, organisation and bucket as any write, and stores nothing;
a token that may only write cannot list buckets. InfluxDB checks all three before it reads the body, and before 2.1, as
in InfluxDB 3, it then complains that there are no points.
Source: InfluxDB's write handlers, 2 and 3; answers of VictoriaMetrics 1.79 and InfluxDB 1.6.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from attrs import frozen

from ingest.core.influx_answer import (
    CHECK_BUCKET,
    CHECK_URL,
    TOKEN_SETTING,
    Answer,
    answers,
    classify,
    is_page,
    words,
)
from ingest.core.store import Keep
from ingest.core.urls import elsewhere
from ingest.errors import Refused, Transient

QUESTION = b"# homeiq-ingest asks whether it may write\n"
"""A comment: a whole write that stores nothing."""

NO_POINTS = ("writing requires points", "incoming write was empty")
"""What InfluxDB 2 before 2.1, and InfluxDB 3, say to the question when all else is right."""

_version = re.compile(r'"version"\s*:\s*"v?([^"]+)"')


@frozen
class Server:
    """A database: its name, and its version when it says one."""

    name: str
    version: str = ""

    @property
    def keeps_text(self) -> bool:
        """VictoriaMetrics stores every text as 0: send it numeric fields only."""
        return self.name != "VictoriaMetrics"

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()


class NoSuchPlace(Refused):
    """The database has no such organisation or bucket."""


class NotLetIn(Refused):
    """The database does not accept the token, or not for this."""


def recognised(ping: Answer, asked: Answer) -> Server:
    """The database, from its answers to `/ping` and to the question."""
    headers = {**asked.headers, **ping.headers}
    if "x-server-hostname" in headers:
        return Server("VictoriaMetrics")
    if "cloud" in headers.get("x-influxdb-build", "").lower():
        return Server("InfluxDB Cloud")
    in_body = _version.search(ping.text)
    version = headers.get("x-influxdb-version", in_body[1] if in_body else "").removeprefix("v")
    major = version.partition(".")[0]
    return Server(f"InfluxDB {major}", version) if major.isdecimal() else Server("an unknown database", version)


def lacks_bucket(asked: Answer) -> bool:
    """The answer misses the bucket, not the organisation or the whole API."""
    return asked.status == 404 and "bucket" in words(asked)


def problem(asked: Answer, where: str, token: str = TOKEN_SETTING) -> Refused | Transient | None:
    """Why the database would not take a write; None when it would. `token` is the setting that the token comes from."""
    said = words(asked)
    if asked.status == 204 or (asked.status == 400 and said.endswith(NO_POINTS)):
        return None
    if is_page(asked) and not elsewhere(asked.status, asked.headers.get("location", "")):
        return Refused("a page for a browser answers, not the database's API", where=where, remedy=CHECK_URL)
    outcome = classify(asked, datetime.min.replace(tzinfo=UTC), token)
    if not isinstance(outcome, Keep):
        return Refused(answers(asked), where=where, remedy=CHECK_URL)
    if not outcome.remedy:
        return Transient(outcome.reason, where=where)
    kind = NoSuchPlace if outcome.remedy == CHECK_BUCKET else NotLetIn if asked.status in {401, 403} else Refused
    return kind(outcome.reason, where=where, remedy=outcome.remedy)
