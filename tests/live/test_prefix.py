"""A database below a path: VictoriaMetrics' own, and that of a tenant of its cluster.

The cluster's programs are not to be had from Debian, PyPI or npm. What stands for vminsert knows the paths that its
documentation names, and hands what comes there on to a real VictoriaMetrics; anything else it refuses.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from ingest.cli.checks import look_at_database
from ingest.cli.database import opened_database
from ingest.cli.doctor_database import look_at_database as examined
from ingest.config.load import load
from ingest.config.settings import Settings
from ingest.core.homeiq import MEASUREMENT
from ingest.core.point import Attributes, Facts, Point
from ingest.core.sealing import resealed
from ingest.core.store import Delivered
from tests.edge.answering import Peer, Reply, Request, answering
from tests.live import servers
from tests.live.servers import Database

pytestmark = pytest.mark.live

TENANT = "/insert/0/influx"


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One of its own: it knows no buckets."""
    with servers.victoria_metrics(tmp_path_factory.mktemp("victoria")) as database:
        yield database


@pytest.fixture
def vminsert(victoria: Database) -> Iterator[Peer]:
    def answer(request: Request) -> Reply:
        if request.path != f"{TENANT}/api/v2/write":
            return Reply(400, b"unsupported path requested", {"X-Server-Hostname": "vminsert"})
        headers = {"Content-Encoding": request.headers["content-encoding"]}
        url = f"{victoria.url}/api/v2/write"
        told = httpx.post(url, params=request.query, headers=headers, content=request.body, trust_env=False)
        return Reply(told.status_code, told.content, {"X-Server-Hostname": told.headers["x-server-hostname"]})

    with answering(answer) as peer:
        yield peer


def settings(url: str, home: str) -> Settings:
    given = {"influxdb.url": url, "influxdb.numeric_only": True, "influxdb.home_tag": True, "home": home}
    return load(None, {}, given).settings


async def stored(url: str, home: str, now_ns: int) -> None:
    """A point of an entity that every home has."""
    async with opened_database(settings(url, home)) as destination:
        codec = destination.store.codec
        item = codec.encode(Point("sensor.attic", now_ns, "21.5", Facts("sensor.attic"), Attributes(), 21.5))
        assert item is not None
        batch = resealed([b"".join(item).removesuffix(b"\n")])
        assert await destination.store.deliver(batch) == Delivered()


async def test_a_tenant_of_the_cluster_takes_points_below_its_path(victoria: Database, vminsert: Peer) -> None:
    url, now_ns = f"{vminsert.url}{TENANT}", time.time_ns()
    assert str(await look_at_database(settings(url, "cabin"))) == "VictoriaMetrics"
    for home in ("cabin", "flat"):
        await stored(url, home, now_ns)
    rows = victoria.read("", MEASUREMENT)
    assert {row.tags["home"]: row.fields["value"] for row in rows} == {"cabin": 21.5, "flat": 21.5}
    assert {request.path for request in vminsert.requests} == {f"{TENANT}/ping", f"{TENANT}/api/v2/write"}


async def test_doctor_leaves_its_point_where_nothing_can_be_taken_away(victoria: Database, vminsert: Peer) -> None:
    looked = (await examined(settings(f"{vminsert.url}{TENANT}", "cabin"))).looked
    assert (looked.problem, looked.withdrawn) == (None, False)
    assert looked.probe is not None
    assert looked.probe.status == 204
    assert len(victoria.read("", "homeiq_ingest_probe")) == 1


async def test_a_tenant_that_is_missing_in_the_address_is_said(vminsert: Peer) -> None:
    looked = (await examined(settings(vminsert.url, "cabin"))).looked
    assert looked.problem is not None
    assert "answers 400: unsupported path requested" in looked.problem.what
    assert looked.problem.remedy.startswith("Check influxdb.url")


async def test_victoria_metrics_has_a_path_of_its_own(victoria: Database) -> None:
    now_ns = time.time_ns()
    assert str(await look_at_database(settings(f"{victoria.url}/influx", "own"))) == "VictoriaMetrics"
    await stored(f"{victoria.url}/influx/", "own", now_ns)
    assert [row.tags["home"] for row in victoria.read("", MEASUREMENT) if row.time >= now_ns - 10**6] == ["own"]
