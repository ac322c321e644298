"""A real Home Assistant under test: started, restarted, stopped, killed."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from pathlib import Path

import httpx
from attrs import define, field

from tests.live import ha_home
from tests.live.ha_client import Client
from tests.live.ha_install import Release, install
from tests.live.lab import end, free_port, launch, tail, wait_for

RESTART = 100  # the exit code with which `hass` asks to be started again


@define
class HomeAssistant:
    """One server on loopback with its own configuration folder. `tokens` by user: admin, user, readonly."""

    release: Release
    config: Path
    tokens: dict[str, str] = field(repr=False)
    port: int = field(factory=free_port)
    _wanted: bool = field(default=False, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _keeper: threading.Thread | None = field(default=None, init=False)

    @classmethod
    def fresh(cls, release: Release, config: Path) -> HomeAssistant:
        """A new home in the folder `config`, which does not exist yet; not started."""
        return cls(release, config, ha_home.write(config))

    @property
    def admin(self) -> Client:
        return Client(f"http://127.0.0.1:{self.port}", self.tokens["admin"])

    @property
    def log(self) -> Path:
        return self.config / "hass.out"

    def start(self) -> None:
        """Start it and wait until it is RUNNING; raises TimeoutError or RuntimeError with the end of its log."""
        hass = install(self.release) / "hass"
        self._wanted = True
        self._keeper = threading.Thread(target=self._keep, args=[hass], daemon=True)
        self._keeper.start()
        self._wait_running()

    def _keep(self, hass: Path) -> None:
        """What a supervisor does: start it again each time it asks for that, until somebody stops it."""
        command: list[str | Path] = [hass, "--config", self.config, "--log-no-color", "--skip-pip"]
        env = {"HOME_PORT": str(self.port), "PATH": f"{hass.parent}:/usr/bin:/bin"}
        code = RESTART
        while code == RESTART and self._wanted:
            self._process = launch(command, self.log, env)
            code = self._process.wait()

    def _wait_running(self) -> None:
        try:
            wait_for(self._is_running, f"Home Assistant {self.release.version} RUNNING")
        except TimeoutError as late:
            late.add_note(tail(self.log))
            raise

    def _is_running(self) -> bool:
        if self._keeper is None or not self._keeper.is_alive():
            raise RuntimeError(f"Home Assistant ended:\n{tail(self.log)}")
        try:
            answer = self.admin.request("GET", "config")
        except httpx.HTTPError:
            return False
        if answer.get("recovery_mode") or answer.get("safe_mode"):
            raise RuntimeError(f"Home Assistant came up in recovery mode:\n{tail(self.log)}")
        return bool(answer.get("state") == "RUNNING")

    def restart(self) -> None:
        """Ask it to restart itself; return when the new process is RUNNING."""
        before = self._process
        with contextlib.suppress(httpx.HTTPError):  # it may be gone before it has answered
            self.admin.call("homeassistant", "restart")
        wait_for(lambda: self._process is not before, "a new Home Assistant process")
        self._wait_running()

    def stop(self, ask: signal.Signals = signal.SIGTERM) -> None:
        """End it (SIGKILL: as a power cut does) and leave it ended until `start`."""
        self._wanted = False
        if self._process is not None:
            end(self._process, ask)
        if self._keeper is not None:
            self._keeper.join()

    def furnish(self) -> None:
        """Give things a place: the outdoor thermometer and hygrometer are devices in the garden, but the hygrometer's
        entity says it is in the office, and an entity's own area wins.
        """
        areas = ({"type": "config/area_registry/create", "name": name} for name in ("Garden", "Büro 東京"))
        garden, office = (area["area_id"] for area in self.admin.commands(*areas))
        entries = self.admin.registry()
        devices = (entries[f"sensor.outside_{what}"]["device_id"] for what in ("temperature", "humidity"))
        self.admin.commands(
            *({"type": "config/device_registry/update", "device_id": one, "area_id": garden} for one in devices),
            {"type": "config/entity_registry/update", "entity_id": "sensor.outside_humidity", "area_id": office},
        )
