"""The container as built from its recipe, run by Podman: health, stop, writes, and what it may not do. `nox -s container`."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

import ingest
from ingest.core.health import Status
from tests.container import recipe
from tests.container.conftest import DATABASE_TOKEN, USER, Place
from tests.container.engine import IMAGE, STATE, Container, Engine
from tests.faults.sink import sinking, wait_for
from tests.live import servers
from tests.support.homes import TOKEN
from tests.support.marked import leaks

pytestmark = [pytest.mark.container, pytest.mark.slow]

CONTRACT = {
    "status", "reason", "service", "version", "timestamp", "uptime", "uptime_seconds", "connection", "subscription",
    "circuit_breaker", "performance", "database", "spool", "gaps",
}  # fmt: skip
"""The keys of `/health` that HomeIQ's other services read, and ours."""

STOP = 10.0
"""Seconds that Docker gives before it kills."""


def health(place: Place) -> dict[str, object]:
    """Its answer, with status 200."""
    answer = httpx.get(f"{place.url}/health", trust_env=False)
    assert answer.status_code == 200
    found: dict[str, object] = answer.json()
    return found


def live(place: Place, container: Container) -> None:
    """Wait until it is healthy."""

    def is_healthy() -> bool:
        assert container.inspect()["State"]["Running"], container.logs()
        try:
            return health(place)["status"] == "healthy"
        except httpx.TransportError:
            return False

    try:
        wait_for(is_healthy, 60)
    except TimeoutError as late:
        late.add_note(container.logs()[-3000:])
        raise


def outside(container: Container) -> int:
    """Its process, as this machine counts."""
    pid: int = container.inspect()["State"]["Pid"]
    return pid


def test_the_image_is_what_the_recipe_says(built: Engine) -> None:
    (image,) = json.loads(built.podman("inspect", IMAGE))
    config = image["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["ExposedPorts"] == {"8001/tcp": {}}
    assert config["Volumes"] == {STATE: {}}
    assert config["StopSignal"] == "SIGTERM"
    assert config["Labels"]["org.opencontainers.image.version"] == ingest.__version__
    assert image["HealthCheck" if "HealthCheck" in image else "Healthcheck"]["Test"] == ["CMD", *recipe.health_check()]
    assert built.once("--version").strip().endswith(ingest.__version__)


def test_no_secret_is_in_it_nor_in_how_it_was_made(built: Engine) -> None:
    told = built.podman("history", "--no-trunc", "--format=json", IMAGE) + built.podman("inspect", IMAGE)
    assert leaks(told) == []
    (names,) = (each["Config"]["Env"] for each in json.loads(built.podman("inspect", IMAGE)))
    assert [name for name in names if "TOKEN" in name or "KEY" in name] == []
    places = ("/etc", "/home", "/opt", "/root", "/srv", "/tmp", "/var")
    found = built.once(*places, "-ipath", "*token*", "!", "-path", "*/site-packages/*", entrypoint="find", user=0)
    assert found == ""


def test_nothing_of_it_is_its_own_users_but_the_volume(built: Engine) -> None:
    assert (
        built.once(
            "/opt",
            "/etc",
            "/usr",
            "(",
            "-user",
            str(USER),
            "-o",
            "-perm",
            "-2",
            ")",
            "!",
            "-type",
            "l",
            entrypoint="find",
            user=0,
        )
        == ""
    )
    compiled = built.once("/opt/homeiq-ingest", "-name", "status*.pyc", entrypoint="find")
    assert "cli/__pycache__/status" in compiled


def test_a_first_start_without_a_configuration_says_what_to_set(built: Engine, place: Place) -> None:
    container = built.start("bare", place.state, {})
    assert container.wait() == 2
    said = container.logs()
    assert "the address of Home Assistant is missing" in said
    assert "HA_URL" in said
    assert "Traceback" not in said


def test_a_folder_that_it_may_not_write_is_named_with_whom_to_give_it_to(place: Place) -> None:
    os.chown(place.state, 0, 0)
    container = place.start()
    assert container.wait() == 2
    assert f"uid {USER}" in container.logs()
    assert STATE in container.logs()
    # With a database it goes on in memory meanwhile, and says it likewise.
    with sinking() as sink:
        container = place.start(database=sink.url, name="other")
        wait_for(lambda: f"uid {USER}" in container.logs(), 60)
        changes = place.change("kept in memory")
        wait_for(lambda: place.stored(sink, changes), 30)
        assert health(place)["status"] == "degraded"
        assert container.health_check() == 0
        assert container.stop() == 0


def test_a_token_that_it_may_not_read_is_named_with_whom_to_give_it_to(place: Place) -> None:
    place.token("home", TOKEN, owner=0)
    file = place.folder / "home-token"
    given = {"HA_HTTP_URL": place.home.url, "HA_TOKEN_FILE": "/run/secrets/t"}
    container = place.engine.start("service", place.state, given, {"/run/secrets/t": file})
    assert container.wait() == 2
    assert "/run/secrets/t cannot be read: Permission denied" in container.logs()
    assert f"uid {USER}" in container.logs()


def test_it_is_healthy_shut_in_and_keeps_its_secrets(place: Place) -> None:
    with sinking() as sink:
        container = place.start(database=sink.url)
        live(place, container)
        assert set(health(place)) >= CONTRACT
        assert health(place)["status"] in {each.value for each in Status}
        wait_for(lambda: httpx.get(f"{place.url}/ready", trust_env=False).status_code == 200)
        assert container.health_check() == 0

        pid = outside(container)
        status = Path(f"/proc/{pid}/status").read_text("ascii")
        for line in (
            f"Uid:\t{USER}\t{USER}\t{USER}\t{USER}",
            "CapBnd:\t0000000000000000",
            "CapEff:\t0000000000000000",
            "NoNewPrivs:\t1",
        ):
            assert line in status
        assert "Read-only file system" in container.run("touch", "/opt/x").stderr
        assert "Read-only file system" in container.run("touch", "/etc/x").stderr

        told = Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
        told += (
            container.logs().encode() + json.dumps(container.inspect()).encode() + json.dumps(health(place)).encode()
        )
        assert leaks(told) == []
        assert leaks(TOKEN) != []
        assert leaks(DATABASE_TOKEN) != []
        assert container.stop() == 0


def test_a_health_check_fails_when_it_hangs_or_is_not_there(place: Place) -> None:
    with sinking() as sink:
        container = place.start(database=sink.url)
        live(place, container)
        os.kill(outside(container), signal.SIGSTOP)
        assert container.health_check() == 1
        os.kill(outside(container), signal.SIGCONT)
        assert container.health_check() == 0
        # What is wrong elsewhere is not what a restart mends.
        sink.become("503")
        place.change("503")
        wait_for(lambda: health(place)["status"] != "healthy")
        assert container.health_check() == 0
        assert container.run("homeiq-ingest", "status").returncode in {1, 2}
        assert container.run("homeiq-ingest", "status", "--alive", "--set", "api.port=1").returncode == 1
        container.stop()


def test_alone_in_its_network_it_answers_on_its_usual_port(built: Engine, place: Place) -> None:
    given = {"HA_HTTP_URL": "http://192.168.1.10:8123", "HA_TOKEN_FILE": "/run/secrets/t"}
    files = {"/run/secrets/t": place.token("home", TOKEN)}
    # A volume that is new, as Compose makes it.
    container = built.start("alone", "volume", given, files, options=("--network=none",))
    asked = "import urllib.request as u; print(u.urlopen('http://localhost:8001/health').status)"
    try:
        wait_for(lambda: container.health_check() == 0, 30)
        assert container.run("python", "-c", asked).stdout.strip() == "200"
    except TimeoutError as late:
        late.add_note(container.logs()[-3000:])
        raise
    listed = container.run("stat", "--format=%u %g %a %n", STATE, f"{STATE}/home.db", f"{STATE}/state.db").stdout
    assert listed.splitlines() == [
        f"{USER} {USER} 700 {STATE}",
        f"{USER} {USER} 600 {STATE}/home.db",
        f"{USER} {USER} 600 {STATE}/state.db",
    ]
    assert container.stop() == 0


def test_a_stop_takes_no_ten_seconds_while_the_database_hangs_and_loses_nothing(place: Place) -> None:
    with sinking() as sink:
        container = place.start(database=sink.url)
        live(place, container)
        before = place.change("before")
        wait_for(lambda: place.stored(sink, before))
        sink.become("hang")
        changes = place.change("meanwhile")
        time.sleep(1.5)
        begun = time.monotonic()
        assert container.stop() == 0
        assert time.monotonic() - begun < STOP
        assert not place.stored(sink, changes)

        # The volume is all that it needs, for the next one as well.
        files = [path for path in place.state.rglob("*") if path.is_file()]
        assert {path.name for path in files} >= {"state.db"}
        assert {(path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) for path in files} == {
            (USER, USER, 0o600)
        }
        sink.become("take")
        missed = place.change("while it was away")
        again = place.start(database=sink.url, name="again")
        live(place, again)
        wait_for(lambda: place.stored(sink, changes))
        wait_for(lambda: place.stored(sink, missed))
        assert {path.stat().st_uid for path in place.state.rglob("*")} == {USER}
        assert again.stop() == 0
        (stopped,) = (json.loads(line) for line in again.logs().splitlines() if '"report": "Stopped"' in line)
        assert stopped["balanced"] is True


def test_a_stop_in_its_first_moment_is_not_missed(place: Place) -> None:
    """The first process of a container gets no signal that it has no handler for: an init hands it on to one that is not the first."""
    container = place.start("--init")
    begun = time.monotonic()
    assert container.stop() in {0, 128 + signal.SIGTERM}
    assert time.monotonic() - begun < STOP


def test_without_a_database_everything_is_in_one_file_on_the_volume(place: Place) -> None:
    container = place.start()
    live(place, container)
    changes = place.change("21.5")
    known = {(entity, moment // 1000) for entity, moment in changes}

    def stored() -> bool:
        with closing(sqlite3.connect(f"file:{place.state}/home.db?mode=ro", uri=True)) as connection:
            (count,) = connection.execute(
                "SELECT count(*) FROM changes WHERE entity_id LIKE 'sensor.talk_%'"
            ).fetchone()
            return bool(count >= len(known))

    wait_for(stored)
    assert "21.5" in container.run("homeiq-ingest", "query", "sensor.talk_7").stdout
    assert container.run("homeiq-ingest", "reload").returncode == 0
    assert container.stop() == 0


def test_what_it_writes_arrives_in_a_real_database(place: Place, tmp_path: Path) -> None:
    (tmp_path / "victoria").mkdir()
    with servers.victoria_metrics(tmp_path / "victoria") as database:
        container = place.start(database=database.url, HOMEIQ_INGEST_INFLUXDB_NUMERIC_ONLY="true")
        live(place, container)
        changes = place.change("42.25")
        wanted = {(entity, moment // 10**6) for entity, moment in changes}

        def stored() -> bool:
            rows = database.read("home_assistant_events", "home_assistant_events")
            found = {(row.tags["entity_id"], row.time // 10**6) for row in rows if row.fields.get("value") == 42.25}
            return wanted <= found

        wait_for(stored, 40)
        assert container.stop() == 0


def test_any_other_user_will_do_whose_the_volume_is(place: Place) -> None:
    os.chown(place.state, 4711, 4711)
    file = place.token("home", TOKEN, owner=4711)
    given = {
        "HA_HTTP_URL": place.home.url,
        "HA_TOKEN_FILE": "/run/secrets/t",
        "WEBSOCKET_INGESTION_PORT": str(place.port),
    }
    options = ("--network=host", "--user=4711:4711")
    container = place.engine.start("service", place.state, given, {"/run/secrets/t": file}, options)
    live(place, container)
    assert container.stop() == 0
    assert {path.stat().st_uid for path in place.state.rglob("*")} == {4711}
