"""What a database's answer to a write means: the one table of statuses.

| answer                | meaning                                                            |
|-----------------------|--------------------------------------------------------------------|
| 204                   | every line is stored                                               |
| 413                   | too large: halve                                                   |
| 400, 422              | about lines, when it speaks of them: find them                     |
| 500                   | the same, when it speaks of a type conflict or counts lines;       |
|                       | as 413, when it speaks of a request's size                         |
| 401, 403, 404, others | about the endpoint: keep everything, a person must act             |
| 408, 429, 5xx         | not now: keep everything, wait as long as the server asks          |

InfluxDB 2 stores nothing of a batch with a malformed line (400) and the rest of one with a conflict (422, naming the
first); InfluxDB 3 answers 400 for both and lists the lines; 2.0 answered 500 where 2.1 answers 422. Where a table may have
no more columns, or a database no more tables, InfluxDB 3 answers 422 and Cloud Serverless 400: lines that need no new one
are still taken. Before 3.7 InfluxDB 3 answered 500 to more than 10 MiB of lines. A 400 that does not speak of lines comes
from something in between (a proxy, a TLS port spoken to in plain HTTP) and condemns none.
Whatever a server says, however odd, is one of these: it may be anybody who answers, and no answer ends the process.
Source: InfluxDB's API reference and issues; answers of InfluxDB 1.6, VictoriaMetrics and proxies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

import msgspec
from attrs import Factory, frozen

from ingest.core.line_types import line_types
from ingest.core.store import Delivered, Keep
from ingest.core.urls import elsewhere
from ingest.core.words import cut

LONGEST = 300
"""Characters of what a server says that are told."""

LONGEST_WAIT = 3600.0
"""Seconds: no server's `Retry-After` makes us wait longer."""

_about_lines = re.compile(
    r"\b(?:pars(?:e|ing)|partial write|type conflict|retention|unmarshal|key size"
    r"|lines?|fields?|tags?|points?|timestamps?|columns?|tables?)\b",
    re.IGNORECASE,
)
_dropped = re.compile(r"dropped=(\d{1,9})")

TOKEN_SETTING = "influxdb.token"  # noqa: S105  a name, no secret


def check_token(setting: str = TOKEN_SETTING, version: str = "") -> str:
    """What to do about a refused token that comes from that setting; `version` is the one that the database says it has."""
    again = " It is read again at every attempt." if setting != TOKEN_SETTING else ""
    must = "it must be a token of this database that may write to the bucket"
    if version.removeprefix("v").startswith("1."):
        must = "for InfluxDB 1 it is USER:PASSWORD, of a user who may write to the database"
    return f"Check {setting}: {must}.{again}"


CHECK_BUCKET = "Create the bucket, or check influxdb.org and influxdb.bucket."
CHECK_URL = "Check influxdb.url: it must be the address of the database's API (https:// if a browser shows that), not of a page or a proxy before it."
CHECK_TYPES = (
    "Every point is refused in the same way: the bucket probably holds other types under the same names. "
    "Use an empty bucket."
)

CHECK_RETENTION = "Every point is refused in the same way: they are older than the bucket keeps. Let it keep them longer, and they are stored."
CHECK_LIMIT = "Even one point is too large for it: raise the limit of the database, or of the proxy before it."


@frozen
class Answer:
    """A response. The names of `headers` are in lower case."""

    status: int
    text: str = ""
    headers: Mapping[str, str] = Factory(dict)


@frozen
class Split:
    """Some lines are refused: find them. `remedy` is for when all are.

    `dropped` is how many the answer counts, at least: InfluxDB counts those of the shard that complained first.
    """

    reason: str
    dropped: int | None = None
    remedy: str = CHECK_TYPES


Outcome: TypeAlias = Delivered | Keep | Split


def classify(answer: Answer, now: datetime, token: str = TOKEN_SETTING) -> Outcome:
    """What to do after an answer to a write; `token` is the setting that the token comes from."""
    said = words(answer)
    match answer.status:
        case 204:
            return Delivered()
        case status if status == 413 or (status == 500 and "max request size" in answer.text):
            return Split(f"the request is too large: {said}", remedy=CHECK_LIMIT)
        case (400 | 422 | 500) as status if _is_about_lines(answer, status):
            dropped = _dropped.search(answer.text)
            is_old = "retention policy" in said and "type conflict" not in said
            remedy = CHECK_RETENTION if is_old else CHECK_TYPES
            return Split(said, int(dropped[1]) if dropped else None, remedy)
        case status if status in {408, 429} or status >= 500:
            asked = wait(answer.headers.get("retry-after"), _sent(answer, now))
            return Keep(answers(answer), asked)
        case _:
            return Keep(answers(answer), remedy=_remedy(answer, said, token))


def _is_about_lines(answer: Answer, status: int) -> bool:
    if status == 500:
        return "type conflict" in answer.text or _dropped.search(answer.text) is not None
    return not is_page(answer) and _about_lines.search(answer.text) is not None


def _remedy(answer: Answer, said: str, token: str) -> str:
    if other := elsewhere(answer.status, answer.headers.get("location", "")):
        return f"If that is the database, set influxdb.url to it: {other}"
    if answer.status in {401, 403}:
        return check_token(token, answer.headers.get("x-influxdb-version", ""))
    missing = answer.status == 404 and any(each in said for each in ("bucket", "org", "database not found"))
    return CHECK_BUCKET if missing else CHECK_URL


def wait(retry_after: str | None, now: datetime) -> float | None:
    """The seconds that a `Retry-After` header asks for: it holds seconds or an HTTP date. None when it says nothing."""
    if retry_after is None:
        return None
    seconds = _seconds(retry_after.strip(), now)
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_WAIT)


def _seconds(text: str, now: datetime) -> float | None:
    if text.isdecimal():
        return float(text)
    moment = http_date(text)
    return None if moment is None else (moment - now).total_seconds()


def _sent(answer: Answer, now: datetime) -> datetime:
    """When the answer was sent, by the clock that its dates are of: a machine of ours may be a day off."""
    return http_date(answer.headers.get("date", "")) or now


def http_date(text: str) -> datetime | None:
    """The moment that a `Date` header tells; None when it tells none."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # of a number that no date holds
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def answers(answer: Answer) -> str:
    """The status, and what the server said if it said anything."""
    return f"the database answers {answer.status}: {words(answer)}".removesuffix(": ")


def words(answer: Answer) -> str:
    """What the server said, in one short line."""
    said = message(answer)
    if listed := _listed(body_of(answer)):
        said = f"{said}: {'; '.join(str(each.get('error_message')) for each in listed[:3])}"
    elif is_page(answer):
        said = "a page for a browser"
    return cut(" ".join(said.split()), LONGEST)


def message(answer: Answer) -> str:
    """What the server said, whole, without the list of lines that may follow."""
    body = body_of(answer)
    return str(body.get("message") or body.get("error") or answer.text)


def is_page(answer: Answer) -> bool:
    """It was meant for a browser."""
    return "html" in answer.headers.get("content-type", "") or answer.text.lstrip()[:15].lower().startswith(
        ("<!doctype", "<html")
    )


def body_of(answer: Answer) -> Mapping[str, Any]:
    """The JSON object of the answer's text; empty when it is none."""
    try:
        body = msgspec.json.decode(answer.text)
    except (msgspec.DecodeError, RecursionError):  # nested a thousand deep
        return {}
    return body if isinstance(body, dict) else {}


def _listed(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """InfluxDB 3 lists the lines; when it stores nothing of a request, it tells of the first only."""
    data = body.get("data")
    found = [data] if isinstance(data, dict) else data
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def named(answer: Answer, lines: Sequence[bytes]) -> dict[int, str]:
    """The lines that an answer names, by their place, with the server's words on each.

    InfluxDB 2 quotes them (`unable to parse 'LINE': reason`), InfluxDB 3 numbers them from 1 and quotes their beginning.
    """
    return _numbered(_listed(body_of(answer)), lines) | _quoted(message(answer), lines)


def _numbered(listed: Sequence[Mapping[str, Any]], lines: Sequence[bytes]) -> dict[int, str]:
    """Numbers count up to the first line that is malformed: an open quote in it may have swallowed others."""
    found = {}
    for number, quoted, words in sorted(_entries(listed)):
        if not 0 < number <= len(lines) or not lines[number - 1].startswith(quoted[:16].encode()):
            continue
        found[number - 1] = words
        if line_types(lines[number - 1]) is None:
            break
    return found


def _entries(listed: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, str, str]]:
    for each in listed:
        number, quoted = each.get("line_number"), each.get("original_line")
        if isinstance(number, int) and isinstance(quoted, str):
            yield number, quoted, str(each.get("error_message"))


def _quoted(text: str, lines: Sequence[bytes]) -> dict[int, str]:
    pieces = text.split("unable to parse '")[1:]
    if not pieces:
        return {}
    places = {line: place for place, line in enumerate(lines)}
    found = {}
    for piece in pieces:
        quoted, _, reason = piece.rpartition("': ")
        place = places.get(quoted.encode(), _swallower(quoted, places))
        if place is not None:
            found[place] = reason.strip()
    return found


def _swallower(quoted: str, places: Mapping[bytes, int]) -> int | None:
    """The malformed line whose open quote made one of it and those behind it."""
    line = quoted.partition("\n")[0].encode()
    return places.get(line) if line_types(line) is None else None
