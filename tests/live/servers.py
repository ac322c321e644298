"""Real databases for tests: VictoriaMetrics and the InfluxDB 1.x engine, unpacked from Debian's packages, not installed.

Neither InfluxDB 2 nor 3 is to be had from Debian or a package index. Who has one lets the same tests run against it with
`HOMEIQ_TEST_INFLUXDB_URL` and `HOMEIQ_TEST_INFLUXDB_TOKEN` (`HOMEIQ_TEST_INFLUXDB_ORG` when it is not the only one).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from attrs import field, frozen

from tests.live.lab import end, free_port, launch, made_once, tail, wait_for
from tests.live.readback import Reader, influxql, victoria
from tests.live.v2envelope import envelope
from tests.support.marked import secret, watched

TOKEN = secret("database")
MAX_BODY = 25_000_000  # the engine's default
PACKAGES = ("victoria-metrics", "influxdb")
INFLUX_CONFIG = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{data}/meta"
[data]
  dir = "{data}/data"
  wal-dir = "{data}/wal"
  index-version = "tsi1"
[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false
  max-body-size = {max_body}
[monitor]
  store-enabled = false
[subscriber]
  enabled = false
[continuous_queries]
  enabled = false
[logging]
  level = "warn"
"""


@frozen
class Database:
    """Something that takes v2 writes at `url`, and how to read back what it holds."""

    name: str
    url: str
    read: Reader
    token: str = field(default=TOKEN, repr=False)
    org: str = "homeiq"
    strings: bool = True  # VictoriaMetrics keeps numbers only
    nanoseconds: bool = True  # VictoriaMetrics keeps milliseconds

    def create_bucket(self, name: str) -> None:
        """Make a bucket where the database has such a thing (VictoriaMetrics has not, InfluxDB 3 makes them itself)."""
        headers = {"Authorization": f"Token {self.token}"}
        with httpx.Client(base_url=self.url, headers=headers, trust_env=False) as client:
            orgs = client.get("/api/v2/orgs", params={"org": self.org})
            if orgs.is_success:
                owner = orgs.json()["orgs"][0]["id"]
                client.post("/api/v2/buckets", json={"name": name, "orgID": owner}).raise_for_status()

    def forget(self, bucket: str, measurement: str, since_ns: int) -> None:
        """Lose what was stored of a measurement since then, as a database does that is restored from a back-up."""
        since = datetime.fromtimestamp(since_ns // 10**9, UTC).isoformat()
        body = {"start": since, "stop": "2100-01-01T00:00:00Z", "predicate": f'_measurement="{measurement}"'}
        headers = {"Authorization": f"Token {self.token}"}
        with httpx.Client(base_url=self.url, headers=headers, trust_env=False) as client:
            where = {"org": self.org, "bucket": bucket}
            client.post("/api/v2/delete", params=where, json=body).raise_for_status()


def programs() -> Path:
    """The folder of the database programs, fetched the first time with apt-get (no root needed, nothing installed)."""
    return fetched("databases", PACKAGES)


def fetched(name: str, packages: Sequence[str]) -> Path:
    """The folder of the programs of some packages of Debian's, kept under a name in the lab."""
    with made_once(name) as (folder, complete):
        if not complete:
            _fetch(folder, packages)
    return folder / "usr" / "bin"


def _fetch(folder: Path, packages: Sequence[str]) -> None:
    got = subprocess.run(["apt-get", "download", *packages], cwd=folder, capture_output=True, text=True, check=False)
    if got.returncode:
        pytest.fail(f"{' and '.join(packages)} could not be fetched (apt-get update?): {got.stderr}")
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
        package.unlink()


@contextmanager
def served(command: Sequence[str | Path], log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """A program that answers, as long as the block lasts."""
    process = launch(command, log)
    try:
        wait_for(lambda: process.poll() is not None or ready(), str(command[0]))
        if process.returncode is not None:
            raise RuntimeError(f"{command[0]} ended:\n{tail(log)}")
        yield
    finally:
        end(process)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def victoria_command(folder: Path, port: int) -> list[str | Path]:
    """How a VictoriaMetrics with its data in `folder` is started."""
    return [
        programs() / "victoria-metrics",
        f"-httpListenAddr=127.0.0.1:{port}",
        f"-storageDataPath={folder / 'data'}",
        "-retentionPeriod=100y",
        "-search.latencyOffset=0s",  # else the last 30 s cannot be read back
        "-dedup.minScrapeInterval=1ms",  # else a line sent twice is two points
        "-memory.allowedBytes=256MB",
    ]


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[Database]:
    """A VictoriaMetrics with its data in `folder`, as long as the block lasts."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = victoria_command(folder, port)
    with served(command, folder / "victoria-metrics.log", lambda: answers(f"{url}/health")):
        yield Database("victoria-metrics", url, victoria(url), strings=False, nanoseconds=False)


def influxdb_command(folder: Path, port: int, max_body: int = MAX_BODY) -> list[str | Path]:
    """How a bare InfluxDB 1.x with its data in `folder` is started."""
    config = folder / "influxdb.conf"
    config.write_text(INFLUX_CONFIG.format(rpc=free_port(), http=port, data=folder, max_body=max_body), "utf-8")
    return [programs() / "influxd", "run", "-config", config]


@contextmanager
def influxdb_engine(folder: Path, max_body: int) -> Iterator[str]:
    """The URL of a bare InfluxDB 1.x with its data in `folder`, as long as the block lasts."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = influxdb_command(folder, port, max_body)
    with served(command, folder / "influxdb.log", lambda: answers(f"{url}/ping")):
        yield url


@contextmanager
def influxdb(folder: Path, max_body: int = MAX_BODY) -> Iterator[Database]:
    """The real 1.x engine behind a v2 envelope of ours. It refuses requests of more than `max_body` bytes."""
    with influxdb_engine(folder, max_body) as engine, envelope(engine, TOKEN) as url:
        yield Database("influxdb-1.x-engine", url, influxql(engine))


def own_influxdb() -> Database | None:
    """The database that the two environment variables name, if they do."""
    url, token = os.environ.get("HOMEIQ_TEST_INFLUXDB_URL"), os.environ.get("HOMEIQ_TEST_INFLUXDB_TOKEN")
    if not (url and token):
        return None
    org = os.environ.get("HOMEIQ_TEST_INFLUXDB_ORG", "")
    return Database("own-influxdb", url.rstrip("/"), influxql(url, token), watched(token), org)
