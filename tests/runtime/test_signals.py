from __future__ import annotations

import signal
import subprocess
import sys

import pytest

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


@pytest.mark.parametrize(
    "asked", [(signal.SIGTERM, signal.SIGINT), (signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGTERM)]
)
def test_the_first_signal_asks_and_the_second_insists(asked: tuple[signal.Signals, ...]) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for expected, kind in zip(("ready", "first"), asked, strict=True):
            assert process.stdout.readline().strip() == expected
            process.send_signal(kind)
        assert process.stdout.readline().strip() == "second"
        assert process.wait(10) == 0
