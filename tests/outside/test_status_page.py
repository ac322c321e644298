"""The status page in a real browser, over a real service. With SCREENSHOTS=1 the pictures in the documents are taken anew."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, Page, Route, WebSocketRoute, expect

from tests.outside.stage import HOSTILE, HOUSE, Look, Stage, browsing, looking, staged, tell_of_house
from tests.support.homes import TOKEN

pytestmark = [pytest.mark.outside, pytest.mark.slow]

SOON = 5_000
"""Milliseconds in which the page must show what has happened."""

PICTURES = Path(__file__).parents[2] / "docs" / "images"
PICTURE = 200_000
"""Bytes of a picture at most."""

STOPS = ("Home Assistant", "connector", "intake", "filter", "link", "batcher", "spool", "writer", "store")
REACHED = "a[href], button:not([tabindex='-1']), input:not([name=span]), input[name=span]:checked, summary, [tabindex='0']:not(button)"
"""What the Tab key stops at: of the gaps and of the two spans one each, the arrows go on from there."""

WHERE = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  return `${one.localName}.${one.className}#${one.id} ${one.getAttribute("href") ?? ""} ${one.getAttribute("aria-label") ?? one.textContent.slice(0, 40)}`;
}"""
HIDDEN = """hidden => {
  Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}

LOOKS = [("light", "light", {}), ("dark", "dark", {}), ("phone", "light", PHONE)]
PARTS = {"light": ("header", 1000), "dark": ("#gaps", 1300), "phone": ("header", 1420)}
"""Where a picture begins, and how high it is."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as made:
        yield made


@pytest.fixture
def look(browser: Browser, stage: Stage) -> Iterator[Look]:
    with looking(browser) as made:
        yield made


def opened(look: Look, stage: Stage, headline: str = "All is well.") -> Page:
    look.page.goto(stage.url)
    expect(look.page.get_by_role("heading", level=1)).to_have_text(headline)
    return look.page


def figure(page: Page, name: str) -> str:
    return str(page.locator(f".tile:has(dt:text-is('{name}')) .figure").inner_text())


def stop(page: Page, name: str) -> Any:
    return page.locator(f".stop:has(h3:text-is('{name}'))")


@pytest.mark.skipif(not os.environ.get("SCREENSHOTS"), reason="SCREENSHOTS=1 takes them")
@pytest.mark.parametrize(("name", "scheme", "surroundings"), LOOKS)
def test_pictures(browser: Browser, stage: Stage, name: str, scheme: str, surroundings: dict[str, Any]) -> None:
    with looking(browser, color_scheme=scheme, **surroundings) as look:
        page = opened(look, stage)
        for number in range(24):
            stage.home.change(["sensor.kitchen_power", "light.hall"][: 1 + number % 2], str(400 + 7 * number % 60))
            page.wait_for_timeout(400)
        expect(page.get_by_role("heading", level=1)).to_have_text("All is well.")
        picture(page, name, *PARTS[name])


def picture(page: Page, name: str, first: str = "header", height: int = 1000) -> None:
    """Taken when it is asked for, from that element on."""
    if os.environ.get("SCREENSHOTS"):
        path, top = PICTURES / f"status-{name}.png", page.locator(first).first.bounding_box()
        assert top is not None
        width = page.viewport_size["width"] if page.viewport_size else 0
        y = top["y"] + page.evaluate("scrollY")
        clip = {"x": 0, "y": y, "width": width, "height": height}
        page.screenshot(path=path, animations="disabled", full_page=True, clip=clip)
        assert path.stat().st_size < PICTURE


def wait_for(page: Page, met: Callable[[], object], milliseconds: int = SOON) -> None:
    end = time.monotonic() + milliseconds / 1000
    while not met():
        assert time.monotonic() < end, f"not within {milliseconds} ms"
        page.wait_for_timeout(50)


def test_all_is_well_in_words_and_live_numbers_move(look: Look, stage: Stage) -> None:
    page = opened(look, stage)
    stored = figure(page, "Stored")
    stage.home.change([f"sensor.kitchen_{number}" for number in range(40)], "1")
    wait_for(page, lambda: figure(page, "Stored") != stored)
    expect(page.locator("#version")).to_have_text(stage.health()["version"])
    for name in STOPS:
        expect(stop(page, name)).to_have_attribute("data-tone", "good")
    expect(page.locator(".spark .curve")).to_have_attribute("d", re.compile("M.+L"))
    expect(page.locator("#letters code", has_text="homeiq-ingest dead-letters retry 1")).to_be_visible()
    expect(page.locator("#letters > li")).to_have_count(3)
    expect(page.locator(".gap")).to_have_count(4)
    assert page.evaluate("window.hacked") is None
    assert look.unexpected(stage.missing()) == []


def test_a_stopped_database_is_seen_soon_with_what_waits_and_why(look: Look, stage: Stage) -> None:
    page = opened(look, stage)
    verdict = page.locator("#verdict")
    try:
        stage.line.become("refuse")
        stage.home.change(["sensor.kitchen_power"], "7")
        expect(verdict).not_to_have_attribute("data-tone", "good", timeout=SOON)
        expect(page.locator("#reasons")).to_contain_text("influxdb takes no points since", ignore_case=True)
        expect(page.locator("#remedies")).to_be_visible()
        expect(page.locator("#said")).to_contain_text("takes no points")
        expect(stop(page, "store")).to_have_attribute("data-tone", "bad")
        expect(stop(page, "spool")).to_have_attribute("data-tone", "wait")
        expect(page.locator("#spool-says")).to_contain_text("because InfluxDB takes none")
        expect(page.locator("#problems")).to_contain_text("database")
        assert violations(page) == []
        picture(page, "trouble")
    finally:
        stage.line.become("fair")
    expect(verdict).to_have_attribute("data-tone", "good", timeout=20_000)
    assert look.unexpected(stage.missing()) == []


def test_a_filled_gap_is_seen_soon(look: Look, stage: Stage) -> None:
    page = opened(look, stage)
    filled = stage.health()["gaps"]["filled"]
    expect(page.locator(".gap")).to_have_count(4)
    stage.lose_home()
    wait_for(page, lambda: stage.health()["gaps"]["filled"] > filled, 20_000)
    expect(page.locator(".gap[data-state=filled]")).to_have_count(3, timeout=SOON)
    page.locator(".gap[tabindex='0']").focus()
    expect(page.locator("#gap-told")).to_contain_text("The connection was lost")
    page.locator("#gaps-all summary").click()
    expect(page.locator("#gap-rows tr").first).to_contain_text("filled")
    expect(page.locator("#gap-rows time").first).to_have_attribute("title", re.compile(r"\d UTC$"))
    page.get_by_label("7 days").check(force=True)
    expect(page.locator(".gap")).to_have_count(6)
    assert look.unexpected(stage.missing()) == []


@pytest.mark.parametrize(("name", "scheme", "surroundings"), LOOKS)
def test_nothing_bars_anybody(
    browser: Browser, stage: Stage, name: str, scheme: str, surroundings: dict[str, Any]
) -> None:
    with looking(browser, color_scheme=scheme, **surroundings) as look:
        tell_of_house(look.page)
        page = opened(look, stage)
        expect(page.locator("#tail li")).to_have_count(4)
        expect(page.locator("#rooms article")).not_to_have_count(0)
        expect(page.locator(".spark .curve")).to_have_attribute("d", re.compile("M.+L"))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.locator("#gaps-all summary").click()
        assert violations(page) == []
        assert look.errors == []


def violations(page: Page) -> list[str]:
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]


def test_the_keyboard_reaches_everything(look: Look, stage: Stage) -> None:
    tell_of_house(look.page)
    page = opened(look, stage)
    expect(page.locator("#tail li")).to_have_count(4)
    seen: list[str] = []
    for _ in range(200):
        page.keyboard.press("Tab")
        here = page.evaluate(WHERE)
        if here is None or here in seen:
            break
        seen.append(here)
    assert len(seen) == page.locator(REACHED).filter(visible=True).count()  # lists may have come meanwhile
    assert seen[0].startswith("a.skip")
    page.locator(".gap[tabindex='0']").focus()
    last = page.locator("#gap-told").inner_text()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#gap-told")).not_to_have_text(last)
    assert page.evaluate("document.activeElement.matches('.gap:focus-visible')")
    page.locator("#theme").focus()
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.keyboard.press("Enter")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_hostile_names_are_words(look: Look, stage: Stage) -> None:
    tell_of_house(look.page)
    page = opened(look, stage)
    expect(page.locator("#tail")).to_contain_text(f"Porch{HOSTILE}")
    expect(page.locator("#rooms")).to_contain_text(HOSTILE)
    expect(page.locator("#letters")).to_contain_text(f"ZeroDivisionError: {HOSTILE}")
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("window.hacked") is None
    assert look.errors == []


def test_the_live_view_takes_what_is_asked_for(look: Look, stage: Stage) -> None:
    tell_of_house(look.page)
    page = opened(look, stage)
    expect(page.locator("#tail-says")).to_contain_text("4 changes of everything")
    page.locator("#tail-filter").fill("Light, sensor.*_power")
    expect(page.locator("#tail-says")).to_contain_text("4 changes of light, sensor.*_power")
    page.locator("#tail-pause").click()
    expect(page.locator("#tail-says")).to_contain_text("paused")


def test_without_a_live_view_the_rest_goes_on(look: Look, stage: Stage) -> None:
    opens: list[str] = []

    def refuse(socket: WebSocketRoute) -> None:
        opens.append(socket.url)
        socket.close(code=1013, reason="not here")

    look.page.route_web_socket("**/ws", refuse)
    page = opened(look, stage)
    expect(page.locator("#tail-says")).to_contain_text("Next attempt in")
    page.wait_for_timeout(2_200)
    assert 2 <= len(opens) <= 3
    stored = figure(page, "Stored")
    stage.home.change(["sensor.kitchen_power", "sensor.hall_motion"], "9")
    wait_for(page, lambda: figure(page, "Stored") != stored)


def test_a_list_that_cannot_be_read_says_why(look: Look, stage: Stage) -> None:
    for path in ("gaps", "dead-letters"):
        look.page.route(
            f"**/api/v1/{path}*", lambda route: route.fulfill(status=503, json={"error": f"busy {HOSTILE}"})
        )
    page = opened(look, stage)
    for name in ("gaps", "refused"):
        expect(page.locator(f"#{name}-says")).to_have_text(f"They cannot be read now: busy {HOSTILE}")


def test_a_store_that_keeps_no_gaps_is_not_said_to_have_none(look: Look, stage: Stage) -> None:
    def without(route: Route) -> None:
        health = stage.health()
        health["gaps"] |= {"open": None}
        health["spool"] |= {"dead_letters": None}
        route.fulfill(json=health)

    look.page.route("**/health/detailed", without)
    page = opened(look, stage)
    expect(page.locator("#gaps-says")).to_contain_text("Gaps are not kept")
    expect(page.locator("#timeline")).to_be_hidden()
    expect(page.locator("#refused-says")).to_contain_text("None are kept")
    assert violations(page) == []


def test_the_one_that_is_not_as_most_are_is_seen(look: Look, stage: Stage) -> None:
    windows = [
        {"name": f"Window {number:02}", "state": "open" if number == 30 else "closed", "device_class": "window"}
        for number in range(40)
    ]
    look.page.route("**/api/status/house", lambda route: route.fulfill(json={**HOUSE, "sensors": {"window": windows}}))
    look.page.route_web_socket("**/ws/status", lambda socket: None)
    page = opened(look, stage)
    card = page.locator("#rooms article").filter(has_text="and 32 more")
    expect(card.locator("dt").first).to_have_text("Window 30")


def test_a_service_that_is_gone_is_said_since_when(look: Look, stage: Stage) -> None:
    page = opened(look, stage)
    page.route("**/health/detailed", lambda route: route.abort())
    headline = page.get_by_role("heading", level=1)
    expect(headline).to_have_text(re.compile(r"^No answer from the service since \d\d:\d\d:\d\d\.$"), timeout=SOON)
    expect(page.locator("#asked")).to_contain_text("without an answer")
    page.unroute("**/health/detailed")
    expect(headline).to_have_text("All is well.", timeout=SOON)


def test_nobody_is_asked_while_nobody_looks(look: Look, stage: Stage) -> None:
    asked: list[str] = []
    page = opened(look, stage)
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(HIDDEN, True)
    page.wait_for_timeout(300)
    asked.clear()
    page.wait_for_timeout(2_500)
    assert asked == []
    page.evaluate(HIDDEN, False)
    wait_for(page, lambda: any(url.endswith("/health/detailed") for url in asked), 1_000)


def test_with_a_token_the_browser_asks_a_person_for_it(browser: Browser, tmp_path: Path) -> None:
    with staged(tmp_path, f"api.token_file={tmp_path / 'token'}") as stage:
        known = {"username": "me", "password": TOKEN}
        with looking(browser, http_credentials=known) as look:
            page = opened(look, stage)
            expect(page.locator("#letters > li")).to_have_count(3)
        with looking(browser) as stranger, pytest.raises(Error, match="INVALID_AUTH_CREDENTIALS"):
            stranger.page.goto(stage.url)  # it asks, and there is nobody
