from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.data_api_answer import CHECK_KEY, CHECK_URL, LONGEST, Halve, Lacking, Taken, answers, classify
from ingest.core.influx_answer import Answer
from ingest.core.publishing import Kind
from ingest.core.store import Keep

NOW = datetime(2026, 11, 22, 7, tzinfo=UTC)
DONE = '{"success": true, "upserted": 3, "timestamp": "2026-11-22T07:00:00"}'


def verdict(status: int, text: str = "", kind: Kind = Kind.DEVICES, **headers: str) -> object:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(Answer(status, text, named), kind, NOW)


def test_an_upsert_that_succeeded() -> None:
    assert verdict(200, DONE) == Taken()
    assert verdict(201, DONE) == Taken()


@pytest.mark.parametrize("text", ["", "ok", "[]", "{}", "<html>welcome</html>"])
def test_whoever_says_200_and_no_more_is_no_data_api(text: str) -> None:
    found = verdict(200, text)
    assert isinstance(found, Keep)
    assert found.remedy == CHECK_URL


def test_an_upsert_that_did_not_succeed_is_about_its_entries() -> None:
    assert isinstance(verdict(200, '{"success": false, "error": "no"}'), Halve)


@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_what_may_be_about_one_entry_is_halved(status: int) -> None:
    found = verdict(status, '{"detail": "Failed to bulk upsert devices:\\n NOT NULL constraint failed"}')
    assert found == Halve(f"data-api answers {status}: Failed to bulk upsert devices: NOT NULL constraint failed")


def test_services_may_be_missing_and_nothing_else() -> None:
    assert verdict(404, '{"detail": "Not Found"}', Kind.SERVICES) == Lacking()
    assert verdict(404, '{"detail": "Not Found"}') == Keep("data-api answers 404: Not Found", remedy=CHECK_URL)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_a_persons_business(status: int) -> None:
    assert verdict(status, "") == Keep(f"data-api answers {status}", remedy=CHECK_KEY)
    other = classify(Answer(status), Kind.SERVICES, NOW, "Look into the file.")
    assert isinstance(other, Keep)
    assert other.remedy == "Look into the file."


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504, 599])
def test_what_passes_waits_as_long_as_it_is_asked_to(status: int) -> None:
    assert verdict(status, "busy") == Keep(f"data-api answers {status}: busy", None)
    assert verdict(status, retry_after="17") == Keep(f"data-api answers {status}", 17.0)
    assert verdict(status, retry_after="Sun, 22 Nov 2026 07:01:00 GMT") == Keep(f"data-api answers {status}", 60.0)
    assert verdict(status, retry_after="99999999") == Keep(f"data-api answers {status}", 3600.0)


@pytest.mark.parametrize("status", [301, 302, 405, 418])
def test_anything_else_is_another_server(status: int) -> None:
    found = verdict(status, "<!DOCTYPE html><title>Router</title>")
    assert found == Keep(f"data-api answers {status}: a page for a browser", remedy=CHECK_URL)


@given(st.integers(100, 599), st.text(), st.sampled_from(Kind))
def test_whatever_is_answered_has_a_meaning_and_a_short_sentence(status: int, text: str, kind: Kind) -> None:
    assert isinstance(classify(Answer(status, text), kind, NOW), Taken | Halve | Lacking | Keep)
    assert len(answers(Answer(status, text))) <= LONGEST + 30
