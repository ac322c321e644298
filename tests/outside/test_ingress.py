"""The status page as Home Assistant shows an app's: in a frame of its own origin, below a prefix, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from attrs import frozen
from playwright.sync_api import FrameLocator, expect

from tests.outside.stage import Look, Stage, browsing, looking, staged
from tests.support.ingress import FOREIGN, PREFIX, SOURCE, ingress

pytestmark = [pytest.mark.outside, pytest.mark.slow]


@frozen
class Framed:
    """`url` is what stands around the page."""

    stage: Stage
    url: str


@pytest.fixture(scope="module")
def framed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Framed]:
    closed = f'api.trusted_proxies=["{SOURCE}"]'
    with staged(tmp_path_factory.mktemp("ingress"), closed) as stage:
        port = urlsplit(stage.url).port
        assert port is not None
        with ingress(port) as url:
            yield Framed(stage, url)


@pytest.fixture
def look() -> Iterator[Look]:
    with browsing() as browser, looking(browser) as made:
        yield made


def frame(look: Look, framed: Framed) -> FrameLocator:
    look.page.goto(framed.url)
    inner = look.page.frame_locator("iframe")
    expect(inner.get_by_role("heading", level=1)).to_have_text("All is well.")
    return inner


def test_all_of_the_page_works_in_the_frame(look: Look, framed: Framed) -> None:
    page = frame(look, framed)
    stored = page.locator(".tile:has(dt:text-is('Stored')) .figure").inner_text()
    expect(page.locator("#tail-says")).to_contain_text("Listening to everything")
    framed.stage.home.change(["sensor.kitchen_power", "light.hall"], "412")
    expect(page.locator("#tail li").first).to_be_visible()
    expect(page.locator(".tile:has(dt:text-is('Stored')) .figure")).not_to_have_text(stored)
    expect(page.locator(".gap")).to_have_count(4)
    expect(page.locator("#letters > li")).to_have_count(3)
    expect(page.locator("#rooms article")).not_to_have_count(0)
    expect(page.locator(".brand img")).to_have_js_property("complete", True)
    assert page.locator(".brand img").evaluate("each => each.naturalWidth") > 0
    assert look.errors == []


def test_it_asks_nothing_beside_the_prefix(look: Look, framed: Framed) -> None:
    asked: list[str] = []
    look.page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    look.page.on("websocket", lambda socket: asked.append(urlsplit(socket.url).path))
    page = frame(look, framed)
    expect(page.locator("#tail-says")).to_contain_text("Listening to")
    inside = [path for path in asked if path != "/"]
    assert {f"{PREFIX}/", f"{PREFIX}/health/detailed", f"{PREFIX}/ws", f"{PREFIX}/assets/app.js"} <= set(inside)
    assert [path for path in inside if not path.startswith(f"{PREFIX}/")] == []


def test_a_page_of_another_origin_may_not_frame_it(look: Look, framed: Framed) -> None:
    other = framed.url.replace("127.0.0.1", "localhost")
    with look.page.expect_response(f"{framed.url}{PREFIX}/") as answered:
        look.page.goto(other + FOREIGN)
    assert answered.value.status == 200
    look.page.wait_for_function("frames.length === 1")
    (inner,) = look.page.main_frame.child_frames
    assert inner.url.startswith("chrome-error:"), "the browser does not show it"
    assert inner.locator("h1#headline").count() == 0


def test_who_asks_the_app_itself_is_refused(framed: Framed) -> None:
    assert httpx.get(framed.stage.url, headers={"X-Ingress-Path": PREFIX}, trust_env=False).status_code == 401
