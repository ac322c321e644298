"""The documentation as a site: `nox -s docs` builds it into `.nox/site`, with warnings as errors and without the network.

The pages are plain Markdown that is also read in a checkout and on a forge, so nothing here asks for another syntax:
a page's navigation is made of the links in the `README.md` of its folder, and a link to what is no page of the site (a
test, a script, the README above) becomes the path's name.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from os.path import normpath
from pathlib import Path
from typing import Any

from pygments.lexers.special import TextLexer

from ingest import __version__

HERE = Path(__file__).parent
LINK = re.compile(r"\[([^\]]*)\]\(([^()\s#]+)(#[^()\s]*)?\)")
FENCED = re.compile(r"(^ *```.*?^ *```)", re.MULTILINE | re.DOTALL)

project = "homeiq-ingest"
release = version = __version__
extensions = ["myst_parser"]
root_doc = "README"
exclude_patterns = ["**/.*"]
nitpicky = True
myst_heading_anchors = 6
html_theme = "furo"
html_title = f"{project} {__version__}"
html_copy_source = html_show_sourcelink = html_show_copyright = False


def plain(text: str, page: Path) -> str:
    """The page's text, where a link to what is no page of the site says the path instead."""
    parts = FENCED.split(text)
    parts[::2] = (LINK.sub(lambda link: _linked(link, page), part) for part in parts[::2])
    return "".join(parts)


def _linked(link: re.Match[str], page: Path) -> str:
    words, target, _ = link.groups()
    path = Path(normpath(page.parent / target))
    if re.match(r"[a-z]+:", target) or (path.is_relative_to(HERE) and path.suffix):
        return link[0]
    name = path.relative_to(HERE.parent).as_posix()
    return f"`{name}`" if words.strip("`") in {name, path.name, path.stem} else f"{words} (`{name}`)"


def contents(text: str) -> Iterator[str]:
    """What stands in the navigation: for each paragraph of links one list, named by the bold words it begins with."""
    for paragraph in FENCED.sub("", text).split("\n\n"):
        pages = [target.removesuffix(".md") for _, target, _ in LINK.findall(paragraph) if target.endswith(".md")]
        if pages := [page for page in pages if not page.startswith(("..", "http"))]:
            named = re.match(r"\*\*(.+?)\*\*", paragraph)
            caption = [f":caption: {named[1]}"] if named else []
            yield "\n".join(["```{toctree}", ":hidden:", *caption, "", *pages, "```"])


def read(app: Any, name: str, source: list[str]) -> None:
    """Sphinx has read a page."""
    page = Path(app.env.doc2path(name))
    text = plain(source[0], page)
    source[0] = "\n\n".join([text, *contents(text)]) if page.name == "README.md" else text


def built(app: Any, error: Exception | None) -> None:
    """Sphinx has written everything: a folder's first page also has the name that a browser and a server look for."""
    if error is None and app.builder.name == "html":
        for page in Path(app.outdir).rglob("README.html"):
            shutil.copy(page, page.with_name("index.html"))


def setup(app: Any) -> dict[str, bool]:
    """Sphinx asks what is to be done when."""
    for language in ("flux", "influxql", "promql"):  # Pygments knows none of them
        app.add_lexer(language, TextLexer)
    app.connect("source-read", read)
    app.connect("build-finished", built)
    return {"parallel_read_safe": True}
