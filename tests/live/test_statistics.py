"""Long-term statistics of a real Home Assistant into a real InfluxDB engine: every hour is there, once, as it was told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import trio
from click.testing import CliRunner

from ingest.cli.main import main
from ingest.core.statistics import COMMAND, LIST, MEASUREMENT, TYPES
from tests.live.homeassistant import HomeAssistant
from tests.live.servers import Database
from tests.live.test_history import Heard, connection

pytestmark = pytest.mark.live

BROUGHT = "kitchen_sink:"
"""The demo integration brings statistics of the last days with it."""


async def told(home: HomeAssistant, since: datetime) -> dict[tuple[str, int], dict[str, float]]:
    """Every hour, asked for in one question, by its statistic and its time in nanoseconds."""
    async with connection(home, Heard()) as opened:
        names = [each["statistic_id"] for each in msgspec.json.decode(await opened.ask(LIST))]
        asked = {"start_time": since.isoformat(), "statistic_ids": names, "period": "hour"}
        answer = msgspec.json.decode(await opened.ask(COMMAND, **asked))
    return {
        (key, row["start"] * 1_000_000): {name: row[name] for name in TYPES if row.get(name) is not None}
        for key, rows in answer.items()
        for row in rows
    }


def test_every_hour_is_stored_once(home_assistant: HomeAssistant, influxdb: Database, tmp_path: Path) -> None:
    bucket = f"statistics_{home_assistant.release.version}"
    influxdb.create_bucket(bucket)
    for name, token in (("home-token", home_assistant.tokens["admin"]), ("database-token", influxdb.token)):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(token)
    (tmp_path / "config.toml").write_text(
        f'[home_assistant]\nurl = "http://127.0.0.1:{home_assistant.port}"\ntoken_file = "home-token"\n'
        f'[influxdb]\nurl = "{influxdb.url}"\ntoken_file = "database-token"\norg = "{influxdb.org}"\nbucket = "{bucket}"\n'
    )
    command = ["statistics", "--since", "60d", "--config", str(tmp_path / "config.toml")]
    for _ in range(2):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
    stored = influxdb.read(bucket, MEASUREMENT)
    found = {
        (row.tags["statistic_id"], row.time): {name: row.fields[name] for name in TYPES if name in row.fields}
        for row in stored
    }
    assert len(found) == len(stored)
    assert found == trio.run(told, home_assistant, datetime.now(UTC) - timedelta(days=60))
    brought = [row for row in stored if row.tags["statistic_id"].startswith(BROUGHT)]
    assert len(brought) > 24
    assert {row.tags["source"] for row in brought} == {"kitchen_sink"}
    assert not any("registry_id" in row.tags for row in brought)
