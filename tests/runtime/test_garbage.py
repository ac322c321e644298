from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from ingest.runtime.garbage import YOUNG, look_seldom


@pytest.fixture
def as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("as_it_was")
def test_what_the_imports_made_is_looked_at_no_more_and_the_rest_seldom() -> None:
    look_seldom()
    assert gc.get_threshold()[0] == YOUNG
    assert gc.get_freeze_count() > 0
    assert gc.isenabled()
