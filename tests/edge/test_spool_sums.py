from __future__ import annotations

from ingest.edge.spool_sums import REMEMBERED, Sums


def test_only_what_was_put_is_proved() -> None:
    sums = Sums()
    sums.remember(1, b"payload", 7)
    assert sums.proves(1, b"payload", 7)
    assert not sums.proves(1, b"pay1oad", 7)
    assert not sums.proves(1, b"payload", 8)
    assert not sums.proves(2, b"payload", 7)


def test_it_remembers_the_last_ones() -> None:
    sums = Sums()
    for number in range(REMEMBERED + 1):
        sums.remember(number, b"%d" % number, 1)
    assert not sums.proves(0, b"0", 1)
    assert sums.proves(1, b"1", 1)
    assert sums.proves(REMEMBERED, b"%d" % REMEMBERED, 1)
