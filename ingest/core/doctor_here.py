"""What is wrong on this machine: files, disk, and the service itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, Final

from attrs import frozen

from ingest.core.data_api_answer import CHECK_URL, answers
from ingest.core.findings import Check, Finding, Severity, error, of_error, warning
from ingest.core.health_outline import PLACE
from ingest.core.influx_answer import Answer, is_page
from ingest.errors import IngestError

SLOW: Final = 0.05
"""Seconds that a commit may take: with more, a disk is busy with nothing else."""

MIB: Final = 2**20

LITTLE: Final = 64 * MIB
"""Bytes of spool that are too few to be of use in an outage."""

SOON: Final = 30
"""Days within which a full disk is worth a warning."""

FREE_SPACE: Final = "Free some space on this disk, or choose another place with spool.path."
START: Final = "Start it: `homeiq-ingest run`, or `systemctl start homeiq-ingest`."
SPARE: Final = (
    "Is the disk busy, or an SD card? Fewer commits spare it: batch.timeout says how often (a hard kill then leaves as much to"
    " be filled from Home Assistant's history)."
)


@frozen
class Disk:
    """The disk of the state file, in bytes: what is free, what stays free, what the spool may take and is wished.

    `spools`: there is a spool, as there is for a database.
    """

    path: str
    free: int
    floor: int
    room: int
    wanted: int
    spools: bool = True


@frozen
class File:
    """A database file: why it cannot be used, or what is wrong inside; its bytes, and how many a day adds to it.

    `owner`: the user whose folder it is in, where this one may not write there.
    """

    name: str
    path: str
    problem: IngestError | None = None
    damage: str = ""
    size: int | None = None
    per_day: float = 0.0
    owner: str = ""


@frozen
class Service:
    """What is known of the running service: what it answers of its health, or why not; and who holds the state file.

    `enabled`: it is meant to answer, to whom `guard` says. `version` is ours, `state` the configured state file. `home` and
    `store`: Home Assistant answers with the configuration that we have, and the database takes points. `where` is the place of
    the configured store (empty: not known). `refused`: it does not take our token.
    """

    version: str
    state: str
    enabled: bool = True
    guard: str = ""
    health: Mapping[str, Any] | None = None
    problem: IngestError | None = None
    held: bool = False
    home: bool = False
    store: bool = False
    where: str = ""
    refused: bool = False

    @property
    def at_work(self) -> bool:
        """True where one answers that has the configured state file."""
        return _part(self.health or {}, "files").get("state") == self.state


def folder(path: str, found: Sequence[float] | IngestError) -> Check:
    """Whether the state directory can be written, and how fast: seconds of some commits."""
    if isinstance(found, IngestError):
        return Check("state directory", found.what, (of_error(found),))
    if not found:
        return Check("state directory", "not there yet: the service makes it")
    typical = median(found)
    said = f"a commit takes {typical * 1000:.1f} ms"
    slow = warning(f"the disk is slow: {said}", path, SPARE)
    return Check("state directory", said, (slow,) if typical > SLOW else ())


def foreign(path: str, owner: str, *, at_work: bool) -> Check:
    """That the state directory is another user's; where a service is `at_work` in it, only we cannot see it."""
    look = f"sudo -u {owner} homeiq-ingest doctor"
    if at_work:
        what = f"the files of the service belong to {owner}, and were not looked at"
        return Check("state directory", what, (Finding(Severity.HINT, what, path, f"Look as that user: {look}"),))
    what = f"the state directory belongs to {owner}, and this user cannot write there"
    remedy = (
        f"If the service runs as {owner}, look as that user: {look}. Else give the user that it runs as the right to write"
        " there, or choose another place with spool.path."
    )
    return Check("state directory", what, (error(what, path, remedy),))


def hanging(path: str, seconds: float) -> Check:
    """That the disk of the state directory said nothing for so long."""
    remedy = "Look for disk errors with dmesg; a network drive may be gone."
    what = f"the disk of the state directory does not answer within {seconds:.0f} s"
    return Check("state directory", what, (error(what, path, remedy),))


def disk(found: Disk) -> Check:
    """Whether there is room for an outage of the database; without one, for what is remembered."""
    free = f"{found.free / MIB:,.0f} MiB free"
    said = f"{free}, {found.room / MIB:,.0f} of them for the spool" if found.spools else f"{free}; without a spool"
    remedy = FREE_SPACE
    if found.free < found.floor:
        then = "nothing is spooled on it" if found.spools else "soon nothing can be written there"
        what = f"the disk is nearly full ({free}, {found.floor / MIB:,.0f} stay free): {then}"
        return Check("disk", said, (error(what, found.path, remedy),))
    if (found.spools and found.room < min(LITTLE, found.wanted)) or found.free < 2 * found.floor:
        what = f"the disk is nearly full: {said}"
        return Check("disk", said, (warning(what, found.path, remedy),))
    return Check("disk", said)


def file(found: File, free: int | None) -> Check:
    """Whether a file is sound, and whether the disk holds what comes."""
    if found.problem is not None and found.owner:
        return Check(found.name, skipped=f"it is in a folder of {found.owner}'s")
    if found.problem is not None:
        return Check(found.name, found.problem.what, (of_error(found.problem),))
    if found.damage:
        what, remedy = (
            f"the file is damaged: {found.damage}",
            "Restart the service: it sets the file aside and begins a new one.",
        )
        return Check(found.name, "damaged", (error(what, found.path, remedy),))
    if found.size is None:
        return Check(found.name, "not there yet: the service makes it")
    said = f"sound, {found.size / MIB:,.1f} MiB"
    days = free / found.per_day if free is not None and found.per_day else None
    if days is None or days > SOON:
        return Check(found.name, said)
    what = f"at {found.per_day / MIB:,.0f} MiB a day the disk is full in {days:.0f} days"
    remedy = "Free some space, leave more out (`homeiq-ingest estimate` says what), or shorten embedded.retention."
    return Check(found.name, said, (warning(what, found.path, remedy),))


def service(found: Service) -> Check:
    """Whether it runs, is of this version, and is well by its own account."""
    if found.health is None:
        return _silent(found)
    health = found.health
    said = f"{health.get('status')}: {health.get('reason')}; last event {_last(health)}; it answers {found.guard}"
    return Check("service", said, tuple(_of_health(found, health)))


def _silent(found: Service) -> Check:
    if not found.held:
        return Check("service", "not running", (warning("no service runs: nothing is stored", found.state, START),))
    if not found.enabled:
        return Check("service", "runs; api.enabled is false, so that it cannot be asked how it is")
    remedy = "api.host and api.port say where it should answer: its log says whether another program has the port."
    where = "" if found.problem is None else found.problem.where
    return Check("service", "runs, silent", (warning("a service runs, but its API does not answer", where, remedy),))


def _of_health(found: Service, health: Mapping[str, Any]) -> Iterator[Finding]:
    if (status := health.get("status")) != "healthy":
        severity = Severity.WARNING if status == "degraded" else Severity.ERROR
        remedy = " ".join(str(each) for each in health.get("remedies") or ())
        todo = " ".join(filter(None, (_apart(found, health), remedy)))
        yield Finding(severity, f"the service is {status}: {health.get('reason')}", found.state, todo or _LOOK)
    if (version := health.get("version")) != found.version:
        what = f"the service that runs is of version {version}, this program of {found.version}"
        yield warning(what, found.state, "Restart the service.")
    store = _part(health, "database").get("where")
    if found.where and isinstance(store, str) and store not in {found.where, PLACE}:
        what = f"the service that runs stores into {store}, the configuration that was read here says {found.where}"
        yield warning(what, found.state, f"{_OTHER} Compare --config, and restart the service.")
    if found.refused:
        what = "the service that runs does not take api.token as the configuration that was read here has it"
        yield warning(what, found.state, f"{_OTHER} Compare --config and api.token_file, and restart the service.")
    state = _part(health, "files").get("state")
    if isinstance(state, str) and state != found.state:
        remedy = "Give the --config that the service has; else two services would not know of each other."
        yield warning(f"the service that runs uses another state file, {state}", found.state, remedy)


def _apart(found: Service, health: Mapping[str, Any]) -> str:
    """What to do about a service that does not come to what answers us."""
    lacks = (
        (found.home, "subscription", "is_subscribed", "Home Assistant answers"),
        (found.store, "database", "reachable", "the database takes points"),
    )
    said = " and ".join(words for here, part, key, words in lacks if here and _part(health, part).get(key) is False)
    if not said:
        return ""
    what = f"{said[0].upper()}{said[1:]} with the configuration that was read here."
    return f"{what} If it stays so: {_OTHER[0].lower()}{_OTHER[1:]} Compare --config, and restart the service."


def _part(health: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = health.get(name)
    return part if isinstance(part, dict) else {}


def _last(health: Mapping[str, Any]) -> str:
    return str(_part(health, "subscription").get("last_event") or "not yet")


_OTHER: Final = "The service has another configuration, or read it before it was changed."
_LOOK: Final = "`homeiq-ingest status` and its log say more."


def data_api(where: str, found: Answer | IngestError) -> Check:
    """Whether HomeIQ's data-api answers: states are stored without it, what it keeps of devices and entities gets old."""
    if isinstance(found, IngestError):
        problem = warning(found.what, found.where, found.remedy or CHECK_URL)
        return Check("data-api", found.what, (problem,))
    if is_page(found) or found.status >= 400:
        return Check("data-api", answers(found), (warning(answers(found), where, CHECK_URL),))
    return Check("data-api", "answers")
