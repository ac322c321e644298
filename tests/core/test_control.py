from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core import control
from ingest.core.control import Failure, Progress, Request, answer, failure, line, read_answer, read_as, read_request
from ingest.errors import IngestError, Refused, Transient

MESSAGES: tuple[attrs.AttrsInstance, ...] = (
    control.Purge(),
    control.Purged(3),
    control.Replay(),
    control.Replayed("http://db", 1, 2, 3, Failure("no", "there", "do", passing=True)),
    control.Retry((1, 2)),
    control.Retried(1, 2),
    control.Recover("/a/file"),
    control.Recovered(1, 2, 3, 4, 5),
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_arguments_and_results_arrive_as_they_were(message: attrs.AttrsInstance) -> None:
    asked = read_request(line(Request("any", attrs.asdict(message))))
    assert read_as(asked.arguments, type(message)) == message
    done = read_answer(answer("done", message)).done
    assert done is not None
    assert read_as(done, type(message)) == message


@pytest.mark.parametrize("error", [Transient("a", where="b", remedy="c"), Refused("a", where="b", remedy="c")])
def test_an_error_arrives_as_it_was(error: IngestError) -> None:
    found = read_answer(answer("error", failure(error))).error
    assert found is not None
    assert (type(found.error()), str(found.error())) == (type(error), str(error))


def test_a_newer_side_may_say_more() -> None:
    assert read_request(b'{"command": "purge", "urgent": true}') == Request("purge")
    assert read_answer(b'{"progress": {"done": 1, "left": 2}}').progress == Progress(1)
    assert read_as({"moved": 1, "stay": 2, "odd": 3}, control.Retried) == control.Retried(1, 2)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"1", b'{"command": 1}', b"\xff", b"[" * 100_000, b"{}", b'{"command": "\\ud800"}']
)
def test_what_is_no_request_is_refused(text: bytes) -> None:
    with pytest.raises(Refused, match="cannot be understood"):
        read_request(text)


def test_another_version_is_refused_by_name() -> None:
    with pytest.raises(Refused, match=r"version 2, this service 1.*Restart"):
        read_request(line(Request("purge", {}, 2)))


@pytest.mark.parametrize("arguments", [{}, {"file": 3}, {"file": None}])
def test_wrong_arguments_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="Recover cannot be understood"):
        read_as(arguments, control.Recover)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30, 0, -1])
def test_a_number_that_no_file_holds_is_no_id(number: int) -> None:
    with pytest.raises(Refused, match="Retry cannot be understood"):
        read_as(read_request(line(Request("retry", {"ids": [1, number]}))).arguments, control.Retry)


def test_what_no_file_is_called_is_no_path() -> None:
    with pytest.raises(Refused, match="Recover cannot be understood"):
        read_as({"file": "/a\0b"}, control.Recover)


@given(st.text(), st.integers(), st.text())
def test_a_line_is_one_line(command: str, number: int, said: str) -> None:
    for text in (line(Request(command, {"n": str(number)})), answer("progress", Progress(1, 2, said))):
        assert text.index(b"\n") == len(text) - 1
