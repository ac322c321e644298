from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ingest.edge.lock import Held, locked
from ingest.errors import Refused

HOLD = "import sys, pathlib, time\nfrom ingest.edge.lock import locked\nwith locked(pathlib.Path(sys.argv[1]), remedy=''):\n    print('held', flush=True)\n    time.sleep(60)"


def test_one_process_at_a_time_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.db"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Held, match="End it first") as caught, locked(path, remedy="End it first."):
            pass
        assert str(path) in str(caught.value)
        holder.kill()
        holder.wait(10)
    with locked(path, remedy=""):
        pass


def test_a_place_where_nothing_can_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Refused, match="cannot be made"), locked(tmp_path / "file" / "x.db", remedy=""):
        pass
