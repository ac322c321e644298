"""Home Assistant's own reading of the `influxdb` block, asked in its own environment: files in, answers out, line by line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

PROGRAM = """
import json, sys
from homeassistant.helpers.entity_values import EntityValues
from homeassistant.helpers.entityfilter import INCLUDE_EXCLUDE_FILTER_SCHEMA
from homeassistant.util.yaml.loader import Secrets, load_yaml
from pathlib import Path

PARTS = ("component_config", "component_config_domain", "component_config_glob")
for line in sys.stdin:
    asked = json.loads(line)
    block = asked["block"]
    if "file" in asked:
        file = Path(asked["file"])
        block = load_yaml(str(file), Secrets(file.parent))["influxdb"] or {}
    sides = {side: block[side] for side in ("include", "exclude") if side in block}
    passes = INCLUDE_EXCLUDE_FILTER_SCHEMA(sides)
    values = EntityValues(*(block.get(part) or {} for part in PARTS))
    answer = [[passes(each), values.get(each)] for each in asked["entity_ids"]]
    print(json.dumps(answer), flush=True)
"""


@frozen
class Answer:
    """Whether an entity is written, and what `component_config` and its like say of it."""

    passed: bool
    custom: Mapping[str, Any]


@frozen
class HomeAssistantFilter:
    """A running interpreter of the installation."""

    process: subprocess.Popen[str]

    def asked(
        self, entity_ids: Sequence[str], *, file: Path | None = None, block: Mapping[str, Any] | None = None
    ) -> list[Answer]:
        """What it does with each of these entities, by a file with an `influxdb:` in it or by the block itself."""
        question = {"block": block or {}, "entity_ids": list(entity_ids), **({"file": str(file)} if file else {})}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "Home Assistant's own code refused it: see standard error"
        return [Answer(bool(passed), custom) for passed, custom in json.loads(answer)]


@contextmanager
def home_assistant_filter(folder: Path) -> Iterator[HomeAssistantFilter]:
    """Home Assistant's code in the environment whose `bin` is `folder`, as long as the block lasts."""
    command: list[str | Path] = [folder / "python", "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield HomeAssistantFilter(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)
