from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.redact import redacted
from ingest.core.secret import MASK

KEYS = [
    "access_token", "token", "refresh_token", "accessToken", "password", "api_password", "secret", "client_secret",
    "api_key", "apikey", "webhook_id",
]  # fmt: skip
secrets = st.text(min_size=8, max_size=40).filter(lambda text: len(set(text)) > 5)
around = st.dictionaries(st.sampled_from(["state", "name", "entity_id"]), st.text(max_size=10), max_size=3)


def written(value: object, depth: int, *, ascii_only: bool) -> str:
    """The value as JSON; as JSON in a string of JSON; and so on."""
    text = json.dumps(value, ensure_ascii=ascii_only)
    return text if depth == 0 else written({"event": text}, depth - 1, ascii_only=ascii_only)


def read(text: str, depth: int) -> dict[str, object]:
    value: dict[str, object] = json.loads(text)
    return value if depth == 0 else read(str(value["event"]), depth - 1)


@given(secret=secrets, key=st.sampled_from(KEYS), neighbours=around, depth=st.integers(0, 2), ascii_only=st.booleans())
def test_a_secret_in_json_never_survives(
    secret: str, key: str, neighbours: dict[str, str], depth: int, *, ascii_only: bool
) -> None:
    text = redacted(written({**neighbours, key: secret, "last": "kept"}, depth, ascii_only=ascii_only))
    assert read(text, depth) == {**neighbours, key: MASK, "last": "kept"}


@given(secrets, st.sampled_from(KEYS), st.integers(0, 60))
def test_a_secret_in_text_that_was_cut_off_never_survives(secret: str, key: str, cut: int) -> None:
    whole = json.dumps({key: secret}, ensure_ascii=False)
    start = len(json.dumps({key: ""})) - 2
    seen = redacted(whole[: start + cut])
    assert seen.removeprefix(whole[:start]).rstrip('"}') in {MASK, ""}


@pytest.mark.parametrize("name", ["token", "access_token", "authSig"])
@pytest.mark.parametrize("end", ['"', "&width=3", " ", ""])
def test_a_secret_in_an_address_never_survives(name: str, end: str) -> None:
    text = f'{{"entity_picture":"/api/camera_proxy/camera.door?{name}=abc.def-123{end}'
    assert "abc" not in redacted(text)
    assert redacted(text).endswith(f"?{name}={MASK}{end}")


def test_a_number_as_a_secret_does_not_survive() -> None:
    assert redacted('{"password": 123456, "b": 1}') == f'{{"password": "{MASK}", "b": 1}}'
    assert redacted('{"token": null}') == '{"token": null}'


@given(around)
def test_what_holds_no_secret_is_left_as_it_is(value: dict[str, str]) -> None:
    text = json.dumps({**value, "unit": "W", "friendly_name": "Token of love"})
    assert "token=" in text or redacted(text) == text
