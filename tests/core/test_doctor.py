"""What is made of what was seen from the outside: pure judgements, each with its remedy."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from email.utils import formatdate

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from ingest.core import doctor_clocks as clocks
from ingest.core import doctor_database as database
from ingest.core import doctor_here as here
from ingest.core import doctor_home as home
from ingest.core.certificates import trust
from ingest.core.doctor_clocks import Clock
from ingest.core.doctor_database import Looked, Wanted
from ingest.core.doctor_here import Disk, File
from ingest.core.doctor_home import Asked, Reached
from ingest.core.findings import Check, Finding, Severity, error, in_order, milder, warning, worst
from ingest.core.influx_answer import Answer
from ingest.core.influx_server import Server
from ingest.core.pages import LONGEST, title
from ingest.core.recorder import Recorder
from ingest.core.token import lifetime
from ingest.errors import Refused, Transient

MIB = 2**20
WANTED = Wanted("b", None, may_create=False, numeric_only=False)
INFLUX = Server("InfluxDB 2", "2.7")


def only(check: Check) -> Finding:
    (finding,) = check.findings
    return finding


# ---- findings -----------------------------------------------------------------------------------------------------


def test_the_worst_comes_first_and_of_those_alike_the_first_that_was_looked_at() -> None:
    hint = Finding(Severity.HINT, "h")
    checks = [Check("a", findings=(hint, warning("w"))), Check("b", findings=(error("e"), warning("v")))]
    assert [(name, found.what) for name, found in in_order(checks)] == [("b", "e"), ("a", "w"), ("b", "v"), ("a", "h")]
    assert worst(checks) is Severity.ERROR
    assert worst([]) is None
    assert worst([milder(check) for check in checks]) is Severity.WARNING


# ---- clocks -------------------------------------------------------------------------------------------------------


def test_a_clock_is_told_by_the_date_of_an_answer() -> None:
    told = Answer(200, "", {"date": "Thu, 01 Jan 1970 00:01:40 GMT"})
    assert clocks.clock("x", told, 40 * 10**9, 41 * 10**9) == Clock("x", 59.0)
    assert clocks.clock("x", told, 120 * 10**9, 130 * 10**9) == Clock("x", -19.0)
    assert clocks.clock("x", told, 90 * 10**9, 101 * 10**9) == Clock("x", 0.0)
    assert clocks.clock("x", Answer(200), 0, 0) is None
    assert clocks.judged([]).skipped == "no clock could be read"


@given(st.floats(-100, 100), st.integers(10**17, 10**18), st.floats(0, 20), st.floats(0, 1))
def test_a_clock_is_never_told_to_be_further_off_than_it_is(skew: float, asked: int, took: float, when: float) -> None:
    answered = asked + int(took * 1e9)
    told = int((asked + (answered - asked) * when) / 1e9 + skew)
    found = clocks.clock("x", Answer(200, "", {"date": formatdate(told, usegmt=True)}), asked, answered)
    assert found is not None
    assert abs(found.ahead) <= abs(skew) + 1e-3
    assert found.ahead * skew >= 0
    assert abs(found.ahead) >= abs(skew) - took - 1.001


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        ((1.0, -1.0), []),
        ((300.0, 301.0), ["the clock of this machine is 5 minutes behind those of Home Assistant and the database"]),
        ((-9.0, -8.0), ["the clock of this machine is 9 seconds ahead of those of Home Assistant and the database"]),
        ((0.0, 4 * 86_400.0), ["the clock of the database is 4 days ahead of that of this machine"]),
        (
            (90.0, -7200.0),
            [
                "the clock of Home Assistant is 90 seconds ahead of that of this machine",
                "the clock of the database is 2 hours behind that of this machine",
            ],
        ),
    ],
)
def test_the_odd_clock_is_named(ahead: tuple[float, float], words: list[str]) -> None:
    check = clocks.judged([Clock("Home Assistant", ahead[0]), Clock("the database", ahead[1])])
    assert [each.what for each in check.findings] == words
    assert all("NTP" in each.remedy for each in check.findings)
    assert [each.severity for each in check.findings if "days" in each.what or "hours" in each.what] == [
        Severity.ERROR for each in words if "days" in each or "hours" in each
    ]


# ---- Home Assistant -----------------------------------------------------------------------------------------------


def token(payload: object) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in ({}, payload)]
    return ".".join([*parts, "s" * 43])


@pytest.mark.parametrize(
    ("text", "span"),
    [
        (token({"iat": 5, "exp": 10.5}), (5, 10.5)),
        (token({"iat": 5}), None),
        (token({"iat": "5", "exp": 10}), None),
        (token({"iat": 5, "exp": 1e30}), None),
        (token([5, 10]), None),
        ("a" * 112, None),
        ("a.b.c", None),
    ],
)
def test_the_lifetime_of_a_token(text: str, span: tuple[float, float] | None) -> None:
    assert lifetime(text) == span


def test_an_error_without_a_remedy_gets_one() -> None:
    silent = Transient("no connection within 3 s", where="ws://x")
    (check,) = home.addresses([Reached("primary", "ws://x", silent)])
    assert only(check) == error("no connection within 3 s", "ws://x", home.SILENT)


def test_a_release_that_names_no_number_is_not_judged() -> None:
    (check,) = home.addresses([Reached("primary", version="dev")])
    assert check.findings == ()
    assert "state not known" in check.said


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked(recorder=Recorder(recording=True)), "does not run: gaps are not filled meanwhile"),
        (Asked(recorder=Recorder(True, True, migration_in_progress=True)), "migrating its database: gaps"),
        (Asked(recorder=Recorder(True, True, backlog=4000)), "4000 states behind: gaps"),
        (Asked(recorder=Recorder(True, True, backlog=4), reach=864_000.0), ""),
        (Asked(), ""),
    ],
)
def test_how_the_recorder_is(asked: Asked, words: str) -> None:
    check, entities = home.recorded(asked)
    assert [words in each.what for each in check.findings] == ([True] if words else [])
    assert entities.skipped


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3600.0, "an hour"), (6 * 3600.0, "6 hours"), (47 * 3600.0, "2 days"), (860_400.0, "10 days")],
)
def test_how_far_the_recorder_reaches(seconds: float, words: str) -> None:
    check, _ = home.recorded(Asked(recorder=Recorder(True, True), reach=seconds))
    assert check.said == f"records; it has states of {words} ago"


def test_one_entity_is_one() -> None:
    _, check = home.recorded(Asked(recorder=Recorder(True, True), stored=1, missing=("a.b",)))
    assert only(check).what == "of 1 entity that are stored, 1 is not in Home Assistant's recorder: a.b"


# ---- the database -------------------------------------------------------------------------------------------------


def buckets(body: object) -> Answer:
    return Answer(200, json.dumps(body))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(200, "no json"), "takes writes; the token may not read how long it keeps them"),
        (Answer(403), "takes writes; the token may not read how long it keeps them"),
        (buckets({"buckets": 5}), "takes writes; the token may not read how long it keeps them"),
        (buckets({"buckets": [{"name": "other"}]}), "takes writes; the token may not read how long it keeps them"),
        (buckets({"buckets": [{"name": "b"}]}), "keeps for ever"),
        (buckets({"buckets": [{"name": "b", "retentionRules": [None, {"everySeconds": 0}]}]}), "keeps for ever"),
        (buckets({"buckets": [{"name": "b", "retentionRules": [{"everySeconds": 2_592_000}]}]}), "keeps 30 days"),
    ],
)
def test_what_is_said_of_a_bucket(answer: Answer, said: str) -> None:
    _, check, *_ = database.judged(Looked("x", server=INFLUX, bucket=answer), WANTED, {})
    assert (check.said, check.findings) == (said, ())


def test_a_bucket_that_forgets_before_our_own_retention() -> None:
    answer = buckets({"buckets": [{"name": "b", "retentionRules": [{"everySeconds": 129_600}]}]})
    wanted = Wanted("b", 172_800.0, may_create=False, numeric_only=False)
    _, check, *_ = database.judged(Looked("x", server=INFLUX, bucket=answer), wanted, {})
    assert only(check).what.startswith('the bucket "b" forgets after 1.5 days')


OURS: Mapping[str, Mapping[str, str]] = {"m": dict.fromkeys("abcde", "float"), "n": {"a": "string"}}


@pytest.mark.parametrize(
    ("theirs", "count"),
    [
        ({}, 0),
        ({"m": {"a": {"float"}, "z": {"string"}}, "other": {"a": {"string"}}}, 0),
        ({"m": {"a": {"float", "string"}}}, 0),
        ({"m": {"a": {"integer", "string"}}}, 1),
        ({"m": {key: {"string"} for key in "abcde"}, "n": {"a": {"string"}}}, 5),
    ],
)
def test_conflicts_of_types(theirs: Mapping[str, Mapping[str, set[str]]], count: int) -> None:
    *_, check = database.judged(Looked("x", server=INFLUX, types=theirs), WANTED, OURS)
    if count == 0:
        assert check.findings == ()
        assert check.said == "6 fields of ours, none of another type there"
    else:
        assert check.said == ("1 conflict" if count == 1 else f"{count} conflicts")
        assert only(check).what.endswith("; and 2 more") == (count > 3)


def test_without_our_own_types_there_is_nothing_to_compare() -> None:
    *_, check = database.judged(Looked("x", server=INFLUX, types={}), WANTED, {})
    assert check.skipped == "Home Assistant did not tell what would be written"


def test_a_refusal_of_a_known_database_stays_what_it_is() -> None:
    refused = Refused("the database answers 500: oh", where="x")
    check, *rest = database.judged(Looked("x", refused, Server("InfluxDB 1", "1.8.10")), WANTED, OURS)
    assert only(check).what == "the database answers 500: oh"
    assert all(each.skipped for each in rest)


# ---- this machine -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "floor", "room", "severity"),
    [
        (10_000, 64, 1000, None),
        (600, 64, 60, Severity.WARNING),
        (100, 64, 100, Severity.WARNING),
        (63, 64, 6, Severity.ERROR),
        (600, 0, 32, Severity.WARNING),
    ],
)
def test_how_full_the_disk_is(free: int, floor: int, room: int, severity: Severity | None) -> None:
    check = here.disk(Disk("/x", free * MIB, floor * MIB, room * MIB, 2048 * MIB))
    assert worst([check]) is severity
    assert all("Free some space" in each.remedy for each in check.findings)


def test_without_a_spool_the_disk_has_none_to_hold() -> None:
    check = here.disk(Disk("/x", 600 * MIB, 64 * MIB, 16 * MIB, 2048 * MIB, spools=False))
    assert (check.said, check.findings) == ("600 MiB free; without a spool", ())
    (full,) = here.disk(Disk("/x", 63 * MIB, 64 * MIB, 0, 2048 * MIB, spools=False)).findings
    assert "soon nothing can be written there" in full.what


def test_a_small_spool_that_is_wished_small_is_enough() -> None:
    assert here.disk(Disk("/x", 9000 * MIB, 64 * MIB, 16 * MIB, 16 * MIB)).findings == ()


def test_a_file_that_is_damaged_or_will_fill_the_disk() -> None:
    damaged = only(here.file(File("state file", "/x", damage="2 rows"), None))
    assert damaged.what == "the file is damaged: 2 rows"
    assert "Restart the service" in damaged.remedy
    growing = only(here.file(File("embedded store", "/x", size=MIB, per_day=100.0 * MIB), 500 * MIB))
    assert growing.what == "at 100 MiB a day the disk is full in 5 days"
    assert here.file(File("embedded store", "/x", size=MIB, per_day=1.0), 500 * MIB).said == "sound, 1.0 MiB"


def test_a_health_without_an_event() -> None:
    told = here.Service("1", "/x", guard="x", health={"status": "odd", "version": "1", "reason": None, "files": 5})
    check = here.service(told)
    assert check.said == "odd: None; last event not yet; it answers x"
    assert only(check).severity is Severity.ERROR
    assert "homeiq-ingest status" in only(check).remedy


def test_a_service_that_lacks_what_answers_us_has_another_configuration() -> None:
    lacking = {"subscription": {"is_subscribed": False}, "database": {"reachable": False}}
    health = {"status": "unhealthy", "version": "1", "reason": "x", "remedies": ["Wait."], **lacking}
    told = here.Service("1", "/x", health=health, home=True, store=True)
    remedy = only(here.service(told)).remedy
    assert remedy.startswith(
        "Home Assistant answers and the database takes points with the configuration that was read"
    )
    assert remedy.endswith("and restart the service. Wait.")
    assert only(here.service(evolve(told, home=False))).remedy.startswith("The database takes points with")
    assert only(here.service(evolve(told, home=False, store=False))).remedy == "Wait."
    away = {"status": "healthy", "version": "1", "reason": "fine", "database": {"where": "http://a:8086"}}
    what = only(here.service(here.Service("1", "/x", health=away, store=True, where="http://b:8086"))).what
    assert "stores into http://a:8086, the configuration that was read here says http://b:8086" in what
    assert here.service(here.Service("1", "/x", health=away, store=True, where="http://a:8086")).findings == ()
    waiting = {**health, "subscription": None, "database": {"reachable": None}}
    assert only(here.service(evolve(told, health=waiting))).remedy == "Wait."


def test_who_is_another_user_than_the_service_is_told_so_and_nothing_else() -> None:
    idle = only(here.foreign("/x", "homeiq", at_work=False))
    assert idle.severity is Severity.ERROR
    assert "sudo -u homeiq homeiq-ingest doctor" in idle.remedy
    assert only(here.foreign("/x", "homeiq", at_work=True)).severity is Severity.HINT
    refused = Refused("the file cannot be looked at: Permission denied", where="/x/state.db")
    assert here.file(File("state file", "/x/state.db", refused, owner="homeiq"), None).skipped
    assert only(here.file(File("state file", "/x/state.db", refused), None)).what == refused.what
    assert [
        here.Service("1", "/x/s", health=each).at_work
        for each in (None, {}, {"files": 5}, {"files": {"state": "/y"}}, {"files": {"state": "/x/s"}})
    ] == [False, False, False, False, True]


# ---- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("self-signed certificate", "Set influxdb.ca_file to the authority that signed it"),
        ("certificate has expired", "Renew the certificate"),
        ("certificate is not yet valid", "clock of this machine"),
        ("Hostname mismatch, certificate is not valid for 'x'.", "with the name that the certificate is for"),
    ],
)
def test_what_to_do_about_a_certificate(said: str, words: str) -> None:
    assert words in trust(said, "influxdb")
    assert trust(said, "influxdb").endswith(".")


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (Answer(200, "<!doctype html><title>\n Home &amp; more </title>"), "Home & more"),
        (Answer(200, f"<html><title>{'x' * 100}</title>"), "x" * (LONGEST - 1) + "…"),
        (Answer(200, "<html>"), ""),
        (Answer(200, "<title>x</title>"), ""),
        (Answer(200, "<TITLE lang='en'>x</TITLE>", {"content-type": "text/html"}), "x"),
    ],
)
def test_what_a_page_calls_itself(answer: Answer, named: str) -> None:
    assert title(answer) == named
