"""What is wrong with the way to Home Assistant, with the token, and with what its recorder will be able to tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from attrs import evolve, field, frozen

from ingest.core import recorder as told
from ingest.core.findings import Check, Finding, Severity, error, milder, of_error, skipped, warning
from ingest.core.recorder import Recorder
from ingest.core.token import MAKE_ONE, lifetime
from ingest.core.words import entities, some
from ingest.errors import IngestError, Refused

OLDEST: Final = (2024, 3)
"""The oldest release that this service was tried with."""

LASTING: Final = 30 * 86_400
"""Seconds that a long-lived token is good for at least: Home Assistant's are good for ten years, those of a login for 30 min."""

BEHIND: Final = 1000
"""States that a recorder may be behind."""

LOAD: Final = "Let Home Assistant load `recorder` and `history` (`default_config` does), and restart it."
ADMIN: Final = (
    "Nothing need be done: all of the states that this user may see are stored. An administrator's token would also do on a"
    " server without registries, whose areas and devices come from templates, and no group could hide entities from it."
)
SILENT: Final = "Is a firewall between, or is the machine off? Host and port must be those of Home Assistant."
NAMES: Final = ("token", "recorder", "recorder's entities")
"""Of the checks for which Home Assistant must answer."""


@frozen
class Reached:
    """What an address of Home Assistant answered: an error, or what it says of itself.

    `other` is the scheme with which it does answer as Home Assistant. `page` is the title of the page that stands there.
    """

    name: str
    where: str = ""
    problem: IngestError | None = None
    said: str = ""
    version: str = ""
    state: str = ""
    other: str = ""
    page: str = ""


@frozen
class Asked:
    """What Home Assistant says to the token. `recorder` None: there is none, or it cannot be asked.

    `stored` are the entities that are stored and have long had a state; of them the recorder has nothing of the `missing`.
    None: it could not be asked. `reach` is how many seconds back it was seen to have something.
    `types` are those of the fields that we write, by measurement. `problem` is why there is no more.
    """

    token: str = field(default="", repr=False)
    admin: bool | None = None
    recorder: Recorder | None = None
    no_recorder: bool = False
    stored: int = 0
    missing: tuple[str, ...] | None = None
    reach: float | None = None
    types: Mapping[str, Mapping[str, str]] = field(factory=dict)
    problem: IngestError | None = None


def addresses(reached: Sequence[Reached]) -> list[Check]:
    """One check for each address. Where another one answers nothing is lost by an address that does not."""
    checks = [_address(each) for each in reached]
    if any(each.problem is None for each in reached):
        checks = [milder(check) for check in checks]
    return checks


def _address(reached: Reached) -> Check:
    name = f"home assistant ({reached.name})"
    if reached.problem is None:
        return Check(name, f"{reached.said}; {reached.state or 'state not known'}", tuple(_odd(reached)))
    return Check(name, str(reached.problem.what), (_unreached(reached, reached.problem),))


def _unreached(reached: Reached, problem: IngestError) -> Finding:
    if reached.other:
        scheme = "http" if reached.other == "https" else "https"
        what = f"Home Assistant answers there, but to {reached.other}, not to {scheme}"
        return error(what, reached.where, f"Write {reached.other}:// at the beginning of its address.")
    if reached.page:
        what = f'a page titled "{reached.page}" answers, and no WebSocket of Home Assistant'
        remedy = (
            "Set home_assistant.url to the address of Home Assistant itself, as in a browser up to the port:"
            " http://HOST:8123."
        )
        return error(what, reached.where, remedy)
    found = of_error(problem)
    return found if found.remedy else evolve(found, remedy=SILENT)


def _odd(reached: Reached) -> Iterator[Finding]:
    release = re.match(r"(\d{4})\.(\d{1,2})\b", reached.version)
    if release and (int(release[1]), int(release[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        what = f"Home Assistant {reached.version} is older than {oldest}, the oldest that this service was tried with"
        yield warning(what, reached.where, "Update Home Assistant.")
    if reached.state not in {"", "RUNNING"}:
        remedy = "Wait until it has started, then look again; else its log says what holds it up."
        yield warning(f"Home Assistant is not running yet: {reached.state}", reached.where, remedy)


def over(text: str, now: datetime) -> Refused | None:
    """That a token has ended; None for one that has not, or does not say. Asking with it would count as an attack."""
    span = lifetime(text)
    if span is None or span[1] > now.timestamp():
        return None
    return Refused(f"the token was good until {_shown(span[1])}", where="home_assistant.token", remedy=MAKE_ONE)


def token(asked: Asked) -> Check:
    """What kind of token it is, and what its user may."""
    if asked.problem is not None:
        return Check(NAMES[0], skipped=asked.problem.what)
    findings, span = [], lifetime(asked.token)
    if span is not None and span[1] - span[0] < LASTING:
        what = f"the token is that of a login and ends at {_shown(span[1])}: it is no long-lived access token"
        findings.append(error(what, "home_assistant.token", MAKE_ONE))
    if asked.admin is False:
        findings.append(Finding(Severity.HINT, "the token is not an administrator's", remedy=ADMIN))
    said = {True: "an administrator's", False: "not an administrator's", None: "whose is not known"}[asked.admin]
    return Check(NAMES[0], said, tuple(findings))


def _shown(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(" ", "minutes")


def recorded(asked: Asked) -> list[Check]:
    """How the recorder is, and whether it has what we store."""
    if asked.problem is not None:
        return skipped(str(asked.problem.what), *NAMES[1:])
    faults = tuple(_faults(asked))
    said = "records" if not faults else faults[0].what
    if asked.reach is not None:
        said = f"{said}; it has states of {_ago(asked.reach)} ago"
    return [Check(NAMES[1], said, faults), _entities(asked)]


def _faults(asked: Asked) -> Iterator[Finding]:
    found = asked.recorder
    if asked.no_recorder:
        yield warning(f"{told.NO_RECORDER}: no gap can be filled from it", remedy=LOAD)
    elif found is None:
        return
    elif not found.recording:
        remedy = "Call the service `recorder.enable` in Home Assistant, or find out why it was disabled."
        yield warning(f"{told.SWITCHED_OFF}: no gap of this time can be filled", remedy=remedy)
    elif busy := told.busy(found, BEHIND):
        yield warning(
            f"{busy}: gaps are not filled meanwhile", remedy="Wait, then look again; its log says how it goes on."
        )


def _entities(asked: Asked) -> Check:
    if asked.missing is None:
        return Check(NAMES[2], skipped="the recorder cannot be asked for them")
    said = f"{entities(asked.stored)} that are stored"
    if not asked.missing:
        return Check(NAMES[2], f"{said}, all of them recorded")
    are = "is" if len(asked.missing) == 1 else "are"
    what = f"of {said}, {len(asked.missing):,} {are} not in Home Assistant's recorder: {some(asked.missing)}"
    remedy = (
        "What is missed of them can never be filled. Take them out of `recorder: exclude` in Home Assistant's"
        " configuration, or leave them out here, too (filter.patterns)."
    )
    return Check(NAMES[2], f"{said}, {len(asked.missing):,} not recorded", (warning(what, remedy=remedy),))


def _ago(seconds: float) -> str:
    hours = round(seconds / 3600)
    return f"{round(hours / 24)} days" if hours >= 47 else "an hour" if hours == 1 else f"{hours} hours"
