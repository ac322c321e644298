"""The status page without a browser: who gets it, what it may do there, and that everything it names exists."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path

import httpx
import pytest
from starlette.routing import BaseRoute

import ingest
from ingest.config.service import Api
from ingest.core.secret import Secret
from ingest.web import status_page
from ingest.web.app import application
from ingest.web.status_page import POLICY, assets, wants_page
from tests.core.test_health import UP, after
from tests.web.test_app import sources

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
TOKEN = Api(token=Secret("let-me-in"))
PAGE = Path(str(resources.files("ingest.web"))) / "page"
LONGEST = 250
"""Lines of a script, as of a module."""


def routes() -> list[BaseRoute]:
    return [*sources(after(*UP)).routes(), *status_page.routes()]


async def ask(path: str, api: Api = Api(), method: str = "GET", **headers: str) -> httpx.Response:  # noqa: B008  frozen
    transport = httpx.ASGITransport(application(routes(), api))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as session:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await session.request(method, path, headers=given)


def text(name: str) -> str:
    return assets()[name].content.decode()


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("text/*", True),
        ("TEXT/HTML;level=1", True),
        ("text/html;q=0.9, application/json;q=0.8", True),
        ("application/json;q=0.9, text/html;q=0.8", False),
        ("application/json, text/html", False),
        ("application/json", False),
        ("*/*", False),
        ("", False),
        ("text/html;q=0", False),
        ("text/html;q=much", False),
        ("text/html;q=0.5, */*", False),
        (";;,,", False),
    ],
)
async def test_who_prefers_html_gets_the_page_and_programs_get_json(accept: str, wanted: bool) -> None:
    assert wants_page(accept) is wanted
    answer = await ask("/", accept=accept)
    assert answer.status_code == 200
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["content-type"] == ("text/html; charset=utf-8" if wanted else "application/json")
    assert answer.text.startswith("<!doctype html>") is wanted


async def test_everything_has_the_policy_its_kind_and_a_tag() -> None:
    for name in assets():
        answer = await ask("/" if name == "index.html" else f"/assets/{name}", accept=BROWSER)
        assert answer.status_code == 200
        assert answer.content == (PAGE / name).read_bytes()
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-cache"
        for known in (answer.headers["etag"], f"W/{answer.headers['etag']}", f'"a", {answer.headers["etag"]}', "*"):
            again = await ask(answer.url.path, accept=BROWSER, if_none_match=known)
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == answer.headers["etag"]
        changed = await ask(answer.url.path, accept=BROWSER, if_none_match='"another"')
        assert changed.status_code == 200
    assert "unsafe" not in POLICY
    assert "http" not in POLICY


@pytest.mark.parametrize("name", ["nothing.js", "..%2fapp.py", "%2e%2e/app.py", "", ".", "app.js/", "APP.JS"])
async def test_nothing_else_is_an_asset(name: str) -> None:
    answer = await ask(f"/assets/{name}")
    assert answer.status_code in {404, 307}
    assert "import" not in answer.text


async def test_the_page_and_its_files_are_behind_the_guard() -> None:
    for path in ("/", "/assets/app.js", "/assets/index.html"):
        assert (await ask(path, TOKEN, accept=BROWSER)).status_code == 401
        assert (await ask(path, TOKEN, accept=BROWSER, authorization="Bearer let-me-in")).status_code == 200


def test_every_file_that_the_page_names_exists_and_every_file_is_named() -> None:
    named = set(re.findall(r'(?:src|href)="assets/([^"]+)"', text("index.html"))) | {"index.html"}
    for name in assets():
        if name.endswith(".js"):
            named |= set(re.findall(r'^import (?:.* from )?"\./([^"]+)";$', text(name), re.MULTILINE))
    assert named == assets().keys()


def test_every_element_that_a_script_looks_for_is_in_the_page() -> None:
    ids = set(re.findall(r' id="([^"]+)"', text("index.html")))
    wanted = {
        found for name in assets() if name.endswith(".js") for found in re.findall(r'byId\("([^"]+)"\)', text(name))
    }
    assert wanted <= ids
    anchors = set(re.findall(r'href="#([^"]+)"', text("index.html")))
    assert anchors <= ids


def test_nothing_comes_from_elsewhere_and_nothing_is_inline() -> None:
    index = text("index.html")
    assert not re.search(r"<style|style=|javascript:|\son\w+=", index)
    assert not re.search(r"<script(?![^>]* src=)", index)
    for name in assets():
        found = re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", text(name))
        assert [each for each in found if "www.w3.org" not in each] == [], name


def test_no_script_makes_markup_of_what_it_is_told() -> None:
    for name in assets():
        if name.endswith(".js"):
            for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
                assert way not in text(name), name


def test_what_is_asked_of_the_service_is_asked_in_one_place() -> None:
    # There an answer has a limit of time, and 401 a sentence of its own.
    assert [name for name in assets() if name.endswith(".js") and "fetch(" in text(name)] == ["service.js"]


def test_scripts_are_as_short_as_modules() -> None:
    assert [name for name in assets() if name.endswith(".js") and len(text(name).splitlines()) > LONGEST] == []


def test_the_page_is_in_the_wheel() -> None:
    # All of `ingest/` is, whatever a file is called; tests/package looks into the wheel.
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": ["ingest"]}
    assert Path(ingest.__file__).parent / "web" / "page" == PAGE
    assert {path.name for path in PAGE.iterdir()} == assets().keys()
