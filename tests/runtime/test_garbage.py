from __future__ import annotations

import gc
import sys
import weakref

import pytest

from ingest.runtime.garbage import YOUNG, letting_go, look_now


@pytest.mark.usefixtures("looking_seldom")
def test_what_the_imports_made_is_looked_at_no_more_and_the_rest_seldom() -> None:
    assert gc.get_threshold()[0] == YOUNG
    assert gc.get_freeze_count() > 0
    assert gc.isenabled()


class Cycle:
    """One that nobody has, once its last name is gone."""

    def __init__(self) -> None:
        self.myself = self


def left_behind() -> weakref.ref[Cycle]:
    return weakref.ref(Cycle())


@pytest.mark.usefixtures("looking_seldom")
def test_it_is_looked_at_once_when_that_is_asked_for() -> None:
    cycle = left_behind()
    assert cycle() is not None
    look_now()
    assert cycle() is None


def test_where_python_looks_often_it_is_left_to_it() -> None:
    gc.disable()
    try:
        cycle = left_behind()
        look_now()
        assert cycle() is not None
    finally:
        gc.enable()


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
