from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from ingest.runtime import signals
from ingest.runtime.signals import ENDING, has_terminal, interrupted, on_reload, on_stop, uninterrupted

PROGRAM = """
import trio
from ingest.runtime.signals import on_stop

async def main():
    second = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(on_stop, lambda: print("first", flush=True), second.set)
        await trio.testing.wait_all_tasks_blocked()
        print("ready", flush=True)
        with trio.fail_after(20):
            await second.wait()
    print("second", flush=True)

import trio.testing
trio.run(main)
"""


def test_a_process_is_asked_by_the_first_signal_and_told_by_the_second() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for expected, kind in (("ready", signal.SIGTERM), ("first", signal.SIGINT)):
            assert process.stdout.readline().strip() == expected
            process.send_signal(kind)
        assert process.stdout.readline().strip() == "second"
        assert process.wait(10) == 0


@pytest.mark.parametrize("asked", [(signal.SIGTERM, signal.SIGINT), (signal.SIGINT, signal.SIGINT)])
async def test_each_signal_does_its_own(asked: tuple[signal.Signals, signal.Signals]) -> None:
    happened: list[str] = []
    before = signal.getsignal(signal.SIGTERM)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(on_stop, lambda: happened.append("first"), lambda: happened.append("second"))
        for count, kind in enumerate(asked, start=1):
            await wait_all_tasks_blocked()
            signal.raise_signal(kind)
            await wait_all_tasks_blocked()
            assert len(happened) == count
    assert happened == ["first", "second"]
    assert signal.getsignal(signal.SIGTERM) is before


HANGING = """
import time
from ingest.runtime.signals import at_the_latest

with at_the_latest(0.5, lambda: print("it hangs", flush=True), 7) as begin:
    begin()
    time.sleep(60)
"""

IN_TIME = """
import time
from ingest.runtime.signals import at_the_latest

with at_the_latest(0.3, lambda: print("it hangs", flush=True), 7) as begin:
    begin()
time.sleep(0.6)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("program", "said", "code"), [(HANGING, "it hangs\n", 7), (IN_TIME, "", 0)])
def test_the_last_resort_is_for_what_hangs(program: str, said: str, code: int) -> None:
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=False)
    assert (done.stdout, done.returncode) == (said, code)


async def test_each_hang_up_has_it_read_again_unless_the_terminal_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    happened: list[str] = []

    async def again() -> None:
        await trio.lowlevel.checkpoint()
        happened.append("again")

    for there in (False, True):
        terminal = tmp_path / "terminal"
        monkeypatch.setattr(signals, "TERMINAL", str(terminal))
        if there:
            terminal.touch()
        assert has_terminal() is there
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on_reload, again, lambda: happened.append("left"))
            for _ in range(2):
                await wait_all_tasks_blocked()
                signal.raise_signal(signal.SIGHUP)
                await wait_all_tasks_blocked()
            terminal.unlink(missing_ok=True)
            signal.raise_signal(signal.SIGHUP)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    assert happened == ["again", "again", "again", "again", "again", "left"]


@pytest.mark.parametrize("number", ENDING)
def test_what_ends_a_command_can_be_caught_and_be_put_off(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # who runs the tests may ignore it
    try:
        with pytest.raises(KeyboardInterrupt), interrupted():
            signal.raise_signal(number)
        with uninterrupted():
            signal.raise_signal(number)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_what_is_ignored_already_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupted():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
