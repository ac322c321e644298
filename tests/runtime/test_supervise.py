from __future__ import annotations

import pytest
import trio

from ingest.errors import Refused, Transient
from ingest.runtime.supervise import one_error


async def test_an_error_alone_passes_as_it_is() -> None:
    with pytest.raises(LookupError, match="alone"), one_error():
        raise LookupError("alone")


async def test_nothing_wrong_is_nothing() -> None:
    with one_error(Transient):
        await trio.lowlevel.checkpoint()


async def test_the_first_leaf_of_nested_groups_comes_out() -> None:
    first = ValueError("first")
    with pytest.raises(ValueError, match="first") as caught, one_error():
        raise ExceptionGroup("", [ExceptionGroup("", [first, OSError()]), KeyError()])
    assert caught.value is first


async def test_a_bug_does_not_hide_behind_what_is_expected() -> None:
    with pytest.raises(ZeroDivisionError), one_error(Transient, Refused):
        raise ExceptionGroup("", [Transient("daily"), Refused("business"), ZeroDivisionError()])


async def _together(*errors: Exception) -> None:
    """End with these errors and with the cancellation that comes from outside, in one group."""

    async def fail(error: Exception) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise error

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        for error in errors:
            nursery.start_soon(fail, error)


async def test_a_cancellation_stays_a_cancellation() -> None:
    with trio.move_on_after(0) as scope, one_error():
        await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_what_is_expected_beside_a_cancellation_is_not_worth_a_word() -> None:
    with trio.move_on_after(0) as scope, one_error(Transient):
        await _together(Transient("the socket closed because we left"))
    assert scope.cancelled_caught


async def test_a_bug_beside_a_cancellation_is_not_lost() -> None:
    bug = ZeroDivisionError("bug")
    with pytest.raises(ZeroDivisionError) as caught, one_error(), trio.move_on_after(0), one_error(Transient):
        await _together(Transient("daily business"), bug)
    assert caught.value is bug


async def test_a_person_at_the_terminal_is_heard_as_such() -> None:
    with pytest.raises(KeyboardInterrupt), one_error():
        raise BaseExceptionGroup("", [KeyboardInterrupt(), ValueError()])


async def test_leaving_the_process_is_never_unwrapped() -> None:
    with pytest.raises(BaseExceptionGroup) as caught, one_error():
        raise BaseExceptionGroup("", [SystemExit()])
    assert caught.group_contains(SystemExit)
