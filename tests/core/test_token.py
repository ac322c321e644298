import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.core.token import looks_like_token, secret_problem, token_problem


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


JWT = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'iss': 'a' * 32, 'iat': 1, 'exp': 2})}.{'s' * 43}"
SUPERVISOR = "0123456789abcdef" * 7


@pytest.mark.parametrize("token", [JWT, SUPERVISOR])
def test_what_home_assistant_makes_is_good(token: str) -> None:
    assert token_problem(token) is None


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        (f'"{JWT}"', "is wrapped in quotes"),
        (f"{JWT}'", "is wrapped in quotes"),
        (f"Bearer {JWT}", 'starts with "Bearer "'),
        (f"bearer {JWT}", 'starts with "Bearer "'),
        (f"{JWT}\n", "holds a newline"),
        (f"{JWT[:40]}\n{JWT[40:]}", "holds a newline"),
        (f" {JWT}", "starts or ends with a space"),
        (f"{JWT[:40]} {JWT[40:]}", "holds a space"),
        (f"{JWT[:40]}…{JWT[40:]}", "holds a character that no token has"),
        (f"{JWT[:40]}\0{JWT[40:]}", "holds a character that no token has"),
        ("abc123", "is too short (6 characters"),
        (JWT[:-10], "looks cut off: its signature"),
        (JWT[:-1] + "!", "looks cut off: its signature"),
        (JWT.rpartition(".")[0], "looks cut off: a JSON web token has three parts"),
        (JWT[:10] + JWT[11:], "is damaged"),
        (f"{part([1])}.{part({})}.{'s' * 43}".replace(part([1]), "eyJ"), "is damaged"),
        ("your_long_lived_access_token_here", "is still a placeholder"),
        ("YOUR-TOKEN", "is still a placeholder"),
        ("<TOKEN>", "is still a placeholder"),
        ("${HA_TOKEN}", "is still a placeholder"),
        ("{{ token }}", "is still a placeholder"),
        ("change_me", "is still a placeholder"),
        ("x" * 40, "is still a placeholder"),
    ],
)
def test_what_is_wrong_is_named(token: str, problem: str) -> None:
    assert (token_problem(token) or "").startswith(problem)


@pytest.mark.parametrize("token", ["my-super-secret-auth-token", "homeiq-token", "$ecret", "user:password"])
def test_a_database_may_have_any_secret(token: str) -> None:
    assert secret_problem(token) is None


@given(st.text(max_size=300))
def test_an_answer_never_holds_the_token(token: str) -> None:
    marked = f"S3cr3t{token}S3cr3t"
    assert "S3cr3t" not in (token_problem(marked) or "")
    assert "S3cr3t" not in (token_problem(f"eyJ{marked}") or "")


@given(st.binary(min_size=1, max_size=40).map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_a_damaged_web_token_is_named_and_never_raises(text: str) -> None:
    assert token_problem(f"eyJ{text}.{text}.{'s' * 43}") is not None


DATABASE = "Zk3/" * 21 + "aa=="
"""As InfluxDB makes them."""


@pytest.mark.parametrize(
    "text",
    [JWT, SUPERVISOR, DATABASE, f"Bearer {JWT}", f" {JWT}\n", f"http://{JWT}", JWT[:40], f"http://{SUPERVISOR}:8123"],
)
def test_a_token_in_the_place_of_an_address_is_known_as_one(text: str) -> None:
    assert looks_like_token(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "localhost", "home.example.com", "http://homeassistant.local:8123", "ws://supervisor/core/websocket",
        "https://abcdefghijklmnopqrstuvwxyz012345.ui.nabu.casa", "http://[fe80::1]:8123", "192.168.1.2:8123",
        f"http://influx.example.com/{'api/' * 30}", f"https://{'a' * 63}.{'b' * 63}.example.com/",
    ],
)  # fmt: skip
def test_an_address_is_not_taken_for_a_token(text: str) -> None:
    assert not looks_like_token(text)
