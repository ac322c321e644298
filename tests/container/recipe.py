"""The recipe of the container and its compose files, read as Docker and Compose read them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "scripts" / "container"
CONTAINERFILE = FOLDER / "Containerfile"
SERVICE = {"compose.yaml": "homeiq-ingest", "homeiq.compose.yaml": "websocket-ingestion"}
"""What our service is called in each file that runs it."""


class Loader(yaml.SafeLoader):
    """Knows the two tags of Compose's own, which say how a file stands to the one before it."""


def _plain(loader: Loader, node: yaml.Node) -> object:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return None


for tag in ("!reset", "!override"):
    Loader.add_constructor(tag, _plain)


def compose(name: str) -> dict[str, Any]:
    """A compose file."""
    found: dict[str, Any] = yaml.load((FOLDER / name).read_text("utf-8"), Loader)  # its base is the safe one
    return found


def ours(name: str) -> dict[str, Any]:
    """Our service in it."""
    found: dict[str, Any] = compose(name)["services"][SERVICE[name]]
    return found


def instructions() -> list[tuple[str, str]]:
    """What the recipe says, one instruction each, its lines joined."""
    text = re.sub(r"^\s*#.*\n", "", CONTAINERFILE.read_text("utf-8"), flags=re.MULTILINE)
    return [
        (word, rest)
        for word, _, rest in (line.partition(" ") for line in text.replace("\\\n", " ").splitlines() if line)
    ]


def said(word: str) -> list[str]:
    """What follows each instruction of a kind."""
    return [rest.strip() for each, rest in instructions() if each == word]


def variables() -> Mapping[str, str]:
    """What the image sets in the environment."""
    return dict(pair.split("=", 1) for line in said("ENV") for pair in line.split())


def health_check() -> list[str]:
    """The command that the image is looked at with."""
    (line,) = said("HEALTHCHECK")
    command: list[str] = json.loads(line.partition("CMD ")[2])
    return command


def copied() -> Iterator[str]:
    """What the recipe takes from the repository."""
    for line in said("COPY"):
        if not line.startswith("--from"):
            yield from line.split()[:-1]


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
