"""The documentation as a site: every page has one place in it, and what is built needs no other host."""

from __future__ import annotations

import importlib.util
import os
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest
from attrs import define, field

from tests.documents.blocks import ROOT

DOCS = ROOT / "docs"
SITE = Path(os.environ.get("SITE", ""))
built = pytest.mark.skipif("SITE" not in os.environ, reason="`nox -s docs` builds the site")
LOADING = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
}
LOADED = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "manifest"}


@pytest.fixture(scope="module")
def conf() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conf", DOCS / "conf.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def listed(conf: ModuleType) -> Iterator[str]:
    """Every page that the navigation names."""
    for contents in DOCS.rglob("README.md"):
        for tree in conf.contents(contents.read_text("utf-8")):
            pages = tree.partition("\n\n")[2].splitlines()[:-1]
            yield from ((contents.parent / page).relative_to(DOCS).as_posix() for page in pages)


def test_every_page_has_one_place(conf: ModuleType) -> None:
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")} - {"README"}
    found = Counter(listed(conf))
    assert sorted(pages - found.keys()) == [], "link it in docs/README.md, or in the README.md of its folder"
    assert sorted(found.keys() - pages) == []
    assert [page for page, times in found.items() if times > 1] == [], "it is linked more than once"


def test_the_navigation_is_made_of_the_links_of_a_paragraph(conf: ModuleType) -> None:
    text = "# A\n\n**To do**: [b](x/b.md) ·\n[c d](x/c.md#e)\n\n[no](../y.md), [n](z.py), [o](https://a/b.md)\n\n| [t](t.md) |\n"
    assert list(conf.contents(text)) == [
        "```{toctree}\n:hidden:\n:caption: To do\n\nx/b\nx/c\n```",
        "```{toctree}\n:hidden:\n\nt\n```",
    ]


def test_a_link_out_of_the_site_says_its_path(conf: ModuleType) -> None:
    text = "[by](../../tests/test_docs.py) [`a.py`](../../x/a.py) [p](soak.md#a) [h](https://a/b) [d](../decisions)\n```sh\n[a](../../b)\n```\n"
    assert conf.plain(text, DOCS / "how-to" / "x.md") == (
        "by (`tests/test_docs.py`) `x/a.py` [p](soak.md#a) [h](https://a/b) d (`docs/decisions`)\n```sh\n[a](../../b)\n```\n"
    )


@define
class Page(HTMLParser):
    """What a built page loads, where it leads, and what can be led to."""

    loads: list[str] = field(factory=list)
    leads: list[str] = field(factory=list)
    anchors: set[str] = field(factory=set)

    def __attrs_post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors.add(given.get("id", ""))
        if tag in LOADING and LOADING[tag] in given:
            self.loads.append(given[LOADING[tag]])
        if tag == "link" and LOADED & set(given.get("rel", "").split()):
            self.loads.append(given["href"])
        if tag == "a" and "href" in given:
            self.leads.append(given["href"])


@pytest.fixture(scope="module")
def pages() -> dict[Path, Page]:
    found = {}
    for path in sorted((ROOT / SITE).rglob("*.html")):
        found[path] = page = Page()
        page.feed(path.read_text("utf-8"))
    return found


@built
def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, Page]) -> None:
    assert len(pages) > 60
    for path, page in pages.items():
        assert page.loads, path
        away = [each for each in page.loads if urlsplit(each).netloc or urlsplit(each).scheme not in {"", "data"}]
        assert away == [], path
        missing = [
            each for each in page.loads if each.startswith("data:") is False and not target(path, each).is_file()
        ]
        assert missing == [], path


@built
def test_no_style_loads_from_elsewhere() -> None:
    styles = sorted((ROOT / SITE).rglob("*.css"))
    loaded = [
        found
        for path in styles
        for found in re.findall(r"(?:url\(|@import)\s*[\"']?([^\"')]+)", path.read_text("utf-8"))
    ]
    assert styles
    assert [each for each in loaded if re.match(r"(\w+:)?//", each)] == []


@built
def test_every_link_leads_somewhere(pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        for link in page.leads:
            parts = urlsplit(link)
            if parts.scheme or not path.is_file():
                continue
            there = target(path, link)
            assert there.is_file(), f"{path.name}: {link}"
            if parts.fragment and there in pages and there.name not in {"search.html", "genindex.html"}:
                assert unquote(parts.fragment) in pages[there].anchors, f"{path.name}: {link}"


@built
def test_no_file_of_the_sources_is_among_the_pages() -> None:
    assert not (ROOT / SITE / "_downloads").exists()
    assert (ROOT / SITE / "index.html").is_file()


def target(page: Path, link: str) -> Path:
    """The file that a link of a page means."""
    name = unquote(urlsplit(link).path)
    return Path(os.path.normpath(page.parent / name)) if name else page
