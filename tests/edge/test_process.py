from __future__ import annotations

from pathlib import Path

import pytest

from ingest.edge.process import Process


def test_memory_is_that_of_a_process_with_python_in_it() -> None:
    assert 5 < Process().usage().memory_mb < 4000


def test_the_processor_is_that_since_the_last_look() -> None:
    passed, used = iter([100.0, 104.0, 104.5, 114.0]), iter([1.0, 3.0, 3.1, 4.0])
    process = Process(lambda: next(passed), lambda: next(used))
    assert [process.usage().cpu_percent for _ in range(3)] == [50.0, 50.0, 10.0]


def test_where_the_system_does_not_say_the_peak_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert 5 < Process().usage().memory_mb < 4000
