"""Everything the service can say about itself: one frozen class a fact.

Log lines, counters and health are folds over these. An actor says what happened, once, and knows nothing of who
listens. No report holds a secret. `LEVEL` is how loud a log should be; `text` the sentence a person reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Final, Literal, TypeAlias

from attrs import field, frozen

from ingest.core.coverage import Cause
from ingest.core.coverage import Progress as Filling
from ingest.core.evicted import Named
from ingest.core.session import SessionState
from ingest.core.state import Source, moment_at
from ingest.core.store import Rejection
from ingest.core.words import counted, entity_of, some, waits

Level: TypeAlias = Literal["debug", "info", "warning", "error"]

LETTERS: Final = "homeiq-ingest dead-letters list"
"""What shows everything that was refused."""


@frozen
class Report:
    """One fact. Its fields are what a log line carries beside the sentence."""

    LEVEL: ClassVar[Level] = "info"

    @property
    def level(self) -> Level:
        """How loud this one is: `LEVEL`, unless its kind tells good news from bad."""
        return self.LEVEL

    def text(self) -> str:
        """The sentence a person reads."""
        return type(self).__name__


Emit: TypeAlias = Callable[[Report], None]


# ---- the session -------------------------------------------------------------------------------------------------


@frozen
class SessionChanged(Report):
    """A session went from one state to the next."""

    LEVEL: ClassVar[Level] = "debug"
    candidate: str
    state: SessionState

    def text(self) -> str:
        return f"session with {self.candidate}: {self.state.value}"


@frozen
class Connected(Report):
    """A session is subscribed: from here on every change reaches us."""

    candidate: str
    where: str
    ha_version: str
    attempts: int

    def text(self) -> str:
        return f"subscribed to every change of Home Assistant {self.ha_version} ({self.candidate}, {self.where})"


@frozen
class ConnectionFailed(Report):
    """An attempt failed, or a session ended; the next attempt is `retry_in` seconds away. `remedy` may be empty."""

    LEVEL: ClassVar[Level] = "warning"
    candidate: str
    reason: str
    retry_in: float
    failures: int
    breaker: str
    needs_person: bool = False
    remedy: str = ""

    def text(self) -> str:
        todo = f". {self.remedy}" if self.remedy else ""
        again = f"next attempt within {math.ceil(self.retry_in)} s"
        return f"no connection to Home Assistant ({self.candidate}), {again}: {self.reason}{todo}"


@frozen
class CandidateRefused(Report):
    """Only a person can mend this candidate; the others go on."""

    LEVEL: ClassVar[Level] = "error"
    candidate: str
    reason: str
    retry_in: float
    remedy: str = ""

    def text(self) -> str:
        todo = f" {self.remedy}" if self.remedy else ""
        return (
            f"Home Assistant ({self.candidate}) refused: {self.reason}.{todo} "
            f"Next attempt in {self.retry_in / 60:.0f} minutes, or when the token file changes;"
            " a token in the configuration itself is read at the next start"
        )


@frozen
class Snapshot(Report):
    """Every current state was read; `complete` once Home Assistant said RUNNING, `temperature` the unit it uses."""

    entities: int
    complete: bool
    temperature: str | None = None

    def text(self) -> str:
        return f"read the current state of {self.entities} entities" + ("" if self.complete else " (still starting)")


@frozen
class CatalogLoaded(Report):
    """The registries were read anew. `source`: how; a template knows no registry ids.

    `lacking`: why the devices could not be read, so that those known before go on serving. `asked` counts what there was
    to read anew when it began.
    """

    entities: int
    devices: int
    areas: int
    skipped: int
    seconds: float
    floors: int = 0
    labels: int = 0
    source: Literal["registries", "templates"] = "registries"
    lacking: str = ""
    asked: int = field(default=0, repr=False)

    def text(self) -> str:
        more = f", {self.skipped} entries that cannot be read left out" if self.skipped else ""
        if self.source == "templates":
            return f"asked the templates of Home Assistant for devices and areas: {self.entities} entities{more}"
        return f"read the registries: {self.entities} registered entities, {self.devices} devices, {self.areas} areas{more}"


@frozen
class CatalogChanged(Report):
    """What had changed in the registries was read: entities by name, of the others whole lists."""

    LEVEL: ClassVar[Level] = "debug"
    entities: tuple[str, ...]
    lists: tuple[str, ...]
    seconds: float

    def text(self) -> str:
        what = [some(self.entities), *(f"the {kind} registry" for kind in self.lists)]
        return f"read what changed in the registries: {', '.join(each for each in what if each)}"


@frozen
class CatalogKept(Report):
    """Until the registries are read, what was known of them in an earlier run serves."""

    entities: int
    as_of_ns: int

    def text(self) -> str:
        at = moment_at(self.as_of_ns)
        return f"until the registries are read, what they said at {at:%Y-%m-%d %H:%M} UTC is used ({self.entities} entities)"


@frozen
class CatalogFailed(Report):
    """The registries could not be read; the last catalog goes on serving. `again`: that was said before.

    `asked` as of `CatalogLoaded`.
    """

    reason: str
    again: bool = False
    asked: int = field(default=0, repr=False)

    @property
    def level(self) -> Level:
        """A failure that lasts is said once."""
        return "debug" if self.again else "warning"

    def text(self) -> str:
        return f"the registries could not be read, the last known ones stay in use: {self.reason}"


@frozen
class RegistryFailed(Report):
    """One command failed: what was known of that stays in use, the rest is read. Said once, until it works again."""

    LEVEL: ClassVar[Level] = "warning"
    command: str
    reason: str

    def text(self) -> str:
        return f"{self.command} failed, what was known of that stays in use: {self.reason}"


@frozen
class RegistryWorks(Report):
    """A command that failed works again, or is not needed any more."""

    command: str

    def text(self) -> str:
        return f"{self.command} works again, or is not needed any more"


# ---- the stream --------------------------------------------------------------------------------------------------


@frozen
class Received(Report):
    """So many states came in, from that source: live, snapshot or history."""

    LEVEL: ClassVar[Level] = "debug"
    count: int
    source: Source


@frozen
class MalformedMessage(Report):
    """A message could not be read and was skipped; its neighbours were not."""

    LEVEL: ClassVar[Level] = "warning"
    kind: str
    problem: str
    excerpt: str

    def text(self) -> str:
        return f"skipped a message of Home Assistant that cannot be read: {self.problem}"


@frozen
class UnexpectedMessage(Report):
    """A message nobody asked for."""

    LEVEL: ClassVar[Level] = "warning"
    kind: str

    def text(self) -> str:
        return f"skipped a message of an unknown kind: {self.kind}"


@frozen
class Shed(Report):
    """A link overflowed: these changes are lost to the live path. Times in nanoseconds.

    `spans`: of an entity's live changes, from the first to the last. `present`: what a snapshot told, of which some may be
    stored already. `alone`: what is missing state by state, as it lies between others.
    """

    LEVEL: ClassVar[Level] = "error"
    link: str
    count: int
    oldest_ns: int
    newest_ns: int
    entities: tuple[str, ...]
    spans: Mapping[str, tuple[int, int]] = field(factory=dict, repr=False)
    present: Sequence[tuple[str, int]] = field(default=(), repr=False)
    alone: Sequence[tuple[str, int]] = field(default=(), repr=False)

    def text(self) -> str:
        return f"{self.count} changes of {len(self.entities)} entities did not fit into {self.link} and were dropped"


@frozen
class Filtered(Report):
    """Changes that the rules leave out, counted by rule."""

    LEVEL: ClassVar[Level] = "debug"
    rules: Mapping[str, int]

    @property
    def count(self) -> int:
        """Changes of all rules together."""
        return sum(self.rules.values())


@frozen
class Passed(Report):
    """Changes that the rules let through."""

    LEVEL: ClassVar[Level] = "debug"
    count: int


@frozen
class Repeated(Report):
    """States of a snapshot that are stored already."""

    LEVEL: ClassVar[Level] = "debug"
    count: int


def looked_through(passed: int, others: Mapping[str | None, int]) -> Iterator[Report]:
    """What became of the changes of a frame: the others by the rule that left them out, None for what is stored already."""
    left_out = {rule: count for rule, count in others.items() if rule is not None}
    if passed:
        yield Passed(passed)
    if left_out:
        yield Filtered(left_out)
    if repeated := others.get(None):
        yield Repeated(repeated)


@frozen
class DeadLetter(Report):
    """One change broke a pure function: kept with its JSON and the traceback; the service lives."""

    LEVEL: ClassVar[Level] = "error"
    store: str
    entity_id: str
    json: str
    traceback: str

    def text(self) -> str:
        return f"a change of {self.entity_id} could not be turned into a point and was set aside (see: {LETTERS}): {self.reason}"

    @property
    def reason(self) -> str:
        """The last line of the traceback."""
        return self.traceback.strip().rpartition("\n")[2]


# ---- the stores --------------------------------------------------------------------------------------------------


@frozen
class Batched(Report):
    """A batch went into the spool."""

    LEVEL: ClassVar[Level] = "debug"
    store: str
    count: int
    size: int


@frozen
class BacklogFound(Report):
    """The spool holds points from before the start."""

    store: str
    count: int

    def text(self) -> str:
        return f"{waits(self.count)} on disk for {self.store} from before the start, beside what comes now"


@frozen
class BacklogGone(Report):
    """They are out of the spool."""

    store: str
    count: int

    def text(self) -> str:
        return f"{self.store} has what waited from before the start: {counted(self.count, 'point')}"


@frozen
class Evicted(Report):
    """The spool was full: its oldest batch went. `counted` of the points are in the lasting totals already.

    `named` says whose states they were, where nobody wrote that down yet: nobody's when it is empty. None: it is not known.
    `unbroken`: nothing that was put between these and those that went before is stored, or will be.
    """

    LEVEL: ClassVar[Level] = "error"
    store: str
    count: int
    oldest_ns: int
    newest_ns: int
    counted: int = 0
    named: Sequence[Named] | None = field(default=None, repr=False)
    unbroken: bool = False

    def text(self) -> str:
        return f"the spool for {self.store} is full: {counted(self.count, 'point')} dropped, the oldest first"


@frozen
class Purged(Report):
    """A person had these points removed before they were stored. They are counted among the evicted."""

    store: str
    count: int
    oldest_ns: int
    newest_ns: int

    def text(self) -> str:
        return f"{_were(self.count, 'point')} removed that waited for {self.store}, as was asked for"


@frozen
class Made(Report):
    """States came into the spool otherwise than by being received; `how` says from where."""

    store: str
    count: int
    how: str

    def text(self) -> str:
        return f"{_are(self.count, 'point')} in the spool for {self.store} again: {self.how}"


@frozen
class Added(Report):
    """Points of our own making are on their way to the store: `what` they tell of."""

    LEVEL: ClassVar[Level] = "debug"
    count: int
    what: str


@frozen
class Unreadable(Report):
    """Batches of the state file cannot be read, or are not whole: they are out of the spool, and stay in the file."""

    LEVEL: ClassVar[Level] = "error"
    store: str
    count: int
    oldest_ns: int
    newest_ns: int
    reason: str

    def text(self) -> str:
        return f"{self.count} points in the spool for {self.store} cannot be read and are left out: {self.reason}"


@frozen
class Stored(Report):
    """A batch is in the store; `seconds` is how long the delivery took.

    `oldest_ns` and `newest_ns` are of its points, by the clock of Home Assistant's machine; None: nobody looked.
    """

    LEVEL: ClassVar[Level] = "debug"
    store: str
    count: int
    seconds: float
    oldest_ns: int | None = field(default=None, repr=False)
    newest_ns: int | None = field(default=None, repr=False)


@frozen
class Rejected(Report):
    """The server named these lines and refused them."""

    LEVEL: ClassVar[Level] = "error"
    store: str
    rejections: tuple[Rejection, ...]

    def text(self) -> str:
        whose = some(entity_of(each.line) for each in self.rejections)
        what = counted(len(self.rejections), "point") + (f" of {whose}" if whose else "")
        return f"{self.store} refused {what} (see: {LETTERS}): {self.rejections[0].reason}"


@frozen
class StoreWaiting(Report):
    """The store does not take the batch now; nothing is lost while the spool has room."""

    LEVEL: ClassVar[Level] = "warning"
    store: str
    reason: str
    remedy: str
    retry_in: float
    waiting: int
    breaker: str = "closed"

    def text(self) -> str:
        todo = f". {self.remedy}" if self.remedy else ""
        again = f"{waits(self.waiting)}, trying again within {math.ceil(self.retry_in)} s"
        return f"{self.store} does not take points ({again}): {self.reason}{todo}"


@frozen
class StoreSearching(Report):
    """The store takes points, and refuses some of a batch: they are being looked for, and nothing is at a standstill."""

    store: str
    reason: str
    waiting: int

    def text(self) -> str:
        return f"{self.store} refuses some points ({self.waiting} wait): {self.reason}"


@frozen
class StoreRecovered(Report):
    """The store takes points again, after so many seconds."""

    store: str
    after: float

    def text(self) -> str:
        return f"{self.store} takes points again after {self.after:.0f} s"


@frozen
class SpoolFailing(Report):
    """The state file cannot be written or read: what comes in is kept in memory, with a limit of its own."""

    LEVEL: ClassVar[Level] = "error"
    store: str
    reason: str

    def text(self) -> str:
        return f"the spool for {self.store} goes on in memory: {self.reason}"


@frozen
class SpoolRecovered(Report):
    """The state file can be used again."""

    store: str

    def text(self) -> str:
        return f"the spool for {self.store} is on disk again"


@frozen
class LettersFailing(Report):
    """Dead letters cannot be written: they wait in memory, with a limit of their own."""

    LEVEL: ClassVar[Level] = "error"
    reason: str
    waiting: int

    def text(self) -> str:
        return f"{counted(self.waiting, 'dead letter')} cannot be written, only memory holds what is not on disk: {self.reason}"


@frozen
class LettersRecovered(Report):
    """What waited in memory is on disk."""

    def text(self) -> str:
        return "the dead letters are on disk again"


@frozen
class LettersDropped(Report):
    """There was no room for these dead letters; they had been counted as rejected."""

    LEVEL: ClassVar[Level] = "error"
    count: int
    reason: str

    def text(self) -> str:
        return f"{_were(self.count, 'dead letter')} dropped, the oldest first: {self.reason}"


@frozen
class StateSetAside(Report):
    """The state file could not be used and is kept under another name.

    `brought`: a new one has what is readable in it; so many points, and `unreadable` rows at least are not among them. Else at
    least `left` points wait in what was set aside; None: nobody knows.
    """

    LEVEL: ClassVar[Level] = "error"
    path: str
    kept_as: str
    reason: str
    left: int | None
    brought: int | None
    unreadable: int

    def text(self) -> str:
        sentence = f"the state file could not be used and is kept as {self.kept_as}: {self.reason}"
        if self.brought is not None:
            brought = f"{sentence}; {self.brought} points of it were brought over"
            return (
                f"{brought}, at least {counted(self.unreadable, 'row')} cannot be read" if self.unreadable else brought
            )
        return f"{sentence}; {'nobody knows what waits' if self.left is None else f'at least {self.left} points wait'}"


@frozen
class StateDamaged(Report):
    """Damage was met in the state file, in this run or an earlier one: what is sound in it is used until the next start."""

    LEVEL: ClassVar[Level] = "error"
    path: str
    reason: str

    def text(self) -> str:
        return f"the state file {self.path} is damaged ({self.reason}): the next start begins a new one"


@frozen
class StateRecovered(Report):
    """A person had what is readable in a file brought into the present one."""

    file: str
    points: int
    unreadable: int

    def text(self) -> str:
        came = f"{self.points} points came back from {self.file}"
        return f"{came}, at least {counted(self.unreadable, 'row')} of it cannot be read" if self.unreadable else came


# ---- coverage ----------------------------------------------------------------------------------------------------


@frozen
class GapOpened(Report):
    """Between these times changes may have been missed, of so many entities; of none, nothing was. In nanoseconds."""

    cause: Cause
    from_ns: int
    to_ns: int
    entities: int
    why: str = ""

    @property
    def level(self) -> Level:
        """A gap in which nothing happened is no bad news."""
        missed = (self.entities and self.cause is not Cause.IMPORTED) or self.why
        return "warning" if missed else "info"

    def text(self) -> str:
        whole = f"{self.cause.value} from {_time(self.from_ns)} to {_time(self.to_ns)}"
        if self.why:
            return f"{whole}, and changes of that time cannot be retrieved: {self.why}"
        if not self.entities:
            return f"{whole}: nothing was missed"
        return f"{whole}: changes of {self.entities} entities may have been missed, the history will show"


@frozen
class GapSettled(Report):
    """Nothing of a gap is left to do: it is filled, or it is known why not. Times in nanoseconds."""

    id: int
    cause: Cause
    from_ns: int
    to_ns: int
    progress: Filling
    filled: int
    why: str

    @property
    def level(self) -> Level:
        """A gap that is filled is good news."""
        return "info" if self.progress is Filling.FILLED else "warning"

    def text(self) -> str:
        whole = f"the gap from {_time(self.from_ns)} to {_time(self.to_ns)} ({self.cause.value})"
        if self.progress is Filling.FILLED:
            return f"{whole} is filled: {counted(self.filled, 'state')} came from Home Assistant's history"
        how = "could be filled in part" if self.progress is Filling.PARTLY else "could not be filled"
        return f"{whole} {how}, {counted(self.filled, 'state')} came: {self.why}"


@frozen
class LedgerFailing(Report):
    """The ledger of coverage cannot be written: what it should say waits in memory, with a limit of its own."""

    LEVEL: ClassVar[Level] = "error"
    reason: str

    def text(self) -> str:
        return f"the ledger of coverage cannot be written and waits in memory: {self.reason}"


@frozen
class LedgerRecovered(Report):
    """What waited in memory is on disk."""

    def text(self) -> str:
        return "the ledger of coverage is on disk again"


# ---- data-api ----------------------------------------------------------------------------------------------------


@frozen
class ToPublish(Report):
    """The registries were compared with what data-api was told: so much of each is new to it."""

    LEVEL: ClassVar[Level] = "debug"
    devices: int
    entities: int
    services: int

    @property
    def count(self) -> int:
        """Entries of all kinds together."""
        return self.devices + self.entities + self.services

    def text(self) -> str:
        return f"data-api is to be told about {_inventory(self.devices, self.entities, self.services)}"


@frozen
class Posted(Report):
    """data-api took entries of one kind: `devices`, `entities`, or `services`, which count by domain."""

    LEVEL: ClassVar[Level] = "debug"
    kind: str
    count: int


@frozen
class Published(Report):
    """data-api has everything that it was to be told."""

    devices: int
    entities: int
    services: int

    def text(self) -> str:
        return f"data-api was told about {_inventory(self.devices, self.entities, self.services)}"


@frozen
class PublishingHalved(Report):
    """data-api did not take so many entries at once: they are posted again in smaller parts."""

    LEVEL: ClassVar[Level] = "debug"
    kind: str
    count: int
    reason: str

    def text(self) -> str:
        return f"{self.count} {self.kind} are posted again in smaller parts: {self.reason}"


@frozen
class EntryRefused(Report):
    """data-api took its neighbours and not this entry: it is left out until it changes."""

    LEVEL: ClassVar[Level] = "warning"
    kind: str
    id: str
    reason: str

    def text(self) -> str:
        return f"data-api does not take {self.id} ({self.kind}), it is left out until it changes: {self.reason}"


@frozen
class DataApiWaiting(Report):
    """data-api takes nothing now; what it is to be told waits. `again`: that was said before."""

    reason: str
    remedy: str
    retry_in: float
    waiting: int
    failures: int
    breaker: str = "closed"
    again: bool = False

    @property
    def level(self) -> Level:
        """An outage is a warning the first time, and then only for who wants everything."""
        return "debug" if self.again else "warning"

    def text(self) -> str:
        todo = f". {self.remedy}" if self.remedy else ""
        again = f"{_entries(self.waiting)}, trying again within {math.ceil(self.retry_in)} s"
        return f"data-api has not been told about the home ({again}): {self.reason}{todo}"


@frozen
class DataApiRecovered(Report):
    """data-api takes entries again, after so many seconds."""

    after: float

    def text(self) -> str:
        return f"data-api takes entries again after {self.after:.0f} s"


# ---- the process -------------------------------------------------------------------------------------------------


@frozen
class Started(Report):
    """The pipeline stands: which version stores which home, and where."""

    version: str
    home: str
    store: str

    def text(self) -> str:
        return f"homeiq-ingest {self.version} stores the home '{self.home}' in {self.store}"


@frozen
class Listening(Report):
    """The API and the status page can be asked, at these addresses."""

    where: str

    def text(self) -> str:
        return f"the status page is on {self.where}"


@frozen
class Stuck(Report):
    """Something does not come back from what it began `seconds` ago. A watchdog of systemd will restart the service."""

    LEVEL: ClassVar[Level] = "error"
    station: str
    seconds: float
    watchdog: bool

    def text(self) -> str:
        restart = "systemd's watchdog restarts the service now" if self.watchdog else "restart the service"
        return (
            f"stuck: {self.station} has not come back for {self.seconds:.0f} s; {restart}, "
            "what is in the spool is delivered after that. Where it happens again, report it with this log"
        )


@frozen
class Moving(Report):
    """What was stuck moves again, after so many seconds."""

    station: str
    seconds: float

    def text(self) -> str:
        return f"{self.station} moves again, after {self.seconds:.0f} s"


@frozen
class Stopping(Report):
    """Asked to stop: no more changes are taken, what is under way is stored."""

    reason: str

    def text(self) -> str:
        return f"stopping ({self.reason}): storing what is under way"


@frozen
class Lost(Report):
    """The process ends, and with it the memory in which these changes waited for the store."""

    LEVEL: ClassVar[Level] = "error"
    store: str
    count: int

    def text(self) -> str:
        return f"{self.count} changes that waited in memory could not be stored in {self.store} in time and are lost"


@frozen
class Stopped(Report):
    """The last word: the books of this run. `volatile`: how many of the spooled only memory held, which ends here."""

    books: Mapping[str, int]
    balanced: bool
    volatile: int = 0

    def text(self) -> str:
        only = f", of which {self.volatile} were only in memory and are lost" if self.volatile else ""
        lost = {"spooled": only, "in_flight": " and lost"}
        figures = _figures(self.books, lost)
        return f"stopped: {figures or 'nothing received'}" + ("" if self.balanced else " (THE BOOKS DO NOT BALANCE)")


@frozen
class Progress(Report):
    """The books so far, now and then: a log that is silent for months does not say whether anybody works."""

    books: Mapping[str, int]

    def text(self) -> str:
        return f"so far: {_figures(self.books) or 'nothing received'}"


@frozen
class Reloading(Report):
    """The configuration is read again."""

    why: str

    def text(self) -> str:
        return f"reading the configuration again: {self.why}"


@frozen
class Reloaded(Report):
    """The configuration was read again and is in effect, but for what needs a restart. `changes` are sentences."""

    changes: tuple[str, ...]
    stored: int
    left_out: int

    def text(self) -> str:
        return f"the configuration was read again: {'; '.join(self.changes)}"


@frozen
class ReloadRefused(Report):
    """The configuration was read again and is wrong: nothing was changed. Every problem is a sentence."""

    LEVEL: ClassVar[Level] = "error"
    problems: tuple[str, ...]

    def text(self) -> str:
        return f"the configuration is wrong now, and nothing was changed: {' '.join(self.problems)}"


@frozen
class Notice(Report):
    """A sentence about a setting that a person should know."""

    LEVEL: ClassVar[Level] = "warning"
    sentence: str

    def text(self) -> str:
        return self.sentence


@frozen
class NotListening(Notice):
    """There is no API, or not yet."""


@frozen
class NotAccepting(Notice):
    """The API or the commands' socket listens, but nobody new can be let in now."""


def _time(time_ns: int) -> str:
    return f"{moment_at(time_ns):%Y-%m-%d %H:%M:%S} UTC"


def _are(count: int, noun: str) -> str:
    return f"{counted(count, noun)} {'is' if count == 1 else 'are'}"


def _were(count: int, noun: str) -> str:
    return f"{counted(count, noun)} {'was' if count == 1 else 'were'}"


def _entries(count: int) -> str:
    return f"{counted(count, 'entry', 'entries')} {'waits' if count == 1 else 'wait'}"


def _inventory(devices: int, entities: int, services: int) -> str:
    known = counted(entities, "entity", "entities")
    return f"{counted(devices, 'device')}, {known} and the services of {counted(services, 'domain')}"


def _figures(books: Mapping[str, int], more: Mapping[str, str] | None = None) -> str:
    said = more or {}
    return ", ".join(f"{count} {name.replace('_', ' ')}{said.get(name, '')}" for name, count in books.items() if count)
