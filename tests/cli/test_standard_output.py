"""Commands whose standard output cannot be written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.stores import a_day
from tests.edge.answering import Reply, answering

FULL = (
    "homeiq-ingest: the output cannot be written: No space left on device (standard output)."
    " Free some space, or write elsewhere\n"
)


def into_a_full_disk(arguments: Sequence[str]) -> tuple[int, str]:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ingest", *arguments], check=False, stdout=full, stderr=subprocess.PIPE, text=True
        )
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_day(tmp_path_factory.mktemp("stored") / "home.db")


@pytest.mark.parametrize("arguments", [("export",), ("export", "-o", "/proc/self/fd/1"), ("query",)], ids=" ".join)
def test_what_is_stored_and_a_full_disk(store: Path, arguments: Sequence[str]) -> None:
    assert into_a_full_disk([*arguments, "--db", str(store)]) == (1, FULL)


@pytest.mark.parametrize("arguments", [("--help",), ("query", "--help"), ("prometheus", "rules")], ids=" ".join)
def test_what_every_installation_has_to_say_and_a_full_disk(arguments: Sequence[str]) -> None:
    assert into_a_full_disk(arguments) == (1, FULL)


@pytest.mark.parametrize("length", [1, 100_000])
def test_how_a_service_is_and_a_full_disk(length: int) -> None:
    """Before it is written it fits into what Python collects, or it does not."""
    with answering(
        lambda _: Reply.json(200, {"service": "homeiq-ingest", "status": "healthy", "more": "x" * length})
    ) as peer:
        assert into_a_full_disk(["status", "--json", "--url", peer.url]) == (1, FULL)


def test_a_reader_that_goes_away_is_no_news(store: Path) -> None:
    command = [sys.executable, "-m", "ingest", "export", "--db", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 1


def test_a_full_disk_elsewhere_is_still_a_bug(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import errno\n"
        "from ingest.cli import main, prometheus\n"
        "def broken(): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "prometheus.prometheus.commands['rules'].callback = lambda **_: broken()\n"
        "main.main(['prometheus', 'rules'])\n"
    )
    done = subprocess.run([sys.executable, str(program)], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "this is a bug" in done.stderr
