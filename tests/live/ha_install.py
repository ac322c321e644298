"""Installs a real Home Assistant of a given version into the lab folder.

Home Assistant pins only its direct requirements, and what they require moves on: 2024.3.3 with the josepy of a year later
answers 500 to every request. So everything is resolved as of the day after the release. The integrations' own
requirements, which `hass` would install while it runs, are read from their manifests and installed beforehand.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
from pathlib import Path
from typing import TypeGuard

import pytest
from attrs import frozen
from uv import find_uv_bin

from tests.live import pythons
from tests.live.lab import made_once


@frozen
class Release:
    """A version, the day after it came out (UTC), and the 3.x of the Pythons that it runs on."""

    version: str
    day: str
    minors: range

    def python(self) -> Path | None:
        """A Python of this machine that runs it."""
        return pythons.find(self.minors)


RELEASES = {
    release.version: release
    for release in (
        Release("2024.3.3", "2024-03-24T00:00:00Z", range(11, 13)),
        Release("2025.4.4", "2025-04-27T00:00:00Z", range(13, 14)),
        Release("2026.2.3", "2026-02-28T00:00:00Z", range(13, 15)),
        Release("2026.11.0", "2026-11-07T00:00:00Z", range(14, 15)),
    )
}

# Integrations that our configuration names, beside those that Home Assistant always loads.
CONFIGURED = {"analytics", "counter", "demo", "input_boolean", "input_number", "input_text", "kitchen_sink", "template"}
NEEDLESS = {"sentry", "debugpy"}  # dependencies after which others order themselves, never loaded by us
FRONTEND = "home-assistant-frontend"  # 150–300 MB of files for a browser; Home Assistant only needs the folder to exist


def install(release: Release) -> Path:
    """The environment's `bin` folder with `hass` in it; takes half a minute the first time.

    Raises pytest.fail.Exception when no Python here runs this release, CalledProcessError when the installation fails.
    """
    python = release.python() or pytest.fail(
        f"no Python 3.{release.minors[0]} here for Home Assistant {release.version}"
    )
    with made_once(f"homeassistant-{release.version}") as (folder, complete):
        environment = folder / "environment"
        if not complete:
            _install(release, python, environment)
    return environment / "bin"


def also(release: Release, domain: str) -> Path:
    """The same folder, with what an integration requires that our configuration does not name."""
    programs = install(release)
    with made_once(f"homeassistant-{release.version}-{domain}") as (_, complete):
        if not complete:
            manifest = json.loads(
                (_package(programs.parent) / "components" / domain / "manifest.json").read_text("utf-8")
            )
            subprocess.run([*_pip(release, programs.parent), *manifest["requirements"]], check=True)
    return programs


def checking(release: Release) -> Path:
    """The same folder, with what the script `check_config` requires."""
    programs = install(release)
    with made_once(f"homeassistant-{release.version}-check_config") as (_, complete):
        if not complete:
            script = (_package(programs.parent) / "scripts" / "check_config.py").read_text("utf-8")
            required = re.findall(r'"(colorlog==[\d.]+)"', script)
            subprocess.run([*_pip(release, programs.parent), *required], check=True)
    return programs


def _pip(release: Release, environment: Path) -> list[str | Path]:
    python = environment / "bin/python"
    return [find_uv_bin(), "pip", "install", "--quiet", "--python", python, "--exclude-newer", release.day]


def _package(environment: Path) -> Path:
    return next(environment.glob("lib/python3*/site-packages/homeassistant"))


def _install(release: Release, python: Path, environment: Path) -> None:
    subprocess.run([find_uv_bin(), "venv", "--quiet", "--clear", "--python", python, environment], check=True)
    pip = _pip(release, environment)
    core = f"homeassistant=={release.version}"
    # First the wheel alone: it carries the constraints and every manifest.
    subprocess.run([*pip, "--no-deps", core], check=True)
    package = _package(environment)
    extra = [line for line in requirements(package) if not line.startswith(FRONTEND)]
    subprocess.run([*pip, "--constraint", package / "package_constraints.txt", core, *extra], check=True)
    _imitate_frontend(package.parent / "hass_frontend")


def requirements(package: Path) -> list[str]:
    """What the manifests of all integrations that will be loaded require, dependencies followed."""
    found: set[str] = set()
    seen, waiting = set(NEEDLESS), [*_always_loaded(package), *_demo_platforms(package), *CONFIGURED]
    while waiting:
        domain = waiting.pop()
        file = package / "components" / domain / "manifest.json"
        if domain in seen or not file.exists():
            continue
        seen.add(domain)
        manifest = json.loads(file.read_text("utf-8"))
        found.update(manifest.get("requirements", []))
        waiting += manifest.get("dependencies", []) + manifest.get("after_dependencies", [])
    return sorted(found)


def _always_loaded(package: Path) -> set[str]:
    """Every name in the sets of integrations that `bootstrap.py` sets up by itself, and every base platform."""
    tree = ast.parse((package / "bootstrap.py").read_text("utf-8"))
    platforms = package / "generated" / "entity_platforms.py"
    found = set(re.findall(r'"([a-z_]+)"', platforms.read_text("utf-8"))) if platforms.exists() else set()
    for node in ast.walk(tree):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=value)
            ):
                if name.endswith("INTEGRATIONS") and value is not None:
                    found |= {leaf.value for leaf in ast.walk(value) if _is_word(leaf)}
    return found


def _is_word(node: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _demo_platforms(package: Path) -> set[str]:
    """The demo integrations bring an entity platform per module."""
    return {file.stem for name in ("demo", "kitchen_sink") for file in (package / "components" / name).glob("*.py")}


def _imitate_frontend(folder: Path) -> None:
    """Without `hass_frontend` Home Assistant enters its recovery mode; empty files are enough for it."""
    for name in ("static/icons", "static/translations", "frontend_latest", "frontend_es5"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "__init__.py").write_text(
        "from pathlib import Path\n\n\ndef where():\n    return Path(__file__).parent\n"
    )
    pages = ("index.html", "authorize.html", "onboarding.html", "robots.txt", "service_worker.js", "sw-modern.js")
    for name in (*pages, "sw-legacy.js", "static/icons/favicon.ico"):
        (folder / name).touch()
