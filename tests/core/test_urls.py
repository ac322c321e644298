import pytest

from ingest.core.urls import http_base, websocket_url, without_credentials


@pytest.mark.parametrize(
    ("given", "websocket", "http"),
    [
        ("http://ha:8123", "ws://ha:8123/api/websocket", "http://ha:8123"),
        ("https://ha.example/", "wss://ha.example/api/websocket", "https://ha.example"),
        ("ws://ha:8123/api/websocket", "ws://ha:8123/api/websocket", "http://ha:8123"),
        ("wss://ha:8123/api/websocket/", "wss://ha:8123/api/websocket", "https://ha:8123"),
        ("http://ha:8123/api", "ws://ha:8123/api/websocket", "http://ha:8123"),
        ("http://proxy/home", "ws://proxy/home/api/websocket", "http://proxy/home"),
        ("ws://supervisor/core/websocket", "ws://supervisor/core/websocket", "http://supervisor/core"),
        ("http://[fd00::1]:8123", "ws://[fd00::1]:8123/api/websocket", "http://[fd00::1]:8123"),
    ],
)
def test_each_address_from_the_other(given: str, websocket: str, http: str) -> None:
    assert websocket_url(given) == websocket
    assert http_base(given) == http
    assert websocket_url(websocket) == websocket
    assert http_base(websocket) == http


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://h:8086", "http://h:8086"),
        ("http://me:word@h:8086/below?token=x#y", "http://h:8086/below"),
        ("http://me:w/o?r#d@@h", "http://h"),
        ("http://[h", "http://[h"),
        ("", ""),
    ],
)
def test_what_may_be_shown_of_an_address(url: str, shown: str) -> None:
    assert without_credentials(url) == shown
