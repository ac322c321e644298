from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

from ingest.runtime.garbage import YOUNG, letting_go, look_seldom


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


def library(given: bytes) -> float:
    """One that keeps an error in a variable."""
    try:
        return 1 / given.count(b"x")
    except ZeroDivisionError as error:
        kept = error
    raise KeyError from kept


def test_an_error_that_a_library_keeps_holds_nothing_of_what_was_called() -> None:
    def attempt(given: bytes) -> None:
        with pytest.raises(KeyError), letting_go():
            library(given)

    payload = bytes(1000)
    gc.collect()
    before = sys.getrefcount(payload)
    gc.disable()
    try:
        attempt(payload)
        assert sys.getrefcount(payload) == before
    finally:
        gc.enable()
