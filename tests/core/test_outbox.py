from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core import outbox
from ingest.core.outbox import Acknowledged, Chunk, Packer
from ingest.core.publishing import Entry, Kind


def entry(number: int, text: str = "x") -> Entry:
    return Entry(f"light.{number}", json.dumps({"entity_id": f"light.{number}", "name": text}).encode(), hash(text))


def packed(entries: list[Entry], kind: Kind = Kind.ENTITIES) -> list[Chunk]:
    packer = Packer(kind)
    return [*packer.add(entries), *packer.rest()]


@given(st.lists(st.text(), max_size=30), st.data())
def test_a_chunks_body_and_that_of_its_parts_is_what_was_put_into_it(texts: list[str], data: st.DataObject) -> None:
    entries = [entry(number, text) for number, text in enumerate(texts)]
    chunks = packed(entries)
    while any(len(each) > 1 for each in chunks):
        whole = next(each for each in chunks if len(each) > 1)
        assert [json.loads(each.json) for each in entries] == [
            part for each in chunks for part in json.loads(each.body())
        ]
        at = chunks.index(whole)
        chunks[at : at + 1] = whole.halves()
        if data.draw(st.booleans()):
            break
    assert [json.loads(each.json) for each in entries] == [part for each in chunks for part in json.loads(each.body())]
    assert [each.id for each in entries] == [stub.id for each in chunks for stub in each.stubs]


def test_a_chunk_is_full_at_a_thousand_entries_whatever_parts_they_came_in() -> None:
    entries = [entry(number) for number in range(2500)]
    assert [len(each) for each in packed(entries)] == [1000, 1000, 500]
    packer = Packer(Kind.ENTITIES)
    made = [chunk for start in range(0, 2500, 300) for chunk in packer.add(entries[start : start + 300])]
    assert [len(each) for each in [*made, *packer.rest()]] == [1000, 1000, 500]
    assert packed([]) == []


def test_a_chunk_is_full_at_a_mebibyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "HEAVY", 100)
    assert [len(each) for each in packed([entry(number, "x" * 60) for number in range(5)])] == [2, 2, 1]


def test_services_are_one_object() -> None:
    (chunk,) = packed([Entry("light", b'"light":{}', 1), Entry("switch", b'"switch":{"a":1}', 2)], Kind.SERVICES)
    assert json.loads(chunk.body()) == {"light": {}, "switch": {"a": 1}}
    first, second = chunk.halves()
    assert (json.loads(first.body()), json.loads(second.body())) == ({"light": {}}, {"switch": {"a": 1}})


def test_a_chunk_is_small_while_it_waits() -> None:
    (chunk,) = packed([entry(number, "a name like those of many others") for number in range(1000)])
    assert len(chunk.packed) < len(chunk.body()) / 5


def test_a_failure_is_counted_from_the_first_on() -> None:
    (chunk,) = packed([entry(1), entry(2)])
    failed = chunk.failed(0).failed(9)
    assert (failed.failures, failed.since) == (2, 0)
    assert [(each.failures, each.since) for each in failed.halves()] == [(0, 0), (0, 0)]


def test_what_was_told_is_no_news_until_it_changes_or_comes_back() -> None:
    told, entries = Acknowledged(), [entry(1), entry(2)]
    assert list(told.news(Kind.ENTITIES, entries)) == entries
    (chunk,) = packed(entries)
    told.add(chunk)
    assert list(told.news(Kind.ENTITIES, entries)) == []
    assert list(told.news(Kind.DEVICES, entries)) == entries
    assert list(told.news(Kind.ENTITIES, [entry(1, "new"), entry(2)])) == [entry(1, "new")]
    told.keep(Kind.ENTITIES, {"light.2"})
    assert list(told.news(Kind.ENTITIES, entries)) == [entry(1)]
    told.forget()
    assert list(told.news(Kind.ENTITIES, entries)) == entries
