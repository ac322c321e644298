"""The service as systemd runs it: installed, watched, shut in, upgraded and taken away, by a real systemd.

Home Assistant is the simulator and the database a sink, both outside the machine, on loopback.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define

import ingest
from tests.faults.machine import Machine, booted, unable
from tests.faults.sink import Sink, sinking, wait_for
from tests.live.lab import free_port
from tests.support.homes import TOKEN, Running, running_home
from tests.support.marked import secret

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(unable()), reason=unable())]

CHECKOUT = Path(ingest.__file__).parents[1]
HOME = "/home/me"
DATABASE_TOKEN = secret("database")
CONFIG = """\
# of a person
[home_assistant]
url = "{home}"
token_file = "ha-token"  # beside this file
[influxdb]
url = "{sink}"
token = "{token}"
org = "home"
bucket = "home"
[batch]
timeout = "100ms"
[api]
port = {port}
"""
CONFIGURED = "/etc/homeiq-ingest/config.toml"


@define(eq=False)
class House:
    """A machine, a home and a database. `folder` is where a checkout is that `program` runs."""

    machine: Machine
    home: Running
    sink: Sink

    def program(self, *arguments: str, checkout: Path | str = CHECKOUT, check: bool = True) -> str:
        """What the program of a checkout says, called by root at a shell."""
        line = f'cd "$1" && shift && exec env HOME={HOME} PYTHONPATH=. "$@"'
        return self.machine.run(
            "sh", "-c", line, "sh", str(checkout), sys.executable, "-m", "ingest", *arguments, check=check, seconds=200
        )

    def install(self, *arguments: str) -> str:
        return self.program("systemd", "install", *arguments)

    def changes(self, state: str) -> set[bytes]:
        """The home changes; what each change must come to in the database: the begin of its time and its entity."""
        keys = self.home.do(lambda: list(self.home.server.home.states))[:6]
        made = self.home.change(keys, state)
        return {f"entity_id={entity}".encode() + b"|" + str(time_ns).encode() for entity, time_ns in made}

    def stored(self, changes: set[bytes]) -> bool:
        lines = list(self.sink.lines)
        wanted = [change.split(b"|") for change in changes]
        return all(any(entity in line and line.endswith(time_ns) for line in lines) for entity, time_ns in wanted)

    def wait_stored(self, changes: set[bytes], seconds: float = 30.0) -> None:
        wait_for(lambda: self.stored(changes), seconds)

    def live(self) -> None:
        """Until it is subscribed."""
        wait_for(lambda: "subscribed" in self.machine.journal(), 30)

    def version(self, number: str, more: str = "") -> str:
        """Another version of the program in the machine, which differs by its number and by a line of shell."""
        folder = f"/srv/{number}"
        self.machine.shell(
            f"mkdir -p {folder} && cp -r {CHECKOUT}/ingest {CHECKOUT}/pyproject.toml {folder}/ && cd {folder} &&"
            f" sed -i 's/^__version__ = .*/__version__ = \"{number}\"/' ingest/__init__.py {more}"
        )
        return folder


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with booted(tmp_path) as machine, running_home() as home, sinking() as sink:
        config = CONFIG.format(home=home.url, sink=sink.url, token=DATABASE_TOKEN, port=free_port())
        machine.write(f"{HOME}/.config/homeiq-ingest/config.toml", config, "600")
        machine.write(f"{HOME}/.config/homeiq-ingest/ha-token", f"{TOKEN}\n", "600")
        yield House(machine, home, sink)


def test_installed_it_runs_is_reloaded_and_seen_by_root_and_its_tokens_by_nobody(house: House) -> None:
    machine = house.machine
    assert "It runs" in house.install()
    house.live()
    house.wait_stored(house.changes("41"))
    assert machine.shown("ActiveState") == "active"
    assert machine.shown("StatusText")
    pid = machine.shown("MainPID")

    # Its tokens are files of root's, and nowhere else.
    told = machine.shell(f"cat {CONFIGURED}; systemctl show homeiq-ingest; systemctl cat homeiq-ingest")
    told += machine.shell(f"cat /proc/{pid}/environ /proc/{pid}/cmdline | tr '\\0' '\\n'") + machine.journal()
    assert "# of a person" in told
    assert TOKEN not in told
    assert DATABASE_TOKEN not in told
    modes = machine.shell("stat -c '%a %U %n' /etc/homeiq-ingest/credentials /etc/homeiq-ingest/credentials/*")
    assert [line.split()[:2] for line in modes.splitlines()] == [["700", "root"], ["600", "root"], ["600", "root"]]

    # It may do nothing.
    status = machine.shell(f"cat /proc/{pid}/status")
    assert re.search(r"^CapBnd:\s*0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s*1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\s*2$", status, re.MULTILINE)
    assert re.search(r"^Uid:\s*[1-9]\d{4}\b", status, re.MULTILINE)

    # Root's commands find it without being told where.
    assert "healthy" in machine.run("homeiq-ingest", "status", check=False)
    assert "state.db" in machine.run("homeiq-ingest", "spool", "status")
    machine.run("homeiq-ingest", "gaps", "list")
    assert "1 error in" in machine.run("homeiq-ingest", "doctor", check=False)  # the sink answers writes alone
    assert "process_start_time_seconds" in machine.shell(
        f"curl -s 127.0.0.1:$(sed -n 's/^port = //p' {CONFIGURED})/metrics"
    )

    # A reload is what it says, or says why not.
    machine.shell(f"printf '[log]\\nlevel = \"warning\"\\n' >>{CONFIGURED} && systemctl reload homeiq-ingest")
    assert '"report": "Reloaded"' in machine.journal().replace("\\", "") or "log.level" in machine.journal()
    machine.shell(f"echo 'wrong =' >>{CONFIGURED}")
    assert "failed" in machine.shell("systemctl reload homeiq-ingest", check=False)
    assert machine.shown("ActiveState") == "active"
    machine.shell(f"sed -i '/^wrong/d' {CONFIGURED}")

    # The same again changes nothing, and interrupts nothing.
    assert "It runs" in house.install()
    assert machine.shown("MainPID") == pid


def test_a_stop_takes_no_five_seconds_while_the_database_hangs_and_loses_nothing(house: House) -> None:
    house.install()
    house.live()
    house.sink.become("hang")
    changes = house.changes("42")
    wait_for(lambda: "control" in house.machine.shell("ls /run/homeiq-ingest"))
    time.sleep(1)
    begin = time.monotonic()
    house.machine.run("systemctl", "stop", "homeiq-ingest")
    assert time.monotonic() - begin < 5
    assert house.machine.shown("Result") == "success"
    house.sink.become("take")
    house.machine.run("systemctl", "start", "homeiq-ingest")
    house.wait_stored(changes)


def test_what_only_a_person_can_mend_is_not_tried_again_and_again(house: House) -> None:
    house.install()
    house.machine.shell(f"sed -i 's/^url = .*/url = \"nowhere\"/' {CONFIGURED}")
    assert "failed" in house.machine.shell("systemctl restart homeiq-ingest", check=False)
    assert house.machine.shown("SubState") == "failed"
    assert house.machine.shown("ExecMainStatus") == "2"
    assert "url" in house.machine.journal()
    # A process that is killed is.
    house.machine.shell(f"sed -i 's|^url = .*|url = \"{house.home.url}\"|' {CONFIGURED}")
    house.machine.run("systemctl", "restart", "homeiq-ingest")
    house.machine.run("systemctl", "kill", "--signal=SIGKILL", "--kill-who=main", "homeiq-ingest")
    wait_for(lambda: house.machine.shown("NRestarts") == "1" and house.machine.shown("ActiveState") == "active", 30)


def test_a_stalled_writer_is_aborted_and_started_again_and_nothing_is_lost(house: House) -> None:
    machine = house.machine
    house.install("--no-start")
    machine.shell(
        f"cp {CHECKOUT}/tests/support/stalling.py /opt/homeiq-ingest/ && chmod 644 /opt/homeiq-ingest/stalling.py"
    )
    start = f"/opt/homeiq-ingest/current/bin/python -I /opt/homeiq-ingest/stalling.py writer run --config {CONFIGURED}"
    drop_in = f"[Service]\nWatchdogSec=4\nRestartSec=1\nExecStart=\nExecStart={start}\n"
    machine.write("/etc/systemd/system/homeiq-ingest.service.d/stalling.conf", drop_in)
    machine.shell("systemctl daemon-reload && systemctl start homeiq-ingest")
    house.live()
    house.wait_stored(house.changes("42"))
    machine.run("systemctl", "kill", "--signal=SIGHUP", "--kill-who=main", "homeiq-ingest")
    time.sleep(0.5)
    changes = house.changes("43")
    wait_for(lambda: machine.shown("NRestarts") == "1", 60)
    killed = [json.loads(line)["MESSAGE"] for line in machine.journal().splitlines()]
    assert any("watchdog" in str(message).lower() for message in killed), killed
    assert any("ABRT" in str(message) for message in killed), killed
    house.wait_stored(changes)
    # The second life gets on, and is left alone.
    time.sleep(6)
    assert machine.shown("NRestarts") == "1"


def test_an_upgrade_keeps_the_version_before_and_a_roll_back_brings_it_back(house: House) -> None:
    machine = house.machine
    house.install()
    house.live()
    newer = house.version("9.1.0", MIGRATING)
    said = house.program("systemd", "upgrade", checkout=newer)
    assert "9.1.0-1 is installed" in said
    assert machine.shell("readlink /opt/homeiq-ingest/current").strip() == "versions/9.1.0-1"
    assert machine.run("homeiq-ingest", "--version").strip().endswith("9.1.0")
    assert "state.db.before-9.1.0-1" in machine.shell("ls /var/lib/homeiq-ingest/")
    house.wait_stored(house.changes("44"))
    assert "nothing to do" in house.program("systemd", "upgrade", checkout=newer)

    assert "is installed again" in machine.run("homeiq-ingest", "systemd", "upgrade", "--roll-back")
    assert machine.run("homeiq-ingest", "--version").strip().endswith(ingest.__version__)
    assert machine.shown("ActiveState") == "active"
    house.wait_stored(house.changes("45"))


def test_an_upgrade_that_does_not_last_is_taken_back_with_the_files_it_migrated(house: House) -> None:
    machine = house.machine
    house.install()
    house.live()
    dying = "import os, threading\nthreading.Timer(4, os._exit, (1,)).start()\n"
    newer = house.version("9.2.0", MIGRATING)
    machine.shell(f"printf '%s' '{dying}' >>{newer}/ingest/cli/run.py")
    said = house.program("systemd", "upgrade", checkout=newer, check=False)
    assert "9.2.0-1 was not kept" in said
    assert "is back" in said
    assert machine.run("homeiq-ingest", "--version").strip().endswith(ingest.__version__)
    assert machine.shown("ActiveState") == "active"
    files = machine.shell("ls /var/lib/homeiq-ingest/")
    assert "state.db.of-9.2.0-1" in files
    assert "damaged" not in files
    house.wait_stored(house.changes("46"))
    assert "points" in machine.run("homeiq-ingest", "spool", "recover", "/var/lib/homeiq-ingest/state.db.of-9.2.0-1")

    # One that cannot even read the configuration is not tried.
    newer = house.version("9.3.0")
    machine.shell(f"echo 'raise SystemExit(\"no\")' >>{newer}/ingest/cli/config.py")
    pid = machine.shown("MainPID")
    assert "does not take the configuration" in house.program("systemd", "upgrade", checkout=newer, check=False)
    assert machine.shown("MainPID") == pid


def test_taken_away_it_leaves_what_it_was_told_and_stored_and_purged_nothing(house: House) -> None:
    machine = house.machine
    house.install()
    house.live()
    said = house.program("systemd", "uninstall")
    assert "Kept" in said
    machine.shell(
        "test ! -e /opt/homeiq-ingest && test ! -e /etc/systemd/system/homeiq-ingest.service"
        f" && test ! -L /usr/local/bin/homeiq-ingest && test -e {CONFIGURED} && test -e /var/lib/homeiq-ingest/state.db"
    )
    assert machine.shown("LoadState") == "not-found"
    assert "It runs" in house.install()
    house.wait_stored(house.changes("47"))
    assert "Add --yes" in house.program("systemd", "uninstall", "--purge", check=False)
    machine.shell("test -e /var/lib/homeiq-ingest/state.db")
    assert "Removed: /etc/homeiq-ingest" in house.program("systemd", "uninstall", "--purge", "--yes")
    machine.shell(
        "test ! -e /etc/homeiq-ingest && test ! -L /var/lib/homeiq-ingest && test ! -e /var/lib/private/homeiq-ingest"
    )


MIGRATING = (
    """&& sed -i 's/7: _VERSION_7}/7: _VERSION_7, 8: "CREATE TABLE more (x);"}/' ingest/edge/state_versions.py"""
)
