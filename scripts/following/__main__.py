"""`scripts/tutorial`: whether the tutorial can be followed, word by word, in a clean clone of what is committed here."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.following.follow import PATIENCE, Failed, Follower, beside
from scripts.following.page import Unclear
from scripts.following.shown import Reader
from scripts.following.terminal import Terminal

ROOT = Path(__file__).parents[2]
PAGES = ("docs/tutorial/first-graph.md", "docs/tutorial/your-home.md")
PORTS = (8123, 8001)
"""Those of Home Assistant and of the service, which the pages name."""

FREE = 60.0
"""Seconds that a port may still be somebody else's."""

LET_THROUGH = frozenset({"PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHON"})
FAMILIES = ("PIP_", "SSL_", "PYENV_", "http_", "https_", "HTTP_", "HTTPS_", "no_", "NO_")
"""The variables that a reader has: those with which pip finds its index, and none that configures the service."""

PIPS = (".config/pip/pip.conf", ".pip/pip.conf")
"""Where pip's configuration is in a home folder: it may say which index there is."""

COMMAND = ".venv-demo/bin/homeiq-ingest"
SIMULATED = ("…", "Home Assistant (simulated)  http://127.0.0.1:8123", "access token                ‹token›")
ENTITY = "sensor.living_room_temperature"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when everything came as the pages show it, 1 when something did not, 2 when nothing could begin."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended then, too
    begun = time.monotonic()
    try:
        with TemporaryDirectory(prefix="homeiq-tutorial-") as name:
            _follow(asked, Path(name), begun)
    except (Failed, Unclear) as problem:
        print(problem, file=sys.stderr)
        return 1
    except (OSError, subprocess.SubprocessError) as problem:
        print(f"tutorial: {problem}", file=sys.stderr)
        return 2
    print(f"Everything came as it is shown: {len(asked.pages)} pages in {time.monotonic() - begun:.0f} s.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/tutorial", description="Follow the tutorial in a clean clone.")
    parser.add_argument(
        "pages", nargs="*", default=PAGES, metavar="PAGE", help="else all of the tutorial, in its order"
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="the token of the Home Assistant at port 8123 that is the reader's; else there is a simulated one",
    )
    parser.add_argument("--entity", default=ENTITY, help="one of that Home Assistant's (%(default)s)")
    return parser


def _follow(asked: argparse.Namespace, folder: Path, begun: float) -> None:
    def say(what: str) -> None:
        print(f"{time.monotonic() - begun:4.0f} s  {what}", flush=True)

    home, clone = folder / "home", folder / "homeiq-ingest"
    home.mkdir(mode=0o700)
    # `file://` copies what the commits say and nothing else: no links into this checkout.
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", clone], check=True, timeout=FREE)
    opened = partial(Terminal, clone, environment(os.environ, home))
    for name in asked.pages:
        text = (clone / name).read_text(encoding="utf-8")
        real = "‹token›" in text and COMMAND + " simulate" not in text
        _wait_for_ports(PORTS[1:] if real and asked.token_file else PORTS)
        with _house(asked, opened, home) if real else _nobody(home) as reader:
            Follower(name, opened, reader, say).follow(text)


def environment(given: Mapping[str, str], home: Path) -> dict[str, str]:
    """What a reader's shell has, whose home is that folder."""
    kept = {name: value for name, value in given.items() if name in LET_THROUGH or name.startswith(FAMILIES)}
    # A reader has no such command yet; what an environment of the tests has would be named in answers.
    folders = kept.get("PATH", os.defpath).split(os.pathsep)
    kept["PATH"] = os.pathsep.join(each for each in folders if not (Path(each) / Path(COMMAND).name).exists())
    index = next((path for place in PIPS if (path := Path.home() / place).exists()), None)
    if index is not None:
        kept.setdefault("PIP_CONFIG_FILE", str(index))
    return {"LANG": "C.UTF-8", **kept, "HOME": str(home), "USER": "me"}


def _wait_for_ports(ports: Sequence[int]) -> None:
    """Raises `OSError` when one of them stays somebody else's."""
    for port in ports:
        end = time.monotonic() + FREE
        while not _is_free(port):
            if time.monotonic() > end:
                raise OSError(f"something listens on port {port}, which the tutorial uses: end it first")
            time.sleep(1)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def _nobody(home: Path) -> Iterator[Reader]:
    yield Reader(str(home))


@contextmanager
def _house(asked: argparse.Namespace, opened: partial[Terminal], home: Path) -> Iterator[Reader]:
    """A reader who has tried the demo, and has a Home Assistant: the one that was given, or a simulated one."""
    clone, variables = opened.args
    made = [clone / "scripts/environment", ".venv-demo", ".ci/requirements.txt"]
    subprocess.run(made, cwd=clone, env=variables, check=True, timeout=PATIENCE)
    reader = Reader(str(home), {"‹entity›": asked.entity})
    if asked.token_file:
        yield reader.knowing({"‹token›": asked.token_file.read_text(encoding="utf-8").strip()})
        return
    with beside(opened(), f"{COMMAND} simulate", SIMULATED, reader) as knowing:
        yield knowing


if __name__ == "__main__":
    sys.exit(main())
