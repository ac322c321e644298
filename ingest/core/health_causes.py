"""Why the service is not healthy: a rule each, from what is known to causes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from attrs import field, frozen

from ingest.core.data_api_health import DataApiHealth
from ingest.core.health import Cause, Connection, Database, Queue, Spool, Status, Subscription
from ingest.core.health_outline import without_path
from ingest.core.registries_health import RegistriesHealth
from ingest.core.reports import LETTERS, StateSetAside
from ingest.core.words import counted, waits

SLOW = 10.0
"""Seconds after which a delivery that has no answer yet is worth a word."""

DAMAGED = (
    "Look for disk errors with dmesg. The next start begins a new state file and keeps this one for `spool recover`."
)

NO_REGISTRIES = "Nothing, if Home Assistant is restarting; else look at its log. It is asked again by itself."

STUCK = "Restart the service, unless systemd does: what is in the spool is delivered after that."

DISK = "Look for disk errors with dmesg."

FIX_DISK = "Free some space, or fix the disk or the permissions of the state file."
RESTART = (
    "Restart the service when little waits: where the disk has room for both, it begins a new state file and brings over "
    "what is readable of this one."
)


@frozen
class Facts:
    """What the rules look at. `pending_seconds`: how long the store has been silent while points wait for it.

    `lost` are the points and changes that were dropped in the last five minutes, `unreadable` the points in the spool
    that turned out to be damaged, `refused` what became a dead letter; `aside` the state files that could not be used,
    `letters` the dead letters that were dropped, `damaged` what damage was met in the state file, `misread` what is
    wrong with the configuration as it is now, `stuck` what does not come back and since when.
    """

    connection: Connection
    subscription: Subscription
    database: Database
    spool: Spool
    queues: tuple[Queue, ...]
    pending_seconds: float
    lost: int
    unreadable: int = 0
    refused: int = 0
    aside: tuple[StateSetAside, ...] = ()
    letters: int = 0
    damaged: str = ""
    registries: RegistriesHealth = field(factory=RegistriesHealth)
    data_api: DataApiHealth | None = None
    misread: tuple[str, ...] = ()
    stuck: Mapping[str, datetime] = field(factory=dict)


def causes(facts: Facts) -> tuple[Cause, ...]:
    """Every cause, the most telling first."""
    rules = (
        _stuck, _database, _connection, _lost, _refused, _spool, _damaged, _aside, _configuration, _queues, _rate, _registries,
        _data_api,
    )  # fmt: skip
    return tuple(cause for rule in rules for cause in rule(facts))


def _stuck(facts: Facts) -> Iterator[Cause]:
    for station, since in facts.stuck.items():
        told = f"has not come back since {since:%Y-%m-%d %H:%M:%S} UTC"
        yield Cause(Status.UNHEALTHY, f"stuck: {station} {told}", STUCK, f"stuck: {without_path(station)} {told}")


def _database(facts: Facts) -> Iterator[Cause]:
    database = facts.database
    if database.failing_since is not None:
        since = f"{database.failing_since:%Y-%m-%d %H:%M:%S} UTC"
        outline = f"{database.name} takes no points since {since}, {waits(database.waiting)}"
        status = Status.UNHEALTHY if database.remedy else Status.DEGRADED
        yield Cause(status, f"{outline}: {database.reason}", database.remedy, outline)
    elif facts.pending_seconds >= SLOW:
        silent = f"{database.name} has not answered for {facts.pending_seconds:.0f} s"
        remedy = f"Check whether {database.name} is overloaded or hangs."
        yield Cause(Status.DEGRADED, f"{silent}, {waits(database.waiting)}", remedy)


def _connection(facts: Facts) -> Iterator[Cause]:
    if facts.subscription.subscribed:
        return
    connection = facts.connection
    problems = [f"{each.name}: {each.problem}" for each in connection.candidates if each.problem]
    if problems:
        passing = "" if connection.current.needs_person else "Nothing, while Home Assistant is only restarting."
        todo = dict.fromkeys((passing, *(each.remedy for each in connection.candidates if each.problem)))
        outline = "no connection to Home Assistant"
        remedy = " ".join(filter(None, todo))
        yield Cause(Status.UNHEALTHY, f"{outline} ({'; '.join(problems)})", remedy, outline)
    elif not connection.running:
        yield Cause(Status.UNHEALTHY, "the service does not take changes: it is starting or stopping")
    else:
        yield Cause(Status.DEGRADED, f"not subscribed to Home Assistant yet ({connection.current.state})")


def _lost(facts: Facts) -> Iterator[Cause]:
    if facts.lost:
        remedy = "Fix what holds the points up, or give the spool and the queues more room."
        yield Cause(Status.UNHEALTHY, f"{facts.lost} changes were dropped in the last 5 minutes", remedy)
    if facts.letters:
        sentence = f"{facts.letters} dead letters were dropped in the last 5 minutes"
        yield Cause(
            Status.UNHEALTHY, sentence, "Look at them with `homeiq-ingest dead-letters list`; export and remove some."
        )
    if facts.unreadable:
        sentence = f"{facts.unreadable} points in the spool could not be read in the last 5 minutes"
        yield Cause(Status.UNHEALTHY, sentence, DAMAGED)


def _refused(facts: Facts) -> Iterator[Cause]:
    if facts.refused:
        sentence = f"{counted(facts.refused, 'point')} refused in the last 5 minutes"
        yield Cause(Status.DEGRADED, sentence, f"See which, and why: {LETTERS}")


def _spool(facts: Facts) -> Iterator[Cause]:
    kept = {
        "the spool is": facts.spool.failing,
        "dead letters are": facts.spool.letters_failing,
        "the ledger is": facts.spool.ledger_failing,
    }
    for what, why in kept.items():
        if why:
            remedy = RESTART if "damaged" in why else FIX_DISK
            outline = f"{what} in memory only"
            yield Cause(Status.DEGRADED, f"{outline}: {why}", remedy, outline)


def _damaged(facts: Facts) -> Iterator[Cause]:
    if facts.damaged:
        outline = "the state file is damaged"
        yield Cause(Status.DEGRADED, f"{outline}: {facts.damaged}", RESTART, outline)


def _aside(facts: Facts) -> Iterator[Cause]:
    outline = "the state file was damaged or of a newer version and was set aside"
    for file in facts.aside:
        sentence = f"the state file was damaged or of a newer version and is kept as {file.kept_as}"
        if file.brought is not None:
            if file.unreadable:
                lost = f"at least {counted(file.unreadable, 'row')} of it cannot be read"
                yield Cause(Status.DEGRADED, f"{sentence}: {lost}", DISK, f"{outline}: {lost}")
        else:
            remedy = "homeiq-ingest spool recover"
            waiting = f"{'nobody knows what waits' if file.left is None else f'at least {waits(file.left)}'} in it"
            yield Cause(
                Status.DEGRADED, f"{sentence}: {waiting}", f"{remedy} {file.kept_as}",
                f"{outline}: {waiting}", f"{remedy} FILE (/health/detailed says which)",
            )  # fmt: skip


def _configuration(facts: Facts) -> Iterator[Cause]:
    if facts.misread:
        more = f" (and {counted(len(facts.misread) - 1, 'other problem')})" if len(facts.misread) > 1 else ""
        outline = "the configuration was changed and is wrong, what was read before goes on"
        remedy = "See everything that is wrong with it: homeiq-ingest config check"
        yield Cause(Status.DEGRADED, f"{outline}: {facts.misread[0]}{more}", remedy, outline)


def _queues(facts: Facts) -> Iterator[Cause]:
    for queue in facts.queues:
        if queue.full:
            yield Cause(Status.DEGRADED, f"{queue.name} is full with {queue.events} changes")


def _rate(facts: Facts) -> Iterator[Cause]:
    if facts.subscription.subscribed and facts.subscription.unusual:
        yield Cause(Status.DEGRADED, facts.subscription.unusual)


def _registries(facts: Facts) -> Iterator[Cause]:
    known = facts.registries
    if known.reason:
        since = (
            "nothing is known of them"
            if known.as_of is None
            else f"points carry what they said at {known.as_of:%Y-%m-%d %H:%M} UTC"
        )
        if known.source == "templates":
            since = "its templates are asked instead, which know no registry ids"
        outline = f"the registries cannot be read, {since}"
        yield Cause(Status.DEGRADED, f"{outline}: {known.reason}", NO_REGISTRIES, outline)
    for command in known.partly:
        outline = "what was known before is used in its place"
        yield Cause(Status.DEGRADED, f"{outline}: {command}", outline=f"{outline}: {command.partition(':')[0]}")


def _data_api(facts: Facts) -> Iterator[Cause]:
    told = facts.data_api
    if told is not None and told.failing_since is not None and told.waiting:
        since = f"{told.failing_since:%Y-%m-%d %H:%M:%S} UTC"
        outline = f"data-api has not been told about the home since {since} ({told.waiting} wait)"
        yield Cause(Status.DEGRADED, f"{outline}: {told.reason}", told.remedy, outline)
