"""What a service says at its start, and what it reads again while it runs: its token."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from ingest.cli.candidates import candidates
from ingest.cli.moments import parse_moment
from ingest.cli.service import opened
from ingest.config.settings import Settings
from ingest.core import reports
from ingest.core.reports import Report
from ingest.core.secret import Secret
from ingest.core.state import nanoseconds
from ingest.edge.ledger_file import Due, LedgerFile
from ingest.edge.lock import COMMAND
from ingest.edge.spool_rows import Key
from ingest.errors import Refused
from tests.cli.stores import NOON, S
from tests.cli.waiting import lines, spooled
from tests.cli.waiting import opened as state_of
from tests.support.homes import OTHER_TOKEN, TOKEN


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return path


@pytest.fixture
def token(file: Path) -> Callable[[], str]:
    home = evolve(Settings().home_assistant, url="ws://home.test", token=Secret(TOKEN), token_file=file)
    (candidate,) = candidates(evolve(Settings(), home_assistant=home))
    return candidate.token


def test_a_new_token_in_its_file_is_used(file: Path, token: Callable[[], str]) -> None:
    assert token() == TOKEN
    file.write_bytes(b"\xef\xbb\xbf" + OTHER_TOKEN.encode() + b"\r\n")
    assert token() == OTHER_TOKEN


@pytest.mark.parametrize("half", [b"", TOKEN[:20].encode(), b"Bearer " + TOKEN.encode(), b"\xff\xfe\x00"])
def test_what_is_no_token_is_never_sent(half: bytes, file: Path, token: Callable[[], str]) -> None:
    """A file that is being edited: Home Assistant would count it as a failed login."""
    file.write_bytes(half)
    with pytest.raises(Refused) as caught:
        token()
    assert str(file) in str(caught.value)
    assert caught.value.remedy
    assert TOKEN[:20] not in str(caught.value)


def test_a_file_that_went_away_is_refused(file: Path, token: Callable[[], str]) -> None:
    file.unlink()
    with pytest.raises(Refused, match="cannot be read"):
        token()


@pytest.mark.parametrize(
    ("url", "timeout", "pause"),
    [
        ("ws://home.test", 1.0, 0.05),
        ("ws://home.test", 60.0, 0.05),
        ("ws://home.test", 0.1, 0.005),
        ("wss://home.test", 1.0, 0.0),
    ],
)
def test_how_long_what_trickles_in_is_gathered(url: str, timeout: float, pause: float) -> None:
    """No longer than a twentieth of what a batch waits, and over TLS, where a read is one record, not at all."""
    home = evolve(Settings().home_assistant, url=url, token=Secret(TOKEN))
    batch = evolve(Settings().batch, timeout=timeout)
    (candidate,) = candidates(evolve(Settings(), home_assistant=home, batch=batch))
    assert candidate.target.pause == pytest.approx(pause)


def test_a_home_that_is_switched_off_is_not_said_to_be_missing() -> None:
    home = evolve(Settings().home_assistant, url="ws://home.test", token=Secret(TOKEN), enabled=False)
    with pytest.raises(Refused, match=r"home_assistant\.enabled is false.*ENABLE_HOME_ASSISTANT"):
        candidates(evolve(Settings(), home_assistant=home))


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"home": "beta", "influxdb": evolve(Settings().influxdb, url="http://127.0.0.1:9")}, ["alpha", "the cottage"]),
        ({"home": "alpha"}, ["alpha", "the cottage"]),
        ({"home": "alpha", "influxdb": evolve(Settings().influxdb, url="http://127.0.0.1:9")}, ["the cottage"]),
    ],
)
async def test_what_waits_for_nobody_is_said_at_the_start(
    tmp_path: Path, more: dict[str, Any], names: list[str]
) -> None:
    """Of a home that had another name, of another home, and for a database that is none any more."""
    path = spooled(tmp_path / "state.db", lines(3), lines(4), key=Key("alpha", "influxdb"))
    spooled(path, lines(1), key=Key("the cottage", "influxdb"))
    default = Settings()
    embedded = evolve(default.embedded, path=tmp_path / "home.db")
    settings = evolve(default, spool=evolve(default.spool, path=path), embedded=embedded, **more)
    said: list[Report] = []
    async with opened(settings, said.append):
        pass
    told = [each.sentence for each in said if isinstance(each, reports.Notice)]
    counts = {"alpha": "7 points wait", "the cottage": "1 point waits"}
    for name, each in zip(names, told, strict=True):
        assert f"{counts[name]} for influxdb in the name of home {name}" in each
    assert "homeiq-ingest spool replay --set 'home=the cottage'" in told[-1]
    if settings.store_kind == "influxdb":
        said.clear()
        async with opened(settings, said.append, COMMAND):
            pass
        assert not [each for each in said if isinstance(each, reports.Notice)]


@pytest.mark.parametrize("own", [False, True])
async def test_a_home_that_has_a_new_name_is_told_since_when_something_is_missing(tmp_path: Path, own: bool) -> None:
    path = spooled(tmp_path / "state.db")
    with state_of(path) as connection:
        for home in ("older", "home", *(["flat"] if own else [])):
            heard_ns = NOON - S if home == "older" else NOON
            LedgerFile(connection, path, Key(home, "embedded")).write(Due(heard_ns=heard_ns))
    default, said = Settings(), list[Report]()
    embedded = evolve(default.embedded, path=tmp_path / "home.db")
    settings = evolve(default, home="flat", spool=evolve(default.spool, path=path), embedded=embedded)
    async with opened(settings, said.append):
        pass
    told = [each.sentence for each in said if isinstance(each, reports.Notice)]
    assert bool(told) is not own
    for each in told:
        since = each.partition("knows home home until ")[2].partition(". What came since is a gap")[0]
        assert nanoseconds(parse_moment(since, datetime.now(UTC))) == NOON
