"""What the filter left out, in a state file: told, ended, taken by imports, and kept to the bounds."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve

from ingest.core.coverage import FOREVER, ON_PURPOSE, Cause, Missed, Note, Progress, Span
from ingest.core.importing import Wanted
from ingest.core.ledger import Opening, summary
from ingest.edge.ledger_bounds import Bound
from ingest.edge.ledger_entity import known_of, names_in
from ingest.edge.ledger_file import Due, LedgerFile
from ingest.edge.ledger_filtered import left_out, left_out_since
from ingest.edge.spool_rows import Key
from tests.edge.ledgers import KEY, ledger_in, mark, opening

US = 1_000


def span(name: str, after: int, before: int) -> Span:
    return Span(f"sensor.{name}", name, after * US, before if before == FOREVER else before * US)


def tell(ledger: LedgerFile, *spans: Span) -> None:
    ledger.write(Due(note=Note(missed=[Missed(Cause.FILTERED, 0, 1, spans)])))


def spans(ledger: LedgerFile) -> list[tuple[str, int, int]]:
    found = [each for those in left_out(ledger.connection, ledger.key).values() for each in those]
    return sorted((each.registry_id, each.after_ns, each.before_ns) for each in found)


def test_all_of_it_is_one_gap_that_nothing_fills(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "state.db") as ledger:
        tell(ledger, span("a", 10, FOREVER))
        tell(ledger, span("b", 5, FOREVER), span("c", 7, 9))
        (gap,) = ledger.gaps()
        assert (gap.cause, gap.progress, gap.why) == (Cause.FILTERED, Progress.UNFILLABLE, ON_PURPOSE)
        assert (gap.spans, gap.left, gap.filled, gap.from_ns, gap.to_ns) == (3, 0, 0, 5 * US, 10 * US)
        assert ledger.load().excluded == {"a": 10 * US, "b": 5 * US}
        tell(ledger, span("a", 10, 20))
        tell(ledger, span("a", 10, FOREVER), span("b", 5, 30))
        assert spans(ledger) == [("a", 10 * US, 20 * US), ("b", 5 * US, 30 * US), ("c", 7 * US, 9 * US)]
        assert left_out_since(ledger.connection, ledger.key) == {}
        assert ledger.ask_again() == frozenset()
        assert ledger.next_gap(10) is None
        (gap,) = ledger.gaps()
        assert gap.to_ns == 30 * US
        assert summary([gap]).counts == dict.fromkeys(Progress, 0)


def test_another_home_has_its_own(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "state.db") as ledger:
        other = evolve(ledger, key=Key("other", "influxdb"))
        tell(ledger, span("a", 10, 20))
        tell(other, span("a", 10, 30))
        assert spans(ledger) == [("a", 10 * US, 20 * US)]
        assert spans(other) == [("a", 10 * US, 30 * US)]


def wanted(since: int, *names: str, **more: object) -> Wanted:
    return Wanted(since * US, 1_000 * US, [mark(name, 100 * US) for name in names], **more)  # type: ignore[arg-type]  # a test's


def test_an_import_takes_what_it_asks_for_and_leaves_what_is_older(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "state.db") as ledger:
        ledger.move_marks([mark("a", 5 * US), mark("b", 5 * US), mark("a", 100 * US), mark("b", 100 * US)])
        tell(ledger, span("a", 10, 20), span("a", 30, 40), span("b", 30, FOREVER), span("c", 30, 40))
        gap = ledger.begin_import(wanted(15, "a", "b"))
        assert gap is not None
        assert (gap.cause, gap.spans) == (Cause.IMPORTED, 2)
        asked = [(each.registry_id, each.after_ns, each.before_ns) for each in ledger.next_gap(10)[1]]  # type: ignore[index]  # there
        assert asked == [("a", 15 * US - 1, 20 * US), ("a", 30 * US, 40 * US)]
        assert spans(ledger) == [("a", 10 * US, 15 * US - US // 2), ("b", 30 * US, FOREVER), ("c", 30 * US, 40 * US)]
        # Told late: it is asked for.
        tell(ledger, span("a", 30, 40))
        assert len(spans(ledger)) == 3
        assert ledger.begin_import(wanted(15, "a")) is None
        again = ledger.begin_import(wanted(6, "a"))
        assert again is not None
        assert spans(ledger) == [("b", 30 * US, FOREVER), ("c", 30 * US, 40 * US)]


def test_what_ended_and_is_not_written_yet_is_asked_for_too(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "state.db") as ledger:
        ledger.move_marks([mark("a", 5 * US), mark("a", 100 * US)])
        tell(ledger, span("a", 10, FOREVER))
        gap = ledger.begin_import(wanted(6, "a", excluded=(span("a", 10, 20),)))
        assert gap is not None
        assert [each.cause for each in ledger.gaps()] == [Cause.IMPORTED]
        tell(ledger, span("a", 10, 20))
        assert spans(ledger) == []


def test_everything_once_more_takes_in_what_was_left_out(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "state.db") as ledger:
        ledger.move_marks([mark("a", 5 * US), mark("a", 100 * US)])
        tell(ledger, span("a", 10, 20), span("a", 30, 40))
        assert ledger.begin_import(wanted(6, "a", again=True)) is not None
        (only,) = ledger.next_gap(10)[1]  # type: ignore[index]  # there
        assert (only.after_ns, only.before_ns) == (6 * US - 1, 100 * US + 1)
        assert spans(ledger) == []


def test_it_goes_last_where_there_is_no_room(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "state.db", Bound(gaps=2, spans=3)) as ledger:
        tell(ledger, span("a", 10, 20))
        ledger.open_gap(opening(30 * US, 40 * US, "b", cause=Cause.CONNECTION))
        ledger.open_gap(opening(50 * US, 60 * US, "c", cause=Cause.KILLED))
        assert Cause.FILTERED in [gap.cause for gap in ledger.gaps()]
        assert spans(ledger) == [("a", 10 * US, 20 * US)]
        ledger.open_gap(Opening(Cause.STOPPED, 1, 2, [span(name, 1, 2) for name in "defgh"]))
        assert spans(ledger) == [("a", 10 * US, 20 * US)]
        tell(ledger, *(span(name, 10, 20) for name in "abcde"))
        assert spans(ledger) == []
        tell(ledger, span("z", 10, 20))
        assert spans(ledger) == [("z", 10 * US, 20 * US)]


def test_what_is_known_of_one_entity(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "state.db") as ledger:
        ledger.move_marks([mark("a", 10), mark("b", 20)])
        ledger.open_gap(opening(30, 40, "a"))
        tell(ledger, span("a", 10, 20))
        ledger.write(Due(heard_ns=77))
        known = known_of(ledger.connection, KEY, "a", "sensor.a")
        assert (known.mark, known.since_ns) == (mark("a", 10), 77)
        assert [(cause, each.filled) for cause, each in known.spans] == [(Cause.CONNECTION, None), (Cause.FILTERED, 0)]
        nobody = known_of(ledger.connection, Key("home", "other"), "a", "sensor.a")
        assert (nobody.mark, nobody.since_ns, nobody.spans) == (None, None, [])
        # What a spool dropped of a schema without names for life is the entity's, too.
        ledger.open_gap(Opening(Cause.EVICTED, 50, 60, [Span("sensor.a", "sensor.a", 50, 60)]))
        known = known_of(ledger.connection, KEY, "a", "sensor.a")
        assert Cause.EVICTED in [cause for cause, _ in known.spans]
        assert names_in(ledger.connection, KEY) == {"sensor.a": "a", "sensor.b": "b"}


def test_of_gaps_that_may_be_an_entitys_too_it_is_said_how_many(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "state.db") as ledger:
        for at in (10, 20, 30):
            ledger.open_gap(opening(at, at + 2, "a", "b"))
        ledger.open_gap(opening(40, 42))
        assert known_of(ledger.connection, KEY, "a", "sensor.a").unnamed == 0
        ledger.connection.execute("DELETE FROM span WHERE after_ns = 10 OR after_ns = 20 AND registry_id = 'a'")
        assert known_of(ledger.connection, KEY, "a", "sensor.a").unnamed == 1
        assert known_of(ledger.connection, Key("home", "other"), "a", "sensor.a").unnamed == 0
