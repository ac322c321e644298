"""What is wrong with the database: who answers there, whether it takes our points, and what it will do with them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, TypeAlias

import msgspec
from attrs import evolve, frozen

from ingest.core.findings import Check, Finding, error, of_error, skipped, warning
from ingest.core.influx_answer import CHECK_BUCKET, Answer, answers, words
from ingest.core.influx_server import Server
from ingest.core.words import counted
from ingest.errors import IngestError

Types: TypeAlias = Mapping[str, Mapping[str, Collection[str]]]
"""The types of each field of each measurement."""

NAMES: Final = ("bucket", "write", "types")
"""Of the checks for which the database must answer."""

REMEMBERED: Final = 10 * 86_400
"""Seconds that Home Assistant's recorder keeps what it has, unless told otherwise: so old may a state be that fills a gap."""

NAMED: Final = 3
"""Conflicts that are named."""

ONE: Final = (
    "InfluxDB 1 has the v2 write API from 1.8 on (influxdb.bucket is then DATABASE/RETENTION_POLICY, the token USER:PASSWORD)."
    " Update it, or use InfluxDB 2 or 3, VictoriaMetrics, or the embedded store."
)
NO_TYPES: Final = (
    "Points with them are refused, and kept as dead letters. Give influxdb.bucket the name of a bucket of our own, or stop"
    " the other writer: types are fixed for a stretch of time (a shard), then the one that writes first decides."
)


@frozen
class Wanted:
    """What is configured: the bucket, how long it should keep (seconds; None: for ever), whether it may be made."""

    bucket: str
    retention: float | None
    may_create: bool
    numeric_only: bool


@frozen
class Looked:
    """What a database answered. `problem`: why it takes no points; `page` is the title of a page that stands there.

    `lacks_bucket`: that is the problem. `bucket` is its answer about the bucket, `probe` that to a point, which is
    `withdrawn` again or not. `types` are those of the fields that it holds, or why they are not known.
    """

    where: str
    problem: IngestError | None = None
    server: Server | None = None
    page: str = ""
    lacks_bucket: bool = False
    bucket: Answer | None = None
    probe: Answer | None = None
    withdrawn: bool = False
    types: Types | str = ""


def judged(looked: Looked, wanted: Wanted, ours: Mapping[str, Mapping[str, str]]) -> list[Check]:
    """Every check of a database; `ours` are the types that we write."""
    name = str(looked.server or "a database")
    if looked.lacks_bucket:
        finding = _lacking(looked, wanted)
        rest = skipped("the bucket is missing", *NAMES[1:])
        return [Check("database", name), Check(NAMES[0], "missing", (finding,)), *rest]
    if looked.problem is not None:
        return [
            Check("database", looked.problem.what, (_refused(looked, looked.problem),)),
            *skipped("the database takes no points", *NAMES),
        ]
    numbers = () if looked.server is None or looked.server.keeps_text or wanted.numeric_only else (_numbers(looked),)
    return [Check("database", name, numbers), _bucket(looked, wanted), _written(looked), _types(looked, ours)]


def _lacking(looked: Looked, wanted: Wanted) -> Finding:
    what = f'there is no bucket "{wanted.bucket}"'
    if not wanted.may_create:
        return error(what, looked.where, CHECK_BUCKET)
    remedy = f"The service makes it when it starts, if the token may create buckets. {CHECK_BUCKET}"
    return warning(what, looked.where, remedy)


def _refused(looked: Looked, problem: IngestError) -> Finding:
    server = looked.server
    if server is not None and server.version.startswith(("0.", "1.")) and "answers 404" in problem.what:
        return error(f"that is {server}, which has no v2 write API", looked.where, ONE)
    found = of_error(problem)
    if not looked.page:
        return found
    return evolve(found, what=f'a page titled "{looked.page}" answers, not the database\'s API')


def _numbers(looked: Looked) -> Finding:
    what = f"{looked.server} keeps numbers only: every text of ours becomes 0 in it"
    return warning(what, looked.where, "Set influxdb.numeric_only = true.")


def _bucket(looked: Looked, wanted: Wanted) -> Check:
    if looked.server is not None and not looked.server.keeps_text:
        return Check(NAMES[0], f"{looked.server.name} has none; its -retentionPeriod says how long it keeps")
    known = None if looked.bucket is None else described(looked.bucket, wanted.bucket)
    if known is None:
        return Check(NAMES[0], "takes writes; the token may not read how long it keeps them")
    seconds = _keeps(known)
    if not seconds:
        return Check(NAMES[0], "keeps for ever")
    said = f"keeps {_days(seconds)}"
    sent = wanted.retention if wanted.retention is not None else REMEMBERED
    if seconds >= sent:
        return Check(NAMES[0], said)
    what = f'the bucket "{wanted.bucket}" forgets after {_days(seconds)}, and older states are sent to it, which it refuses'
    finding = warning(
        what, looked.where, f'Set influxdb.retention = "{int(seconds)}s", or have the bucket keep longer.'
    )
    return Check(NAMES[0], said, (finding,))


def described(answer: Answer, name: str) -> Mapping[str, Any] | None:
    """What an answer says of the bucket of that name."""
    if answer.status != 200:
        return None
    try:
        listed = msgspec.json.decode(answer.text)["buckets"]
        return next((each for each in listed if each["name"] == name), None)
    except (msgspec.DecodeError, RecursionError, KeyError, TypeError):
        return None


def _keeps(bucket: Mapping[str, Any]) -> float:
    """Seconds; 0 for ever."""
    rules = bucket.get("retentionRules")
    kept = [each.get("everySeconds") for each in rules if isinstance(each, dict)] if isinstance(rules, list) else []
    return min((each for each in kept if isinstance(each, int) and each > 0), default=0)


def _written(looked: Looked) -> Check:
    answer = looked.probe
    if answer is None or answer.status == 204:
        return Check(
            NAMES[1], "a point came in, " + ("and was removed again" if looked.withdrawn else "and stays there")
        )
    what = f"the database answers a query and refuses a point: {answers(answer)}"
    remedy = "Give the token the right to write to this bucket; if it is full or read-only, fix that."
    return Check(NAMES[1], words(answer), (error(what, looked.where, remedy),))


def _types(looked: Looked, ours: Mapping[str, Mapping[str, str]]) -> Check:
    if looked.server is not None and not looked.server.keeps_text:
        return Check(NAMES[2], "it keeps numbers of one kind only")
    if isinstance(looked.types, str):
        return Check(NAMES[2], skipped=looked.types)
    if not ours:
        return Check(NAMES[2], skipped="Home Assistant did not tell what would be written")
    found = list(conflicts(ours, looked.types))
    if not found:
        fields = sum(map(len, ours.values()))
        return Check(NAMES[2], f"{counted(fields, 'field')} of ours, none of another type there")
    more = f"; and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    what = f"the bucket holds other types under the same names: {'; '.join(found[:NAMED])}{more}"
    return Check(NAMES[2], counted(len(found), "conflict"), (error(what, looked.where, NO_TYPES),))


def conflicts(ours: Mapping[str, Mapping[str, str]], theirs: Types) -> Iterator[str]:
    """Each field that we write as a type of which the database has none under that name."""
    for measurement, fields in ours.items():
        there = theirs.get(measurement, {})
        for name, kind in fields.items():
            if (held := there.get(name)) and kind not in held:
                yield f'"{name}" of "{measurement}" is {" and ".join(sorted(held))} there, {kind} here'


def _days(seconds: float) -> str:
    days = round(seconds / 86_400, 1)
    return "1 day" if days == 1 else f"{days:g} days"
