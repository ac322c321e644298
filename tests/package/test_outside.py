"""The wheel, run by somebody who has nothing but it, and no network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ingest
from scripts.releasing.tools import ROOT
from tests.package.apart import Apart, wall

pytestmark = pytest.mark.package

LAST = re.compile(r"^happened ([\d,]+) · stored ([\d,]+) · lost (-?[\d,]+) · outages survived (\d)$", re.MULTILINE)


def told(said: str) -> tuple[int, int, int, int]:
    """What the demo says at its end: happened, stored, lost, outages survived."""
    (found,) = LAST.findall(said)
    happened, stored, lost, survived = (int(each.replace(",", "")) for each in found)
    return happened, stored, lost, survived


@pytest.mark.skipif(
    not wall().whole, reason="no namespace is to be had here: proxies that do not exist stand in for it"
)
def test_there_is_no_network(installed: Apart) -> None:
    ask = "import socket; socket.create_connection(('192.0.2.1', 80), 5)"
    assert "Network is unreachable" in installed.run("python", "-c", ask, code=1)


def test_what_runs_is_what_was_installed(installed: Apart) -> None:
    where = installed.run("python", "-c", "import ingest; print(ingest.__file__)").strip()
    assert Path(where).is_relative_to(installed.environment)
    assert str(ROOT) not in installed.run("python", "-c", "import sys; print(sys.path)")


def test_it_knows_its_version_and_its_commands(installed: Apart) -> None:
    assert installed.run("homeiq-ingest", "--version").strip() == f"homeiq-ingest, version {ingest.__version__}"
    said = installed.run("homeiq-ingest", "--help")
    commands = re.findall(r"^  ([a-z-]+)  ", said.partition("Commands:")[2], re.MULTILINE)
    assert {"run", "demo", "init", "query", "systemd"} <= set(commands)
    for command in commands:
        assert installed.run("homeiq-ingest", command, "--help").startswith("Usage: homeiq-ingest")


def test_the_demo_loses_nothing_through_four_outages_and_can_be_looked_at_afterwards(installed: Apart) -> None:
    said = installed.run("homeiq-ingest", "demo", "--seconds", "30", "--plain")
    happened, stored, lost, survived = told(said)
    assert happened == stored > 1_000
    assert (lost, survived) == (0, 4)
    # The line that it prints to be pasted.
    (line,) = re.findall(r"^  (\S*homeiq-ingest query .*)$", said, re.MULTILINE)
    shown = installed.run("sh", "-c", line)
    assert "Living room temperature" in shown
    assert re.search(r"^\d+ changes$", shown, re.MULTILINE)
    assert [path for path in installed.home.rglob("*.db") if installed.home / ".cache" not in path.parents] == []


def test_the_status_page_and_all_that_it_names_come_out_of_the_wheel(installed: Apart) -> None:
    said = installed.run("python", Path(__file__).with_name("looking.py"))
    got = {name: int(size) for size, name in re.findall(r"^ *(\d+) (\S+)$", said, re.MULTILINE)}
    assert {"page", "assets/app.js", "assets/style.css", "assets/icon.svg", "health"} <= got.keys()
    assert min(got.values()) > 100
    assert "\nhealthy\n" in said
    assert told(said)[2] == 0


def test_without_a_configuration_it_says_what_to_do(installed: Apart) -> None:
    said = installed.run("homeiq-ingest", "run", code=2)
    assert "homeiq-ingest init" in said
    assert "Traceback" not in said


def test_uvx_runs_it_without_installing_it(installed: Apart, wheel: Path) -> None:
    offline = ("--offline", "--no-index", "--find-links", installed.wheels, "--from", wheel)
    said = installed.run("uvx", *offline, "homeiq-ingest", "demo", "--seconds", "15", "--plain")
    happened, stored, lost, _ = told(said)
    assert happened == stored > 0
    assert lost == 0


def test_pipx_installs_the_command(installed: Apart, wheel: Path) -> None:
    links = f"--pip-args=--no-index --find-links={installed.wheels}"
    installed.run("pipx", "install", "--backend", "uv", links, wheel)
    command = installed.home / ".local/bin/homeiq-ingest"
    said = installed.run(command, "demo", "--seconds", "15", "--plain")
    happened, stored, lost, _ = told(said)
    assert happened == stored > 0
    assert lost == 0
