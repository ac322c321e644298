from __future__ import annotations

import pytest

from ingest.edge.tls import BROKEN_OFF, tls_failure
from ingest.errors import Refused, Transient

WHERE, REMEDY = "https://db.test", "Check whether it is http or https."


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure (_ssl.c:1006)", "handshake failure"),
        ("[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] ssl/tls alert handshake failure (_ssl.c:1032)", "handshake failure"),
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required (_ssl.c:2580)", "certificate required"),
        ("[SSL: TLS_ALERT_BAD_CERTIFICATE] tls alert bad certificate (_ssl.c:2580)", "bad certificate"),
        ("[SSL: TLSV1_UNRECOGNIZED_NAME] tlsv1 unrecognized name (_ssl.c:1006)", "unrecognized name"),
    ],
)  # fmt: skip
def test_an_alert_is_said_in_the_words_of_any_version(said: str, what: str) -> None:
    failure = tls_failure("the database", said, WHERE, REMEDY)
    assert isinstance(failure, Refused)
    assert (failure.what, failure.remedy) == (f"the database refuses TLS with us: {what}", REMEDY)


@pytest.mark.parametrize("said", ["WRONG_VERSION_NUMBER] wrong version number", "HTTP_REQUEST] http request"])
def test_what_is_no_tls_is_none(said: str) -> None:
    failure = tls_failure("the database", f"[SSL: {said} (_ssl.c:1006)", WHERE, REMEDY)
    assert isinstance(failure, Refused)
    assert failure.what == "the database does not speak TLS at this address"


@pytest.mark.parametrize(
    "said", ["EOF occurred in violation of protocol (_ssl.c:1006)", "TLS/SSL connection has been closed (EOF) (_ssl.c:997)"]
)  # fmt: skip
def test_a_connection_that_ends_passes(said: str) -> None:
    failure = tls_failure("the database", said, WHERE, REMEDY)
    assert isinstance(failure, Transient)
    assert failure.remedy == BROKEN_OFF
