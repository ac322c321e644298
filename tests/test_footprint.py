"""What a service takes along: nothing that it does not use. Modules are counted, for time is not the same twice."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from ingest.edge.allocator import give_back
from ingest.runtime.supervise import one_error
from ingest.runtime.uninstalled import uninstalled
from scripts.benchmark.footprint import Held, Idle, Started, Written
from scripts.benchmark.kernel import counts
from scripts.benchmark.report import MIB
from scripts.benchmark.runs import embedded, stage
from scripts.benchmark.service import LOG, SECRETS, running, service
from scripts.benchmark.tables.footprint import Footprint, disk, judged, starts

IMPORTED = re.compile(r"^import time:[ \d]+\|[ \d]+\| +([\w.]+)$", re.MULTILINE)

ONLY_ELSEWHERE = {
    "anyio", "httpx", "hypercorn", "influxdb_client", "prometheus_client", "pygments", "reactivex", "rich",
    "schemathesis", "starlette", "urllib3", "yaml",
}  # fmt: skip
"""What a service with the embedded store and without the API has no use for."""


async def test_a_service_without_api_and_database_imports_neither() -> None:
    async with stage(10) as scene:
        store = await embedded(scene)
        command = service(scene.port, scene.folder, {**store.settings, "api.enabled": "false"})
        watched = [command[0], "-X", "importtime", *command[1:]]
        with one_error():
            async with running(watched, scene.folder, **SECRETS):
                await scene.peer.subscribed()
                while not (scene.folder / "home.db").exists() or store.snapshot() < scene.peer.states:  # noqa: ASYNC110  a file has no event
                    await trio.sleep(0.05)
                said = (scene.folder / LOG).read_text(encoding="utf-8")
    # A package that is sought and not found is named, too; none of its modules is.
    found = {name.partition(".")[0] for name in IMPORTED.findall(said) if "." in name}
    assert {"ingest", "trio", "structlog"} <= found
    assert sorted(found & ONLY_ELSEWHERE) == []


@pytest.mark.parametrize(("words", "most"), [(["--help"], 130), (["status", "--help"], 290)])
def test_a_command_imports_what_it_needs_and_no_more(words: list[str], most: int) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "ingest", *words]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found = IMPORTED.findall(said)
    assert "click" in found
    assert "trio" not in found
    assert len(found) <= most, sorted(found)


def test_what_is_absent_is_back_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with uninstalled("colorsys", "json"):
        import json  # noqa: PLC0415  it is loaded already, so it is there

        assert json.dumps(1) == "1"
        with pytest.raises(ModuleNotFoundError):
            import colorsys  # noqa: PLC0415
    import colorsys  # noqa: PLC0415

    assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)


def test_giving_memory_back_never_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    give_back()
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    give_back()


def test_every_figure_stands_beside_its_bound() -> None:
    found = Footprint(
        Held(97 * MIB, 90 * MIB, 80.0), Held(60 * MIB, 60 * MIB, 70.0), (Started(1.5, 1.7, 0.6, 0.1),),
        Idle(0.03, 30.0), {(1, 5): Written(8700.0, MIB, 3600.0), (60, 5): Written(990.0, MIB, None)},
    )  # fmt: skip
    assert [each.holds for each in judged(found.values)] == [False, *[True] * 6]
    assert "30 times a minute" in starts(found)
    assert list(disk(found.written).columns[3].cells) == ["3,600", "no strace"]


def test_the_kernel_has_counted_this_process() -> None:
    here = counts(int(Path("/proc/self").readlink().name))
    assert min(here.wakes, here.waited, here.written) >= 0
