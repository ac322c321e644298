from __future__ import annotations

from pathlib import Path

import pytest

from ingest.edge.embedded_progress import Mark, open_progress
from ingest.edge.sqlite import open_writer, transaction
from ingest.errors import Refused, Transient
from tests.cli.stores import a_day


def test_progress_is_kept_for_each_destination_while_a_service_writes(tmp_path: Path) -> None:
    path = a_day(tmp_path / "home.db")
    service = open_writer(path)
    with open_progress(path, "http://a org bucket") as one:
        assert one.read() is None
        one.reached((5, 1), 3)
        one.reached((-7, 1 << 62), -9)
    with open_progress(path, "http://a org bucket") as one, open_progress(path, "http://a org other") as other:
        assert one.read() == Mark((-7, 1 << 62), -9)
        assert other.read() is None
        one.connection.execute("PRAGMA busy_timeout = 0")
        with transaction(service), pytest.raises(Transient):
            one.reached((8, 8), 3)
    service.close()


def test_only_an_embedded_store_is_written_to(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not an embedded store"), open_progress(tmp_path / "new.db", "x"):
        pytest.fail("it was opened")
