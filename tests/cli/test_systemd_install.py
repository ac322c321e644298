"""Installing, upgrading and removing below a folder, with a systemd that only writes down what it is told."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field, frozen
from click.testing import CliRunner

from ingest.cli import systemd_config, systemd_machine, systemd_upgrade
from ingest.cli.exits import REFUSED
from ingest.cli.main import main
from ingest.cli.systemd_config import planned, source
from ingest.cli.systemd_install import Wanted, install
from ingest.cli.systemd_machine import Machine, Patience
from ingest.cli.systemd_places import Places
from ingest.cli.systemd_steps import Steps
from ingest.cli.systemd_uninstall import uninstall
from ingest.edge import foreign
from ingest.edge.backup import Kept, back_up, check_state
from ingest.edge.environment import MARK, Recipe, build, recipe
from ingest.edge.interpreters import choose
from ingest.edge.lock import SERVICE, locked
from ingest.edge.state_versions import MIGRATIONS, VERSION
from ingest.errors import IngestError, Problems, Refused, Transient
from tests.support.closed import close
from tests.support.homes import TOKEN
from tests.support.marked import secret

DATABASE_TOKEN = secret("database")
CONFIG = f"""\
# of a person
[home_assistant]
url = "http://home.test:8123"
token_file = "ha-token"  # beside this
[influxdb]
url = "http://base.test:8086"
token = "{DATABASE_TOKEN}"
[api]
enabled = false
"""


@define(eq=False)
class Manager:
    """Runs what a Python is asked, and plays systemd: `dying` versions do not stay up, `refusing` ones do not start."""

    places: Places
    active: bool = False
    pid: int = 1
    looks: int = 0
    dying: set[str] = field(factory=set)
    refusing: set[str] = field(factory=set)
    commands: list[str] = field(factory=list)

    def __call__(self, command: Sequence[str], seconds: float) -> str:
        if command[0] not in {"systemctl", "journalctl"}:
            return foreign.run(command, seconds)
        if command[1] == "show":
            return self.show()
        self.commands.append(" ".join(command))
        match command[1]:
            case "stop":
                self.active = False
            case "restart":
                self.pid += 1
                self.active = self.version not in self.refusing
                if not self.active:
                    raise failed("Job failed")
        return "it said why\n" if command[0] == "journalctl" else ""

    @property
    def version(self) -> str:
        return self.places.current.readlink().name

    def show(self) -> str:
        self.looks += 1
        pid = self.pid + self.looks if self.active and self.version in self.dying else self.pid
        return f"ActiveState={'active' if self.active else 'inactive'}\nMainPID={pid}\nNRestarts=0\nStatusText=stores\n"


@frozen
class Person:
    pw_dir: str


def failed(words: str) -> foreign.Failed:
    error = foreign.Failed(words)
    error.words = words
    return error


@define(eq=False)
class House:
    folder: Path
    manager: Manager
    machine: Machine
    said: Callable[[], str]

    @property
    def places(self) -> Places:
        return self.machine.places

    def version(self, number: str) -> Path:
        """Another one that is built already, of the one that is installed."""
        old, new = self.machine.current, self.places.versions / f"{number}-1"
        assert old is not None
        (new / "bin").mkdir(parents=True)
        (new / MARK).write_text(number)
        (new / "bin" / "homeiq-ingest").symlink_to((old / "bin" / "homeiq-ingest").resolve())
        return new


def uncompiled(command: Sequence[str], seconds: float) -> str:
    """Compiling takes longer than everything else, and is only there to save time."""
    return "" if "compileall" in command else foreign.run(command, seconds)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that is really made."""
    folder = tmp_path_factory.mktemp("opt") / "1-1"
    build(folder, recipe(choose(None, uncompiled)), uncompiled)
    return folder


@pytest.fixture
def house(tmp_path: Path, built: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> House:
    def linked(folder: Path, chosen: Recipe, _: object) -> None:
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "homeiq-ingest").symlink_to(built / "bin" / "homeiq-ingest")
        (folder / MARK).write_text(chosen.mark)

    monkeypatch.setattr(systemd_machine, "build", linked)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda *_, **__: None)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: Person(str(tmp_path / "home")))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("SUDO_USER", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    person = tmp_path / "person"
    person.mkdir()
    (person / "config.toml").touch(mode=0o600)
    (person / "config.toml").write_text(CONFIG)
    (person / "ha-token").touch(mode=0o600)
    (person / "ha-token").write_text(TOKEN)
    places = Places(tmp_path / "root")
    (places.unit.parent).mkdir(parents=True)
    manager = Manager(places)
    patience = Patience(0.05, 0.1, 0.01)
    machine = Machine(Steps(runner=manager), places, patience, booted=tmp_path)
    return House(tmp_path, manager, machine, lambda: capsys.readouterr().out)


def wanted(house: House, **more: object) -> Wanted:
    return Wanted(config=house.folder / "person" / "config.toml", **more)  # type: ignore[arg-type]


def state(path: Path, version: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        for number in range(1, version + 1):
            connection.executescript(MIGRATIONS[number])
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()


def test_everything_is_where_it_belongs_and_a_second_time_changes_nothing(house: House) -> None:
    install(house.machine, wanted(house))
    places = house.places
    text = places.config.read_text()
    assert text.startswith("# of a person\n")
    assert TOKEN not in text
    assert DATABASE_TOKEN not in text
    assert (places.credentials / "home_assistant.token").read_text() == f"{TOKEN}\n"
    assert (places.credentials / "influxdb.token").stat().st_mode & 0o777 == 0o600
    assert places.credentials.stat().st_mode & 0o777 == 0o700
    unit = places.unit.read_text()
    assert f"LoadCredential=influxdb.token:{places.credentials}/influxdb.token" in unit
    assert foreign.run((str(places.command), "--version"), 20).startswith("homeiq-ingest")
    assert places.shortcut.readlink() == places.command
    assert house.manager.commands == [
        "systemctl daemon-reload",
        "systemctl enable homeiq-ingest.service",
        "systemctl restart homeiq-ingest.service",
    ]
    assert "It runs: stores" in house.said()

    house.machine.steps.changed = False
    install(house.machine, wanted(house))
    assert [each.name for each in places.versions.iterdir()] == [places.current.readlink().name]
    assert house.manager.commands.count("systemctl restart homeiq-ingest.service") == 1

    # What was changed since is not replaced unasked; what was asked for is.
    places.config.write_text(text + "[log]\nlevel = 'debug'\n")
    with pytest.raises(Refused, match="another configuration"):
        install(house.machine, wanted(house))
    install(house.machine, wanted(house, force=True, memory=768))
    assert places.config.read_text() == text
    assert "MemoryMax=768M" in places.unit.read_text()
    # And the memory is kept.
    install(house.machine, Wanted())
    assert "MemoryMax=768M" in places.unit.read_text()


def test_a_dry_run_says_it_all_and_does_nothing(house: House) -> None:
    house.machine.steps.dry = True
    install(house.machine, wanted(house))
    said = house.said()
    assert f"write {house.places.credentials}/influxdb.token (mode 0600)" in said
    assert "run   systemctl enable homeiq-ingest.service" in said
    assert TOKEN not in said
    assert not house.places.program.exists()
    assert not house.places.config.exists()
    assert house.manager.commands == []


def test_what_runs_no_systemd_and_who_is_not_root_is_told_what_to_do(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = Machine(house.machine.steps, house.places, booted=house.folder / "nothing")
    with pytest.raises(Refused, match="systemd unit"):
        install(nowhere, wanted(house))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Refused, match="Run: sudo /"):
        install(house.machine, wanted(house))


def test_two_at_once_do_not_take_away_what_the_other_builds(house: House) -> None:
    house.places.changing.parent.mkdir()
    other = Machine(Steps(dry=True), house.places, booted=house.folder)
    with house.machine.alone(), other.alone(), pytest.raises(Transient, match="is under way"), house.machine.alone():
        pass
    with house.machine.alone():
        pass


def test_a_state_file_of_an_earlier_run_is_taken_along_once(house: House) -> None:
    old = house.folder / "person" / "state.db"
    state(old, VERSION)
    install(house.machine, wanted(house, state=old, start=False))
    new = house.places.private_state / "state.db"
    with closing(sqlite3.connect(new)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert house.places.private_state.parent.stat().st_mode & 0o777 == 0o700
    assert "Start it with" in house.said()
    house.places.state.symlink_to(house.places.private_state)
    install(house.machine, wanted(house, state=old, start=False))
    assert "is there already" in house.said()
    new.unlink()
    with pytest.raises(Refused, match="no such file"):
        install(house.machine, wanted(house, state=house.folder / "none.db"))


def at_home(house: House, *kept: str) -> Path:
    """The configuration where `init` writes it, and what was stored with it; returns where that is."""
    config, data = house.folder / "home/.config/homeiq-ingest", house.folder / "home/.local/share/homeiq-ingest"
    config.parent.mkdir(parents=True)
    (house.folder / "person").rename(config)
    for name in kept:
        state(data / name, VERSION)
    return data


EMBEDDED = CONFIG.partition("[influxdb]")[0] + "[api]\nenabled = false\n"


def test_what_was_stored_so_far_comes_along_unasked(house: House) -> None:
    data = at_home(house, "state.db", "home.db")
    config = house.folder / "home/.config/homeiq-ingest/config.toml"
    config.write_text(EMBEDDED)
    house.machine.steps.dry = True
    install(house.machine, Wanted())
    assert f"copy  {data / 'state.db'} -> {house.places.private_state / 'state.db'}" in house.said()
    assert not house.places.private_state.exists()

    house.machine.steps.dry = False
    with locked(data / "home.db", remedy="", by=SERVICE), pytest.raises(Refused, match="in use by a running service"):
        install(house.machine, Wanted())
    assert not house.places.config.exists()
    install(house.machine, Wanted(start=False))
    said = house.said()
    for name in ("state.db", "home.db"):
        assert dump(house.places.private_state / name) == dump(data / name)
        assert f"copy  {data / name} -> " in said
    assert "--fresh begins without it" in said
    # What is left is what the next commands of that person would read.
    assert f"mv {config} {config}.before" in said

    install(house.machine, Wanted(config=config, start=False))
    assert f"is there already: {data / 'home.db'} stays where it is" in house.said()
    config.rename(f"{config}.before")
    install(house.machine, Wanted(start=False))
    assert "stay" not in house.said()


def test_a_store_that_is_not_used_stays_and_who_begins_afresh_takes_nothing_along(house: House) -> None:
    data = at_home(house, "state.db", "home.db")
    install(house.machine, Wanted(start=False, fresh=True))
    assert not house.places.private_state.exists()
    # From now on it is the one of /etc that is installed: nobody knows what that one went on with.
    house.said()
    install(house.machine, Wanted(start=False))
    assert not house.places.private_state.exists()
    assert f"{data / 'state.db'} stays where it is; --state {data / 'state.db'} brings it along" in house.said()

    install(house.machine, Wanted(config=house.folder / "home/.config/homeiq-ingest/config.toml", start=False))
    assert [each.name for each in house.places.private_state.iterdir() if each.suffix == ".db"] == ["state.db"]


def test_where_a_path_is_named_that_file_comes_along(house: House) -> None:
    data = at_home(house)
    config = house.folder / "home/.config/homeiq-ingest/config.toml"
    config.write_text(f"{CONFIG}[spool]\npath = '{data / 'named.db'}'\n")
    state(data / "named.db", VERSION)
    install(house.machine, Wanted(start=False))
    assert dump(house.places.private_state / "state.db") == dump(data / "named.db")


def test_a_dry_run_of_who_may_not_look_into_the_services_folder_says_it_all(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = at_home(house, "state.db")
    house.places.state.parent.mkdir(parents=True)
    house.places.state.symlink_to(house.places.private_state)
    close(house.places.private_state.parent, monkeypatch)
    house.machine.steps.dry = True
    install(house.machine, Wanted())
    assert f"copy  {data / 'state.db'} -> {house.places.private_state / 'state.db'}" in house.said()


def test_fresh_and_something_to_take_along_contradict_each_other() -> None:
    result = CliRunner().invoke(main, ["systemd", "install", "--fresh", "--state", "x"])
    assert result.exit_code == REFUSED
    assert "--fresh takes nothing along" in result.stderr


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_another_machine_goes_on_with_the_configuration_the_tokens_and_a_back_up(house: House) -> None:
    """As `docs/how-to/move-to-a-new-machine.md` has it: /etc is copied over, everything else is made there."""
    places = house.places
    state(places.private_state / "state.db", VERSION)
    install(house.machine, wanted(house, start=False))
    kept, before = house.folder / "kept", places.config.read_text()
    back_up([Kept(places.private_state / "state.db", "state.db", check_state)], kept, lambda _: None)
    for old in (places.program, places.private_state, places.unit, places.shortcut):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    house.manager.commands.clear()

    install(house.machine, Wanted(state=kept / "state.db"))
    assert places.config.read_text() == before
    assert (places.credentials / "home_assistant.token").read_text() == f"{TOKEN}\n"
    assert f"LoadCredential=home_assistant.token:{places.credentials}/home_assistant.token" in places.unit.read_text()
    assert dump(places.private_state / "state.db") == dump(kept / "state.db")
    assert "systemctl restart homeiq-ingest.service" in house.manager.commands
    assert "It runs: stores" in house.said()


def test_somebody_elses_command_stays(house: House) -> None:
    house.places.shortcut.parent.mkdir(parents=True)
    house.places.shortcut.write_text("mine")
    install(house.machine, wanted(house))
    assert "somebody else's" in house.said()
    uninstall(house.machine, purge=False)
    assert house.places.shortcut.read_text() == "mine"


def test_a_service_that_does_not_start_says_why(house: House) -> None:
    install(house.machine, wanted(house, start=False))
    house.manager.refusing.add(house.manager.version)
    house.machine.steps.changed = True
    with pytest.raises(Refused, match="does not start: it said why"):
        install(house.machine, wanted(house))


def test_an_upgrade_and_its_roll_back(house: House) -> None:
    install(house.machine, wanted(house))
    old = house.machine.current
    newer = house.version("9.1")
    state(house.places.state / "state.db", VERSION - 1)
    systemd_upgrade.upgrade(house.machine, newer)
    assert (house.machine.current, house.machine.previous) == (newer, old)
    assert (house.places.state / "state.db.before-9.1-1").exists()
    systemd_upgrade.upgrade(house.machine, newer)
    assert "nothing to do\nAnother version comes with its own command: sudo" in house.said()

    house.places.versions.joinpath("half-made").mkdir()
    newest = house.version("9.2")
    systemd_upgrade.upgrade(house.machine, newest)
    assert {each.name for each in house.places.versions.iterdir()} == {"9.1-1", "9.2-1"}
    assert not (house.places.state / "state.db.before-9.1-1").exists()
    systemd_upgrade.roll_back(house.machine)
    assert (house.machine.current, house.machine.previous) == (newer, newest)
    assert "sets it aside" in house.said()
    assert "homeiq-ingest run" in house.places.unit.read_text()


@pytest.mark.parametrize("how", ["dying", "refusing"])
def test_an_upgrade_that_fails_is_taken_back_with_the_files_that_it_migrated(house: House, how: str) -> None:
    install(house.machine, wanted(house))
    old, newer = house.machine.current, house.version("9.1")
    state(house.places.state / "state.db", VERSION - 1)
    (house.places.state / "home.db").write_text("no database at all")
    getattr(house.manager, how).add("9.1-1")
    with pytest.raises(Refused, match=r"9\.1-1 was not kept, .* is back: .*it said why"):
        systemd_upgrade.upgrade(house.machine, newer)
    assert house.machine.current == old
    assert house.manager.active
    assert {each.name for each in house.places.state.iterdir()} == {"state.db", "state.db.of-9.1-1", "home.db"}
    assert "home.db cannot be looked at" in house.said()


def test_an_older_package_says_what_it_sets_aside_and_gives_it_back_when_it_is_not_kept(house: House) -> None:
    install(house.machine, wanted(house))
    file = house.places.state / "state.db"
    state(file, VERSION)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    house.manager.dying.add("0.0-1")
    with pytest.raises(Refused, match=r"0\.0-1 was not kept"):
        systemd_upgrade.upgrade(house.machine, house.version("0.0"))
    assert f"This package is older than {file}: it sets it aside" in house.said()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)


def test_an_older_package_says_that_it_cannot_read_the_store_which_a_roll_back_can(house: House) -> None:
    install(house.machine, wanted(house))
    file = house.places.state / "home.db"
    file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version = {systemd_upgrade.LAYOUTS['home.db'] + 1}")
    systemd_upgrade.upgrade(house.machine, house.version("0.0"))
    assert f"older than {file} and cannot read it" in house.said()
    systemd_upgrade.roll_back(house.machine)
    assert not list(file.parent.glob("home.db.before-*"))


def test_an_upgrade_without_room_for_a_copy_goes_on_and_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    install(house.machine, wanted(house))
    state(house.places.state / "state.db", VERSION - 1)
    monkeypatch.setattr("ingest.edge.database_copy.USUAL", 2**60)
    systemd_upgrade.upgrade(house.machine, house.version("9.1"))
    assert "There is no copy" in house.said()


def test_one_that_was_healthy_and_is_not_any_more_is_taken_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    install(house.machine, wanted(house))
    health = iter([{"status": "healthy"}] + [{"status": "unhealthy"}] * 1000)
    monkeypatch.setattr(systemd_machine, "ask_health", lambda *_, **__: next(health))
    house.places.config.write_text(house.places.config.read_text().replace("enabled = false", "enabled = true"))
    with pytest.raises(Refused, match="it was healthy before"):
        systemd_upgrade.upgrade(house.machine, house.version("9.1"))


def test_a_version_that_does_not_take_the_configuration_is_not_tried(house: House) -> None:
    install(house.machine, wanted(house))
    newer, before = house.version("9.1"), len(house.manager.commands)
    house.places.config.write_text("[home_assistant]\nurl = 'nowhere'\n")
    with pytest.raises(Refused, match="does not take the configuration"):
        systemd_upgrade.upgrade(house.machine, newer)
    assert len(house.manager.commands) == before


def test_a_stop_of_the_upgrade_itself_brings_the_old_one_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    install(house.machine, wanted(house))
    old = house.machine.current

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Machine, "watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        systemd_upgrade.upgrade(house.machine, house.version("9.1"))
    assert house.machine.current == old


def test_the_way_back_on_a_full_disk_ends_with_a_service_that_runs(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(house.machine, wanted(house))
    old = house.machine.current
    state(house.places.state / "state.db", VERSION - 1)
    kept = list[Path | None]()

    def keep(_: Machine, folder: Path | None) -> None:
        kept.append(folder)
        if len(kept) > 1:
            raise Refused("it cannot be changed: No space left on device")

    def full(*_: object) -> None:
        raise Refused("it cannot be changed: No space left on device")

    monkeypatch.setattr(Machine, "keep", keep)
    monkeypatch.setattr(systemd_upgrade, "_keep", full)
    with pytest.raises(Refused, match="No space left"):
        systemd_upgrade.upgrade(house.machine, house.version("9.1"))
    assert house.machine.current == old
    assert house.manager.active


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_connection_that_is_cut_in_an_upgrade_brings_the_old_one_back_whole(
    house: House, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, number: signal.Signals
) -> None:
    # Who runs the tests may ignore it.
    request.addfinalizer(partial(signal.signal, number, signal.signal(number, signal.SIG_DFL)))
    install(house.machine, wanted(house))
    old = house.machine.current
    state(house.places.state / "state.db", VERSION - 1)
    found = list[Path | None]()

    def cut(*_: object) -> None:
        found.append(house.machine.previous)
        signal.raise_signal(number)

    def cut_again(*given: Any) -> None:
        signal.raise_signal(number)
        put_back(*given)

    put_back = systemd_upgrade._put_back
    monkeypatch.setattr(Machine, "watch", cut)
    monkeypatch.setattr(systemd_upgrade, "_put_back", cut_again)
    with pytest.raises(KeyboardInterrupt):
        systemd_upgrade.upgrade(house.machine, house.version("9.1"))
    assert found == [old]  # whatever ends it, a roll-back finds what ran
    assert house.machine.current == old
    assert house.machine.previous is None
    assert house.manager.active
    assert "9.1-1 was not kept" in house.said()
    assert signal.getsignal(number) == signal.SIG_DFL


def test_what_is_not_installed_is_not_upgraded_nor_rolled_back(house: House) -> None:
    with pytest.raises(Refused, match="systemd install"):
        systemd_upgrade.upgrade_to_this(house.machine, None)
    install(house.machine, wanted(house))
    with pytest.raises(Refused, match="no version before"):
        systemd_upgrade.roll_back(house.machine)
    systemd_upgrade.upgrade_to_this(house.machine, None)
    assert "nothing to do" in house.said()


def test_a_roll_back_to_what_cannot_run_any_more_changes_nothing(house: House) -> None:
    install(house.machine, wanted(house))
    old = house.machine.current
    assert old is not None
    newer = house.version("9.1")
    systemd_upgrade.upgrade(house.machine, newer)
    (old / "bin" / "homeiq-ingest").unlink()
    told = len(house.manager.commands)
    with pytest.raises(Refused, match=r"cannot be run: .*systemd upgrade"):
        systemd_upgrade.roll_back(house.machine)
    assert (house.machine.current, house.machine.previous) == (newer, old)
    assert len(house.manager.commands) == told


def test_a_service_that_was_stopped_stays_so_and_that_is_said(house: House) -> None:
    install(house.machine, wanted(house, start=False))
    systemd_upgrade.upgrade(house.machine, house.version("9.1"))
    assert not house.manager.active
    assert "It did not run, and is not started: sudo systemctl start homeiq-ingest" in house.said()


def test_what_somebody_else_keeps_in_our_folder_stays(house: House) -> None:
    install(house.machine, wanted(house))
    (house.places.program / "checkout").mkdir()
    uninstall(house.machine, purge=True)
    assert [each.name for each in house.places.program.iterdir()] == ["checkout"]
    assert f"Not ours, and stays: {house.places.program}/checkout" in house.said()


def test_who_does_not_hear_any_more_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []

    def gone(said: object) -> None:
        tried.append(said)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("click.echo", gone)
    Steps().say("a sentence")
    assert tried


def test_a_newer_program_upgrades_when_it_installs(house: House) -> None:
    install(house.machine, wanted(house))
    old = house.machine.current
    assert old is not None
    (old / MARK).write_text("another program")
    install(house.machine, wanted(house))
    assert house.machine.previous == old
    assert house.machine.current != old


def test_it_is_taken_away_and_only_purged_with_what_it_stored(house: House) -> None:
    install(house.machine, wanted(house))
    state(house.places.state / "state.db", VERSION)
    uninstall(house.machine, purge=False)
    places = house.places
    assert not places.program.exists()
    assert not places.unit.exists()
    assert not places.shortcut.is_symlink()
    assert "Kept" in house.said()
    house.machine.steps.changed = False
    uninstall(house.machine, purge=True)
    assert not places.config.parent.exists()
    assert not places.state.exists()
    assert "Removed" in house.said()
    house.machine.steps.changed = False
    uninstall(house.machine, purge=True)
    assert "Nothing of the service" in house.said()


def plan_of(folder: Path, text: str) -> tuple[str, Mapping[Path, bytes], tuple[str, ...]]:
    (folder / "config.toml").touch(mode=0o600)
    (folder / "config.toml").write_text(text)
    plan = planned(folder / "config.toml", Places(folder / "root"))
    return plan.text, plan.files, plan.remarks


def test_files_that_the_service_cannot_see_come_along_and_its_own_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "authority.pem").write_text("authority")
    (tmp_path / "token").write_text(TOKEN)
    text, files, remarks = plan_of(
        tmp_path,
        "[home_assistant]\nurl = 'https://home.test'\ntoken_file = 'token'\nca_file = 'authority.pem'\n"
        "[spool]\npath = 'state.db'\nsize = '1GiB'\n",
    )
    assert list(files.values()) == [b"authority"]
    copied = tmp_path / "root" / "etc" / "homeiq-ingest" / "authority.pem"
    assert f'ca_file = "{copied}"' in text
    assert "path" not in text.partition("[spool]")[2]
    assert "--state" in remarks[0]
    assert f"change {copied}" in remarks[1]


def test_a_tilde_means_the_home_of_whose_configuration_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "of-a-person"
    there.mkdir()
    (there / "token").write_text(TOKEN)
    for name in ("authority.pem", "filter.toml"):
        (there / name).touch()
    person = Person(str(there))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: person)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    monkeypatch.setenv("HOME", str(tmp_path / "of-root"))
    monkeypatch.setattr(systemd_config, "hidden", lambda path: path.name == "authority.pem")
    text, files, remarks = plan_of(
        tmp_path,
        "[home_assistant]\nurl = 'http://home.test'\ntoken_file = '~/token'\nca_file = '~/authority.pem'\n"
        "[filter]\nfile = '~/filter.toml'\n[spool]\npath = '~/state.db'\n",
    )
    assert [path.name for path in files] == ["authority.pem"]
    assert f'file = "{there / "filter.toml"}"' in text
    assert "~" not in text
    assert f"--state {there / 'state.db'}" in remarks[0]
    assert systemd_config.credentials(tmp_path / "config.toml") == {"home_assistant.token": there / "token"}


def test_two_files_of_one_name_are_two_and_the_configuration_is_none_of_them(tmp_path: Path) -> None:
    names = {"home/ca.pem": "one", "database/ca.pem": "another", "filter/config.toml": ""}
    for name, text in names.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    (tmp_path / "token").write_text(TOKEN)
    text, files, _ = plan_of(
        tmp_path,
        "[home_assistant]\nurl = 'https://home.test'\ntoken_file = 'token'\nca_file = 'home/ca.pem'\n"
        "[influxdb]\nurl = 'https://base.test'\ntoken_file = 'token'\nca_file = 'database/ca.pem'\n"
        "[filter]\nfile = 'filter/config.toml'\n",
    )
    there = tmp_path / "root/etc/homeiq-ingest"
    assert files == {
        there / "ca.pem": b"one",
        there / "influxdb.ca_file.ca.pem": b"another",
        there / "filter.file.config.toml": b"",
    }
    assert all(f'"{path}"' in text for path in files)


def test_no_private_key_is_copied_to_where_everybody_reads_it(tmp_path: Path) -> None:
    (tmp_path / "bundle.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    (tmp_path / "token").write_text(TOKEN)
    with pytest.raises(Refused, match=r"a private key is in it .*home_assistant\.ca_file"):
        plan_of(
            tmp_path,
            "[home_assistant]\nurl = 'https://home.test'\ntoken_file = 'token'\nca_file = 'bundle.pem'\n",
        )


def test_a_file_that_is_written_too_artfully_is_written_anew(tmp_path: Path) -> None:
    text, _, _ = plan_of(tmp_path, f"home_assistant = {{ url = 'http://home.test', token = '{TOKEN}' }}\n")
    assert TOKEN not in text
    assert 'url = "http://home.test"' in text
    assert "credentials/home_assistant.token" in text


def test_of_comments_nothing_is_said_where_there_are_none(tmp_path: Path) -> None:
    written = f'"home_assistant"."token" = "{TOKEN}"\n"home_assistant"."url" = "http://home.test"\n'
    text, _, remarks = plan_of(tmp_path, written)
    assert (TOKEN in text, remarks) == (False, ())


@pytest.mark.parametrize(
    "told",
    [
        *(f"{before}{{token}}{after}" for before, after in (("old:", ""), ("<", ">"), ("[", "]"), ("was/", ""), ("Bearer:", ""))),
        "url = 'http://admin:hunter2-{token}@base.test:8086'", "my password: hunter2-{token}", "INFLUX_PASS=hunter2-{token}",
        "a line\u2028{token}",
    ],
)  # fmt: skip
def test_no_comment_tells_a_secret_however_it_stands_there(tmp_path: Path, told: str) -> None:
    (tmp_path / "token").write_text(TOKEN)
    old = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhIn0." + "a" * 43
    good = "[home_assistant]\nurl = 'http://home.test'\ntoken_file = 'token'\n"
    text, _, remarks = plan_of(tmp_path, f"{good}# {told.format(token=old)}\n# end\n")
    assert (old in text, "# end" in text) == (False, True)
    assert [each[-1] for each in remarks] == ["4"]


def test_no_comment_tells_a_secret_to_everybody(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    old = "eyJhbGciOiJIUzI1NiJ9.old.old"
    good = (
        "[home_assistant]\nurl = 'http://home.test'  # the kitchen's\ntoken_file = 'token'\n# the token is in a file\n"
    )
    secret_lines = f"# token = 'until-last-week'\n#api.token='another'\n# was {old}\n# is {TOKEN}\n"
    text, _, remarks = plan_of(tmp_path, f"{good}{secret_lines}# end\n")
    assert not any(each in text for each in ("until-last-week", "another", old, TOKEN))
    assert all(each in text for each in ("# the kitchen's", "# the token is in a file", "# end"))
    assert [each[-1] for each in remarks] == ["5", "6", "7", "8"]


@pytest.mark.parametrize("behind", ["token: 'until-last-week'", "eyJhbGciOiJIUzI1NiJ9.until-last-week", TOKEN])
def test_a_comment_behind_a_value_that_tells_a_secret_takes_all_of_them_along(tmp_path: Path, behind: str) -> None:
    (tmp_path / "token").write_text(TOKEN)
    good = "# of a person\n[home_assistant]\nurl = 'http://home.test'\ntoken_file = 'token'\n"
    text, _, remarks = plan_of(tmp_path, f"{good}[api]\nport = 9000  # {behind}\n")
    assert not any(each in text for each in ("of a person", "until-last-week", TOKEN))
    assert "port = 9000" in text
    assert "without its comments" in remarks[-1]


def test_a_configuration_that_is_not_good_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(Problems, match=r"home_assistant\.token"):
        plan_of(tmp_path, "[home_assistant]\nurl = 'http://home.test'\n")


def test_the_configuration_of_who_called_sudo_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places(tmp_path / "root")
    monkeypatch.setenv("SUDO_USER", "nosuchuser")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    with pytest.raises(Refused, match="homeiq-ingest init"):
        source(None, places)
    theirs = tmp_path / ".config/homeiq-ingest/config.toml"
    theirs.parent.mkdir(parents=True)
    theirs.touch()
    assert source(None, places) == theirs
    # `sudo homeiq-ingest init` writes into root's folder, and `sudo homeiq-ingest systemd install` finds it there.
    monkeypatch.setenv("SUDO_USER", "daemon")
    assert source(None, places) == theirs
    monkeypatch.setattr(pwd, "getpwnam", lambda name: Person(str(tmp_path / name)))
    (tmp_path / "daemon").mkdir()
    (tmp_path / "daemon/.config").symlink_to(tmp_path / ".config")
    assert source(None, places) == tmp_path / "daemon/.config/homeiq-ingest/config.toml"
    places.config.parent.mkdir(parents=True)
    places.config.touch()
    assert source(None, places) == places.config


def test_a_disk_that_does_not_take_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    steps = Steps()
    with pytest.raises(Refused, match="cannot be changed"):
        steps.folder(tmp_path / "file" / "folder")
    with pytest.raises(IngestError, match="cannot be changed"):
        steps.file(tmp_path / "none" / "file", "text")


def test_nothing_is_purged_unasked(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    install(house.machine, wanted(house))
    house.places.changing.parent.mkdir()
    monkeypatch.setattr(systemd_machine, "Machine", lambda _: house.machine)
    purge = ["systemd", "uninstall", "--purge"]
    refused = CliRunner().invoke(main, purge)
    assert refused.exit_code == REFUSED
    assert "Add --yes" in refused.stderr
    assert house.places.config.exists()
    assert CliRunner().invoke(main, [*purge, "--yes"]).exit_code == 0
    assert not house.places.config.exists()
