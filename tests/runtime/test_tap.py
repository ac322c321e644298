from __future__ import annotations

from collections.abc import Sequence

from ingest.runtime.tap import Tap


def test_who_looks_on_is_told_and_who_left_is_not() -> None:
    failed: list[Exception] = []
    tap, seen, other = Tap[Sequence[int]](failed.append), list[Sequence[int]](), list[Sequence[int]]()
    tap.tell([0])
    assert not tap
    with tap.heard(seen.append):
        assert tap
        tap.tell([1, 2])
        tap.add(other.append)
        tap.tell([3])
    tap.tell([4])
    tap.remove(other.append)
    tap.tell([5])
    assert (seen, other, failed) == ([[1, 2], [3]], [[3], [4]], [])


def test_who_breaks_is_left_out_and_the_others_go_on() -> None:
    failed: list[Exception] = []
    tap, seen = Tap[Sequence[int]](failed.append), list[Sequence[int]]()

    def broken(values: Sequence[int]) -> None:
        raise ZeroDivisionError(values[0])

    tap.add(broken)
    tap.add(seen.append)
    tap.tell([1])
    tap.tell([2])
    assert seen == [[1], [2]]
    assert [str(each) for each in failed] == ["1"]
