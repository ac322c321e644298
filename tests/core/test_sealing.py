"""Which of two programs compresses makes no difference to whoever reads."""

from __future__ import annotations

import gzip
import importlib
import sys
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core import sealing

LINES = [b"m,entity_id=sensor.%d value=%d %d" % (number % 7, number, number) for number in range(1_000)]


@pytest.fixture
def _without_isal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    importlib.reload(sealing)
    yield
    monkeypatch.undo()
    importlib.reload(sealing)


@pytest.mark.usefixtures("_without_isal")
def test_a_machine_without_isal_seals_with_zlib() -> None:
    payload = sealing.seal(LINES)
    assert payload == zlib.compress(b"".join(line + b"\n" for line in LINES), 1, sealing.GZIP)
    assert sealing.unsealed(payload) == tuple(LINES)
    assert sealing.whole(payload, len(LINES))


@given(st.lists(st.binary(min_size=1).map(lambda line: line.replace(b"\n", b" ")), min_size=1))
def test_what_is_sealed_is_gzip_of_the_lines_with_nothing_of_the_moment(lines: list[bytes]) -> None:
    payload = sealing.seal(lines)
    assert gzip.decompress(payload) == b"".join(line + b"\n" for line in lines)
    assert payload[4:8] == bytes(4), "the header has a time"
    assert payload == sealing.seal(lines)


def test_payloads_are_joined_into_one_that_is_whole_to_whoever_reads_its_first_member_alone() -> None:
    by_zlib = gzip.compress(b"m v=1 1\n", 1, mtime=0)
    payload = sealing.joined([by_zlib, sealing.seal([b"m v=2 2"]), sealing.seal(LINES)])
    assert sealing.unsealed(payload) == (b"m v=1 1", b"m v=2 2", *LINES)
    first = zlib.decompressobj(sealing.GZIP)
    assert first.decompress(payload).count(b"\n") == 2 + len(LINES)
    assert (first.eof, first.unused_data) == (True, b"")


@pytest.mark.usefixtures("_without_isal")
def test_payloads_are_joined_without_isal_too() -> None:
    assert sealing.unsealed(sealing.joined([sealing.seal(LINES), sealing.seal(LINES)])) == (*LINES, *LINES)


def test_a_payload_that_is_not_whole_is_not_joined() -> None:
    with pytest.raises(EOFError):
        sealing.joined([sealing.seal(LINES), sealing.seal(LINES)[:-9]])


def test_payloads_of_both_programs_are_told_apart_from_broken_ones() -> None:
    assert not sealing.whole(sealing.seal(LINES)[:-9], len(LINES))
