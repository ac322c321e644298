"""The API on an address that others reach: whoever has no token learns nothing but whether the service is well."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.faults.service import Place, Service, place
from tests.faults.sink import wait_for
from tests.support.marked import secret

pytestmark = pytest.mark.slow

OPEN = {"/health", "/ready"}
TOKEN = secret("api")

# A network of its own: whoever comes from another one reaches it at this address.
OURS = 'ip link set lo up; exec "$@"'
STRANGER = """
unshare -n sleep 60 & there=$!; trap 'kill $there' EXIT
while [ "$(readlink /proc/$there/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
ip link add near type veth peer name far netns $there
ip addr add 192.0.2.1/30 dev near; ip link set near up
nsenter -t $there -n sh -ec 'ip addr add 192.0.2.2/30 dev far; ip link set far up; exec "$@"' sh "$@"
"""

Ask: TypeAlias = Callable[[Service], dict[str, Any]]


def own_address() -> str | None:
    """An address of this machine by which others reach it; nothing is sent to find it."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.77", 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if address.startswith("127.") else address


def may_unshare() -> bool:
    script = "ip link set lo up; unshare -n true; ip link add near type veth peer name far"
    try:
        return not subprocess.run(["unshare", "-rn", "sh", "-ec", script], capture_output=True, check=False).returncode
    except OSError:
        return False


def written(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")
    return path


def guarded(folder: Path, *changes: str) -> Place:
    """A service of which nothing but the API matters: its Home Assistant is away."""
    made = place(folder, "http://127.0.0.1:9", "http://127.0.0.1:9")
    written(folder / "api-token", TOKEN)
    made.program = ("-m", "tests.faults.routes_told", str(folder / "routes"))
    made.changes = ("api.host=0.0.0.0", "api.port=0", "log.level=debug", *changes)
    return made


def asking(folder: Path, where: str, *before: str) -> dict[str, Any]:
    wait_for((folder / "routes").exists)
    call = [sys.executable, "-m", "tests.faults.stranger", where, str(folder / "routes"), str(folder / "api-token")]
    done = subprocess.run(
        [*before, *call], capture_output=True, text=True, check=False, timeout=120, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def port_of(service: Service) -> str:
    return str(service.wait("Listening")["where"]).rpartition(":")[2]


@pytest.fixture(params=["its own address", "another network"])
def stranger(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Place, Ask]:
    made = guarded(tmp_path, f"api.token_file={tmp_path / 'api-token'}")
    if request.param == "another network":
        if not may_unshare():
            pytest.skip("no network namespaces here")
        made.inside = ("unshare", "-rn", "sh", "-ec", OURS, "sh")

        def ask(service: Service) -> dict[str, Any]:
            inside = ("nsenter", "-t", str(service.process.pid), "-U", "--preserve-credentials", "-n")
            return asking(tmp_path, f"http://192.0.2.1:{port_of(service)}", *inside, "sh", "-ec", STRANGER, "sh")

    else:
        address = own_address()
        if address is None:
            pytest.skip("this machine has no address but loopback")

        def ask(service: Service) -> dict[str, Any]:
            return asking(tmp_path, f"http://{address}:{port_of(service)}")

    return made, ask


def test_without_the_token_nothing_is_answered_but_whether_it_is_well(stranger: tuple[Place, Ask]) -> None:
    made, ask = stranger
    with made.service() as service:
        told = ask(service)
        service.stop()
    routes = told["welcome"].keys()
    assert {"/", "/metrics", "/health/detailed", *OPEN} <= routes
    assert not {status for path, status in told["welcome"].items() if path not in OPEN} & {401, 403}
    assert told["welcome"]["/metrics"] == 200
    assert told["asked"] > 500
    refused = [each for each in told["answered"] if each[2] not in OPEN]
    assert refused == []
    opened = [each for each in told["answered"] if each[2] in OPEN]
    assert {(path, status) for _, method, path, status in opened if method == "GET"} >= {
        ("/health", 200),
        ("/ready", 503),
    }
    assert {status for _, method, _, status in opened if method not in {"GET", "HEAD"}} <= {403, 405}
    assert not [each for each in told["answered"] if each[3] == 101]


def test_with_neither_token_nor_network_it_is_on_loopback_and_says_why(tmp_path: Path) -> None:
    with guarded(tmp_path).service() as service:
        where = service.wait("Listening")["where"]
        assert where.startswith("http://127.0.0.1:")
        said = [each["sentence"] for each in service.reports("Notice")]
        assert any("none of api.token, api.trusted_networks" in each and "127.0.0.1 only" in each for each in said)
        if address := own_address():
            with pytest.raises(ConnectionError), socket.create_connection((address, int(port_of(service))), 5):
                pass
        service.stop()


def test_a_trusted_network_is_said_and_others_are_refused(tmp_path: Path) -> None:
    with guarded(tmp_path, 'api.trusted_networks=["203.0.113.0/24"]').service() as service:
        service.wait("Listening")
        said = [each["sentence"] for each in service.reports("Notice")]
        assert any("203.0.113.0/24" in each and "needs no token" in each for each in said)
        told = asking(tmp_path, f"http://127.0.0.1:{port_of(service)}")
        assert [each for each in told["answered"] if each[2] not in OPEN] == []
        assert {status for path, status in told["welcome"].items() if path not in OPEN} == {401}
        service.stop()
