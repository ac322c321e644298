"""What a running service reads again: its token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from ingest.cli.candidates import candidates
from ingest.config.settings import Settings
from ingest.core.secret import Secret
from ingest.errors import Refused
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
