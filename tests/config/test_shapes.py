from ipaddress import ip_network

import pytest

from ingest.config import shapes
from ingest.config.kinds import Kind, Wrong
from ingest.core.secret import MASK, Secret
from ingest.core.urls import websocket_url

HTTP = shapes.url("http", "https")
WS = shapes.url("http", "https", "ws", "wss", normal=websocket_url)


def test_addresses_become_uniform() -> None:
    assert HTTP.parse(" http://db:8086/ ") == "http://db:8086"
    assert WS.parse("http://ha:8123") == "ws://ha:8123/api/websocket"
    assert HTTP.parse(" ") is None


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (5, "5 is not an address"),
        ("ha:8123", "not shown. does not start with http:// or https://"),
        ("ftp://ha", "does not start with"),
        ("http://", "names no host"),
        ("http://h a", "holds a space"),
        ("http://ha:80800", "is not an address"),
        ("http://[::1", "is not an address"),
        ("http://me:hunter2@ha", "holds a user or password"),
        ("http://ha/?token=hunter2", "query or fragment"),
        ("http://ha/#x", "query or fragment"),
    ],
)
def test_what_is_wrong_with_an_address(raw: object, said: str) -> None:
    with pytest.raises(Wrong, match=said.replace("?", r"\?")) as caught:
        HTTP.parse(raw)
    assert "hunter2" not in str(caught.value)


def test_a_secret_stays_one() -> None:
    kind = shapes.secret()
    assert kind.parse("x") == Secret("x")
    assert kind.parse(Secret("x")) == Secret("x")
    assert kind.parse("") is None
    assert kind.show(Secret("x")) == MASK
    assert kind.show(None) == ""
    with pytest.raises(Wrong, match="not shown"):
        kind.parse(5)


@pytest.mark.parametrize("raw", [["a", "b"], "a, b", '["a", "b"]'])
def test_lists_of_names(raw: object) -> None:
    assert shapes.words().parse(raw) == ("a", "b")


def test_names_by_domain() -> None:
    kind = shapes.by_domain()
    assert kind.parse('{"camera": ["brand"]}') == {"camera": ("brand",)}
    assert kind.parse(' {camera = ["brand"]} ') == {"camera": ("brand",)}
    assert kind.show(kind.parse({"camera": ["brand"]})) == {"camera": ["brand"]}


def test_networks() -> None:
    kind = shapes.networks()
    assert kind.parse("192.168.1.0/24, ::1") == (ip_network("192.168.1.0/24"), ip_network("::1"))
    assert kind.show(kind.parse(["10.0.0.0/8"])) == ["10.0.0.0/8"]


def test_origins() -> None:
    assert shapes.origins().parse("http://a.example:3000/,*") == ("http://a.example:3000", "*")
    assert shapes.origins().parse("http://[fd00::5]:80,http://10.0.0.1") == ("http://[fd00::5]:80", "http://10.0.0.1")


@pytest.mark.parametrize(
    ("kind", "raw", "said"),
    [
        (shapes.words(), 5, "5 is not a list of names"),
        (shapes.words(), [5], "5 in the list is not a name"),
        (shapes.words(), "[1,", r"not JSON \(line 1"),
        (shapes.words(), "[" * 100_000, "not JSON"),
        (shapes.by_domain(), [], "a list is not a table"),
        (shapes.networks(), ["192.168.1.1/24"], "not a network"),
        (shapes.networks(), [5], "not a network"),
        (shapes.origins(), ["http://a/b"], "not an origin"),
        (shapes.origins(), ["http://[fd00::5"], "not an origin"),
        (shapes.origins(), ["http://fd00::5]:80"], "not an origin"),
        (shapes.origins(), ["https://:8080"], "not an origin"),
        (shapes.origins(), ["https://a:99999"], "not an origin"),
    ],
)
def test_what_is_wrong_is_named(kind: Kind, raw: object, said: str) -> None:
    with pytest.raises(Wrong, match=said):
        kind.parse(raw)


@pytest.mark.parametrize(
    ("kind", "raw", "said"),
    [
        (shapes.words(), ["a", 5, "", 5], ["5 in the", '"" in the']),
        (shapes.networks(), "10.0.0.1/8, ::1, x", ['"10.0.0.1/8" is', '"x" is']),
        (shapes.origins(), ["http://a/b", "*", "c"], ['"http://a/b" is', '"c" is']),
        (shapes.by_domain(), {"a": [1, 2], "b": 3, "c": ["d"]}, ["1 in the", "2 in the", "3 is not"]),
        (shapes.texts(), {"a": 1, "b": "c", "d": 2}, ["1 in the", "2 in the"]),
    ],
)
def test_of_every_item_what_is_wrong_is_said_once(kind: Kind, raw: object, said: list[str]) -> None:
    with pytest.raises(Wrong) as caught:
        kind.parse(raw)
    assert len(caught.value.args) == len(said)
    assert all(told.startswith(begun) for told, begun in zip(caught.value.args, said, strict=True))
    assert str(caught.value) == "; ".join(caught.value.args)


def test_a_text_for_each_name() -> None:
    kind = shapes.texts()
    assert kind.parse({"source": "HA"}) == {"source": "HA"} == kind.parse('{"source": " HA "}')
    assert kind.show(kind.parse({"source": "HA"})) == {"source": "HA"}
    for wrong in ({"source": 5}, ["source"], "source", {"source": "a\nb"}):
        with pytest.raises(Wrong):
            kind.parse(wrong)
