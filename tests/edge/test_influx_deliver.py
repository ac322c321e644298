from __future__ import annotations

import gzip
import time
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.influx_answer import CHECK_TYPES, Answer
from ingest.core.store import Batch, Delivered, Keep, Verdict
from ingest.edge.influx_deliver import BUDGET, REMEMBERED, Deliverer
from ingest.errors import Refused, Transient
from tests.edge.refusing import WAYS, Database, batch, error


def lines(count: int, name: str = "m") -> list[bytes]:
    return [b"%s v=%d %d" % (name.encode(), number, number) for number in range(count)]


def deliverer(post: Callable[[bytes], Awaitable[Answer]]) -> Deliverer:
    return Deliverer(post, time.time_ns)


async def until_delivered(to: Deliverer, what: Batch[bytes], attempts: int = 40) -> Delivered:
    for _ in range(attempts):
        verdict = await to.deliver(what)
        if isinstance(verdict, Delivered):
            return verdict
    raise AssertionError(verdict)


def rejected(verdict: Verdict) -> list[bytes]:
    assert isinstance(verdict, Delivered)
    return [each.line.encode() for each in verdict.rejected]


async def test_what_is_taken_is_one_request() -> None:
    database = Database()
    assert await deliverer(database.post).deliver(batch(lines(100))) == Delivered()
    assert (len(database.stored), database.requests) == (100, 1)


@given(
    st.sampled_from(WAYS),
    st.integers(2, 120).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), max_size=n - 1))),
    st.integers(1, 200),
)
def test_every_line_is_stored_or_rejected_and_only_refused_ones_are_rejected(
    way: str, home: tuple[int, set[int]], limit: int
) -> None:
    count, bad = home
    sent = lines(count)
    database = Database({sent[place] for place in bad}, way, limit)

    async def run() -> None:
        # A batch that is taken shows that it is not the endpoint, however many lines are refused.
        to = deliverer(database.post)
        first = await to.deliver(batch(sent))
        verdict = first
        if isinstance(first, Keep):
            await to.deliver(batch([b"other v=1 1"]))
            verdict = await until_delivered(to, batch(sent))
        out = rejected(verdict)
        assert sorted(out) == sorted(database.refused)
        assert database.stored - {b"other v=1 1"} == set(sent) - database.refused

    trio.run(run)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count", [1, 2, 50])
async def test_when_every_line_is_refused_it_is_the_endpoint_and_all_are_kept(way: str, count: int) -> None:
    sent = lines(count)
    to = deliverer(Database(set(sent), way).post)
    for _ in range(3):
        verdict = await to.deliver(batch(sent))
        assert isinstance(verdict, Keep)
        assert verdict.remedy == CHECK_TYPES


@pytest.mark.parametrize("way", WAYS)
async def test_a_refused_batch_of_one_is_rejected_once_another_was_taken(way: str) -> None:
    bad = lines(1)
    database = Database(set(bad), way)
    to = deliverer(database.post)
    assert isinstance(await to.deliver(batch(bad)), Keep)
    assert await to.deliver(batch(lines(3, "good"))) == Delivered()
    assert rejected(await to.deliver(batch(bad))) == bad


async def test_what_was_taken_before_a_batch_was_refused_is_no_evidence() -> None:
    bad = lines(1)
    to = deliverer(Database(set(bad)).post)
    assert await to.deliver(batch(lines(3, "good"))) == Delivered()
    assert isinstance(await to.deliver(batch(bad)), Keep)
    assert isinstance(await to.deliver(batch(bad)), Keep)


async def test_a_rejection_carries_the_servers_words() -> None:
    sent = lines(3)
    verdict = await deliverer(Database({sent[1]}).post).deliver(batch(sent))
    assert isinstance(verdict, Delivered)
    assert [(each.line, each.reason) for each in verdict.rejected] == [("m v=1 1", "missing fields")]


async def test_lines_that_are_named_cost_one_more_request() -> None:
    sent = lines(1000)
    database = Database(set(sent[::7]))
    assert len(rejected(await deliverer(database.post).deliver(batch(sent)))) == 143
    assert database.requests == 2


async def test_an_attempt_has_a_budget_and_the_next_goes_on_from_there() -> None:
    sent = lines(1000)
    database = Database(set(sent[::10]), "2 conflict in several shards")
    to = deliverer(database.post)
    first = await to.deliver(batch(sent))
    assert isinstance(first, Keep)
    assert first.remedy == ""
    assert database.requests == 1 + BUDGET
    verdict = await until_delivered(to, batch(sent))
    assert sorted(rejected(verdict)) == sorted(sent[::10])
    assert database.requests < 2500


async def test_an_endpoint_that_refuses_everything_is_not_asked_for_ever() -> None:
    sent = lines(5000)
    database = Database(set(sent), "nameless")
    assert isinstance(await deliverer(database.post).deliver(batch(sent)), Keep)
    assert database.requests < 40


async def test_an_outage_in_the_middle_of_a_search_loses_and_rejects_nothing() -> None:
    sent = lines(64)
    database = Database({sent[40]}, "2 conflict in several shards")
    to = deliverer(database.post)

    async def post(payload: bytes) -> Answer:
        if database.requests == 4:
            database.down = Answer(503, "later", {"retry-after": "9"})
        return await database.post(payload)

    to.post = post
    assert await to.deliver(batch(sent)) == Keep("the database answers 503: later", 9.0)
    database.down, to.post = None, database.post
    assert rejected(await to.deliver(batch(sent))) == [sent[40]]
    assert database.stored == {*sent} - {sent[40]}


async def test_a_kept_batch_is_whole_again_when_the_database_changes_its_mind() -> None:
    sent = lines(10)
    database = Database(set(sent), "2 conflict")
    to = deliverer(database.post)
    assert isinstance(await to.deliver(batch(sent)), Keep)
    database.refused.clear()
    assert await to.deliver(batch(sent)) == Delivered()
    assert database.stored == set(sent)
    assert to._searches == {}


async def test_no_answer_keeps_the_batch() -> None:
    async def unreachable(payload: bytes) -> Answer:
        raise Transient("the database cannot be reached: Connection refused", where="http://db", retry_after=3)

    async def untrusted(payload: bytes) -> Answer:
        raise Refused("the certificate is not trusted", remedy="Trust it.")

    assert await deliverer(unreachable).deliver(batch(lines(1))) == Keep(
        "the database cannot be reached: Connection refused", 3
    )
    assert await deliverer(untrusted).deliver(batch(lines(1))) == Keep(
        "the certificate is not trusted", remedy="Trust it."
    )


async def test_a_bug_is_not_kept_quiet() -> None:
    async def broken(payload: bytes) -> Answer:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await deliverer(broken).deliver(batch(lines(1)))


async def test_only_so_many_searches_are_remembered() -> None:
    bad = lines(REMEMBERED + 4)
    to = deliverer(Database(set(bad)).post)
    for line in bad:
        await to.deliver(batch([line]))
    assert len(to._searches) == REMEMBERED


async def test_a_single_line_that_is_too_large_is_rejected_when_others_fit() -> None:
    large = b"m v=" + b"1" * 500

    async def post(payload: bytes) -> Answer:
        too_large = large in gzip.decompress(payload)
        return error(413, "too large") if too_large else Answer(204)

    assert rejected(await deliverer(post).deliver(batch([*lines(9), large]))) == [large]
