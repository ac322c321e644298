"""Home Assistant's recorder: whether it may be asked now, when its answer is final, and why something is not there.

It writes what happened in the order in which it happened, every few seconds. So a state that is there proves that
whatever came before it is there too, or never will be. Without such a state, time proves it: two commit intervals after
the end, with nothing waiting to be written.

Nothing tells us what the recorder leaves out or how long it keeps what it has. But both ends of a span are states that
we have, so we know of two rows that it should return. Which of them it does not return tells the rest.
"""

from __future__ import annotations

from collections import deque

import msgspec
from attrs import define, field, frozen
from msgspec import Raw

from ingest.core.coverage import MICROSECOND, Span
from ingest.core.evicted import BEFORE_ONE
from ingest.core.wire import Malformed

COMMAND = "recorder/info"

NO_RECORDER = "Home Assistant has no recorder"
NO_HISTORY = "Home Assistant has no history: its recorder cannot be asked"
SWITCHED_OFF = "Home Assistant's recorder is switched off"
NOT_RECORDED = "Home Assistant's recorder has nothing of the entity then: it leaves it out, or was switched off"
NOT_KEPT = "Home Assistant's recorder has nothing of the entity then: it leaves it out, or keeps nothing so old"
PURGED = "Home Assistant's recorder no longer keeps the beginning"
NO_BEGINNING = "Home Assistant's recorder lacks the state before: what followed it may be lacking too"
NO_END = "Home Assistant's recorder lacks the state after: what came before it may be lacking too"
NO_TIME = "it is not known what time it is in Home Assistant: what happened last may be lacking"
UNREADABLE = "some of what Home Assistant's history says cannot be read"


@frozen
class Recorder:
    """What it says of itself. `backlog` counts the states that it has yet to look at; None: it does not know."""

    recording: bool = False
    thread_running: bool = False
    migration_in_progress: bool = False
    backlog: int | None = None


@frozen
class Seen:
    """What the history returned of a span: its two ends, how many states between, and how many it garbled.

    `removed` is True when the last of them is the entity's removal: nothing needs to follow it. `purged`: what had come is not
    there any more, nor is what came after it until the recorder's oldest row.
    """

    began: bool = False
    ended: bool = False
    found: int = 0
    removed: bool = False
    unreadable: int = 0
    purged: bool = False


@define(eq=False)
class Horizon:
    """How far back the recorder reaches, as its rows showed of late.

    `seconds` long it is taken to have still what it had: that is less than there is between two purges.
    """

    seconds: float = 300.0
    _shown: deque[tuple[float, int]] = field(factory=deque)
    """Until when something counts, and how old it was: the ages rise, for what is younger than a later one tells nothing."""

    def add(self, oldest_ns: int | None, now: float) -> None:
        """A row as old as that came; None: none did. `now` never goes back."""
        if oldest_ns is None:
            return
        while self._shown and self._shown[-1][1] >= oldest_ns:
            self._shown.pop()
        self._shown.append((now + self.seconds, oldest_ns))

    def oldest_ns(self, now: float) -> int | None:
        """The oldest row that counts."""
        while self._shown and self._shown[0][0] <= now:
            self._shown.popleft()
        return self._shown[0][1] if self._shown else None


_decoder = msgspec.json.Decoder(Recorder)


def recorder(result: Raw) -> Recorder:
    """The answer to `recorder/info`. Raises `Malformed`."""
    try:
        return _decoder.decode(result)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise Malformed(COMMAND, str(problem), result) from None


def busy(told: Recorder, most: int) -> str:
    """Why it should be left alone for now, as a sentence; empty when it may be asked.

    One that is switched off (`recording`) may be asked: it still has what it wrote before.
    """
    if told.migration_in_progress:
        return "Home Assistant's recorder is migrating its database"
    if not told.thread_running:
        return "Home Assistant's recorder does not run"
    if (told.backlog or 0) > most:
        return f"Home Assistant's recorder is {told.backlog} states behind"
    return ""


def final(
    span: Span, seen: Seen, told: Recorder, *, asked_ns: int, margin_ns: int, until_ns: int | None = None
) -> bool:
    """True when the history cannot come to have more of a span than it returned to a question, before which `asked_ns` was past.

    `margin_ns` is two commit intervals. Times are Home Assistant's. Who is asked about only after that long, since it is gone, has a
    span that ends at `until_ns`: what happened to it before it was missed is written down by then.
    """
    over = span.before_ns == until_ns or asked_ns >= span.before_ns + margin_ns
    return seen.ended or (told.backlog == 0 and over)


def lacking(
    span: Span,
    seen: Seen,
    told: Recorder,
    *,
    begins_ns: int | None,
    since_ns: int,
    until_ns: int | None,
    oldest_ns: int | None,
    guessed: bool = False,
) -> str:
    """Why not everything of a span could be had, as a sentence; empty when everything was.

    Its gap lasts from `since_ns` until `until_ns`. A span that ends with it has no state there that we know; nor has one
    that ends between two of Home Assistant's microseconds, but for an end just after a state that is part of it.
    `begins_ns` is when the state was that is known at its beginning (`first_state_ns`), None: none is. `guessed`: the gap's end was
    told by a clock that may be wrong. `oldest_ns` is the oldest row of any entity that the recorder returned: by then it kept what it kept. Of a span without
    any row the end tells most: a state that is younger than that row, and not there, was not thrown away for its age.
    """
    missed_ns = None if seen.began else begins_ns
    begins = missed_ns is not None
    ends = span.before_ns != until_ns and not (seen.ended or seen.removed or not _ends_at_a_state(span))
    nothing = (begins or ends) and not (seen.began or seen.found or seen.ended)
    if seen.unreadable:
        return UNREADABLE
    if (ends or nothing) and not told.recording:
        return SWITCHED_OFF
    if nothing:
        youngest_ns = span.before_ns if ends else max(span.after_ns, since_ns)
        return NOT_RECORDED if _kept(youngest_ns, oldest_ns) else NOT_KEPT
    if seen.purged or (begins and not _kept(since_ns, oldest_ns)):
        return PURGED
    if missed_ns is not None and _kept(missed_ns, oldest_ns):
        return NO_BEGINNING
    unproven = guessed and span.before_ns == until_ns and not seen.removed
    return NO_END if ends else NO_TIME if unproven else ""


def first_state_ns(span: Span, *, included: bool = True) -> int | None:
    """When the state was that is known where the span begins, so that one is missed when it is not there; None: none is.

    With `included` it may be the first one of the span itself: what was lost is missing from just before a state on.
    """
    until_ns = -span.after_ns % MICROSECOND
    return span.after_ns + until_ns if until_ns <= (BEFORE_ONE if included else 0) else None


def _ends_at_a_state(span: Span) -> bool:
    return span.before_ns % MICROSECOND <= 1


def _kept(time_ns: int, oldest_ns: int | None) -> bool:
    return oldest_ns is not None and oldest_ns <= time_ns
