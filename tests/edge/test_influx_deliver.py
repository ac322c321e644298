from __future__ import annotations

import gzip
import time
from collections.abc import Awaitable, Callable, Sequence

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.influx_answer import CHECK_LIMIT, CHECK_TYPES, Answer
from ingest.core.influx_searches import REMEMBERED
from ingest.core.store import Batch, Delivered, Keep, Verdict
from ingest.edge.influx_deliver import BUDGET, Deliverer
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
        # What another batch holds shows that it is not the endpoint, however many lines are refused.
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


async def test_a_batch_that_is_refused_whole_is_rejected_when_what_was_taken_before_still_is() -> None:
    bad = lines(1)
    database = Database(set(bad))
    to = deliverer(database.post)
    assert await to.deliver(batch(lines(3, "good"))) == Delivered()
    assert rejected(await to.deliver(batch(bad))) == bad
    assert database.requests == 3


async def test_what_was_taken_before_is_no_evidence_when_it_is_not_any_more() -> None:
    bad = lines(1)
    database = Database(set(bad))
    to = deliverer(database.post)
    assert await to.deliver(batch(lines(3, "good"))) == Delivered()
    database.alike = True
    for _ in range(3):
        assert isinstance(await to.deliver(batch(bad)), Keep)
    database.alike, database.refused = False, set()
    assert await to.deliver(batch(bad)) == Delivered()


async def test_a_search_that_goes_on_after_an_outage_proves_anew_that_lines_are_taken() -> None:
    sent = lines(64)
    database = Database({sent[40], sent[41]}, "2 conflict in several shards")
    to = deliverer(database.post)
    database.down_at = 4
    assert isinstance(await to.deliver(batch(sent)), Keep)
    database.alike = True
    assert isinstance(await to.deliver(batch(sent)), Keep)
    database.alike, database.refused = False, {sent[40]}
    assert rejected(await until_delivered(to, batch(sent))) == [sent[40]]


async def test_an_outage_that_goes_on_costs_no_progress() -> None:
    sent = lines(512)
    database = Database({sent[200]}, "nameless")
    to = deliverer(database.post)
    database.down_at = 8
    assert isinstance(await to.deliver(batch(sent)), Keep)
    database.down = Answer(503, "later")
    for _ in range(3):
        assert isinstance(await to.deliver(batch(sent)), Keep)
    database.down, before = None, database.requests
    assert rejected(await to.deliver(batch(sent))) == [sent[200]]
    assert before == 8 + 3
    assert database.requests - before < 18


async def test_what_was_taken_of_a_batch_that_is_kept_is_known_until_there_is_a_verdict() -> None:
    sent = lines(512)
    database = Database({sent[200]}, "nameless")
    to = deliverer(database.post)
    assert to.taken(sent) == frozenset()
    database.down_at = 8
    assert isinstance(await to.deliver(batch(sent)), Keep)
    assert to.taken(sent) == frozenset(database.stored) != frozenset()
    assert to.taken(sent[:10]) == to.taken(sent) & {*sent[:10]}
    database.down = None
    await until_delivered(to, batch(sent))
    assert to.taken(sent) == frozenset()


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


@pytest.mark.parametrize("way", WAYS)
async def test_an_endpoint_that_refuses_everything_is_not_asked_for_ever(way: str) -> None:
    sent = lines(5000)
    database = Database(set(sent), way)
    to = deliverer(database.post)
    for attempt in range(1, 4):
        assert isinstance(await to.deliver(batch(sent)), Keep)
        assert database.requests < 40 * attempt


@pytest.mark.parametrize("way", WAYS)
async def test_many_refused_lines_in_front_do_not_hide_that_others_are_taken(way: str) -> None:
    sent = lines(1000)
    database = Database(set(sent[:300]), way)
    to = deliverer(database.post)
    verdict = await until_delivered(to, batch(sent))
    assert sorted(rejected(verdict)) == sorted(sent[:300])


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
    assert len(to._searches) == 0


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
    database = Database(way="nameless")
    to = deliverer(database.post)
    for number in range(REMEMBERED + 4):
        sent = lines(8, f"m{number}")
        database.refused, database.down_at = {sent[0]}, database.requests + 6
        await to.deliver(batch(sent))
    assert len(to._searches) == REMEMBERED


async def test_a_single_line_that_is_too_large_is_rejected_and_does_not_block_the_others() -> None:
    large = b"m v=" + b"1" * 500 + b" 1"
    stored: list[bytes] = []

    async def post(payload: bytes) -> Answer:
        if large in gzip.decompress(payload):
            return error(413, "too large")
        stored.extend(gzip.decompress(payload).splitlines())
        return Answer(204)

    to = deliverer(post)
    verdict = await to.deliver(batch([*lines(5), large, *lines(4, "n")]))
    assert isinstance(verdict, Delivered)
    assert [(each.line.encode(), "too large" in each.reason) for each in verdict.rejected] == [(large, True)]
    assert sorted(stored) == sorted([*lines(5), *lines(4, "n")])
    assert rejected(await to.deliver(batch([large]))) == [large]


async def test_a_limit_that_no_line_fits_is_the_endpoints_and_says_what_to_do() -> None:
    database = Database(limit=0)
    kept = await deliverer(database.post).deliver(batch(lines(5000)))
    assert isinstance(kept, Keep)
    assert kept.remedy == CHECK_LIMIT
    assert database.requests < 40


async def test_a_batch_of_many_times_the_limit_is_stored() -> None:
    database = Database(limit=9)
    assert await until_delivered(deliverer(database.post), batch(lines(5000))) == Delivered()
    assert len(database.stored) == 5000


async def test_a_search_that_ends_with_its_budget_is_at_its_end() -> None:
    database = Database(limit=1)
    sent = lines(BUDGET // 2 + 1)
    assert await deliverer(database.post).deliver(batch(sent)) == Delivered()
    assert database.requests == BUDGET + 1


async def test_a_search_that_is_cancelled_condemns_nothing() -> None:
    sent = lines(16)
    database = Database(set(sent), "nameless")
    to = deliverer(database.post)

    async def post(payload: bytes) -> Answer:
        if database.requests == 12:
            await trio.sleep_forever()
        return await database.post(payload)

    to.post = post
    with trio.move_on_after(0.05):
        await to.deliver(batch(sent))
    to.post, database.refused = database.post, set()
    assert await to.deliver(batch(sent)) == Delivered()


@pytest.mark.parametrize("header", ["7", "Thu, 01 Jan 1970 00:00:07 GMT"])
@pytest.mark.parametrize("status", [429, 503])
async def test_the_servers_wish_to_wait_is_heard_in_both_forms(status: int, header: str) -> None:
    async def post(payload: bytes) -> Answer:
        return Answer(status, "busy", {"retry-after": header})

    kept = await Deliverer(post, lambda: 0).deliver(batch(lines(1)))
    assert kept == Keep(f"the database answers {status}: busy", 7.0)


# ---- batches that grow ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
async def test_a_search_goes_on_though_each_batch_holds_more_than_the_last(way: str) -> None:
    """What a claim of the oldest does while new batches come, one between two attempts."""
    waiting = lines(300)
    bad = set(waiting[9::10])
    database = Database(set(bad), way)
    to = deliverer(database.post)
    attempts = 0
    while isinstance(verdict := await to.deliver(batch(waiting)), Keep):
        assert verdict.progress
        attempts += 1
        assert attempts < 10
        waiting = [*waiting, b"new v=%d %d" % (attempts, attempts)]
    assert sorted(rejected(verdict)) == sorted(bad)
    assert database.stored == set(waiting) - bad
    assert database.requests < 2 * 30 * 10
    assert len(to._searches) == 0


async def test_a_part_of_a_batch_whose_search_came_that_far_needs_none() -> None:
    sent = lines(1000)
    database = Database(set(sent[::10]), "2 conflict in several shards")
    to = deliverer(database.post)
    kept = await to.deliver(batch(sent))
    assert isinstance(kept, Keep)
    before, far = database.requests, 10 * (int(kept.reason.split(", ")[1].split()[0]) - 1)
    first = rejected(await to.deliver(batch(sent[:far])))
    assert database.requests - before == 1  # a line that was taken before, once more
    assert first == sent[:far:10]
    rest = await until_delivered(to, batch(sent[far:]))
    assert sorted([*first, *rejected(rest)]) == sorted(sent[::10])


async def test_a_line_that_was_rejected_is_asked_again_when_it_comes_again() -> None:
    sent = lines(10)
    database = Database({sent[3]})
    to = deliverer(database.post)
    assert rejected(await to.deliver(batch(sent))) == [sent[3]]
    database.refused = set()
    assert await to.deliver(batch(sent[3:4])) == Delivered()
    assert sent[3] in database.stored


@pytest.mark.parametrize("way", WAYS)
async def test_a_refused_line_that_is_there_twice_is_rejected_twice(way: str) -> None:
    sent = lines(10)
    database = Database({sent[3]}, way)
    assert rejected(await deliverer(database.post).deliver(batch([*sent, *sent[2:5]]))) == [sent[3], sent[3]]


# ---- learnt types ---------------------------------------------------------------------------------------------------


def of_a_home(count: int = 5000, conflicts: Sequence[int] = (7, 2500, 4999), start: int = 0) -> list[bytes]:
    """Numbers, and a text where a number exists."""
    return [
        b'm v="x" %d' % time if time - start in conflicts else b"m v=1 %d" % time
        for time in range(start, start + count)
    ]


@pytest.mark.parametrize("way", ["2", "2.0", "2 conflict in several shards", "3"])
async def test_a_conflict_that_is_known_costs_one_request_more(way: str) -> None:
    database = Database(way=way, types={(None, "v"): "float"})
    to = deliverer(database.post)
    sent = of_a_home()
    assert sorted(rejected(await to.deliver(batch(sent)))) == sorted({sent[7], sent[2500], sent[4999]})
    for start in (5000, 10000):
        before, sent = database.requests, of_a_home(conflicts=(1, 2, 3), start=start)
        assert sorted(rejected(await to.deliver(batch(sent)))) == sent[1:4]
        assert database.stored.issuperset(sent[4:])
        assert database.requests - before == (2 if way in {"2", "2.0", "3"} else 6)


async def test_the_search_itself_uses_what_it_learns() -> None:
    database = Database(way="2", types={(0, "v"): "float"})
    sent = [b'm v="x" %d' % n if n in {3, 50, 99} else b"m v=1 %d" % n for n in range(5000)]
    assert len(rejected(await deliverer(database.post).deliver(batch(sent)))) == 3
    assert database.requests == 3


async def test_lines_that_run_into_different_conflicts_have_each_its_own_reason() -> None:
    database = Database(way="2", types={(None, "v"): "float", (None, "w"): "string"})
    to = deliverer(database.post)
    for start in (0, 50):
        sent = [b"m v=1 %d" % (start + n) for n in range(40)] + [
            b'm v="x" %d' % (start + 41),
            b"m w=1i %d" % (start + 42),
        ]
        before = database.requests
        verdict = await to.deliver(batch(sent))
        assert isinstance(verdict, Delivered)
        reasons = {each.line: each.reason for each in verdict.rejected}
        assert 'field "v" on measurement "m" is type string, already exists as type float' in reasons[sent[40].decode()]
        assert (
            'field "w" on measurement "m" is type integer, already exists as type string' in reasons[sent[41].decode()]
        )
        assert database.requests - before <= 5
    assert database.requests - before == 3


async def test_a_conflict_that_vanishes_is_stored_and_forgotten() -> None:
    database = Database(way="2", types={(0, "v"): "float"})
    to = deliverer(database.post)
    assert len(rejected(await to.deliver(batch(of_a_home(10, (3,)))))) == 1
    for start, requests in ((100, 2), (200, 1)):
        before, sent = database.requests, of_a_home(10, (3,), start)
        assert await to.deliver(batch(sent)) == Delivered()
        assert database.stored.issuperset(sent)
        assert database.requests - before == requests


async def test_known_conflicts_in_another_shard_are_stored_and_only_the_others_rejected() -> None:
    database = Database(way="2", types={(0, "v"): "float"})
    to = deliverer(database.post)
    for _ in range(2):
        sent = [b'm v="x" %d' % time for time in range(50, 150)] + [b"m v=1 %d" % time for time in range(50)]
        assert sorted(rejected(await to.deliver(batch(sent)))) == sorted(sent[:50])
        assert database.stored.issuperset(sent[50:])


async def test_a_batch_of_known_conflicts_only_is_rejected_while_the_database_takes_others() -> None:
    database = Database(way="2", types={(None, "v"): "float"})
    to = deliverer(database.post)
    await to.deliver(batch(of_a_home(10, (3,))))
    sent = of_a_home(3, range(3), 20)
    before = database.requests
    assert sorted(rejected(await to.deliver(batch(sent)))) == sent
    assert database.requests - before == 2
    database.alike = True
    assert isinstance(await to.deliver(batch(of_a_home(3, range(3), 30))), Keep)


async def test_a_malformed_line_among_conflicts_costs_one_request_more() -> None:
    database = Database({b"m v= 4"}, "2", types={(None, "v"): "float"})
    to = deliverer(database.post)
    sent = [b"m v= 4" if line == b"m v=1 4" else line for line in of_a_home(conflicts=(7, 8, 9))]
    assert len(rejected(await to.deliver(batch(sent)))) == 4
    assert database.requests == 4


@pytest.mark.parametrize("status", [400, 422])
async def test_where_a_table_may_have_no_more_columns_what_needs_none_is_stored(status: int) -> None:
    """InfluxDB 3 and Cloud Serverless take nothing of a request that needs one column too many."""
    sent = [b"m old=1 1", b"m new=1 2", b"m old=2 3", b"m old=3,new=2 4", b"m old=4 5"]
    stored: list[bytes] = []

    async def post(payload: bytes) -> Answer:
        asked = gzip.decompress(payload).removesuffix(b"\n").split(b"\n")
        if any(b"new=" in line for line in asked):
            return error(status, "Update to schema would exceed number of columns per table limit of 500 columns")
        stored.extend(asked)
        return Answer(204)

    assert rejected(await deliverer(post).deliver(batch(sent))) == [sent[1], sent[3]]
    assert sorted(set(stored)) == [sent[0], sent[2], sent[4]]
