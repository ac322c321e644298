"""The status page: plain files of the package, for a browser that asks with `GET /`, and what they may do there.

The files never change while the service runs: they are read once, and a browser that has them gets 304. The policy lets
the page load and ask what is ours and nothing else, and run no script and no style that is not in a file of ours. It may be
in a frame of a page of the same origin, which could do all of it anyway: that is how Home Assistant shows an app's page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Final

from attrs import frozen
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

TYPES: Final[Mapping[str, str]] = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

INDEX: Final = "index.html"

OURS: Final = ("script-src", "style-src", "img-src", "connect-src", "frame-ancestors")
NOBODYS: Final = ("default-src", "base-uri", "form-action")
POLICY: Final = "; ".join([*(f"{each} 'none'" for each in NOBODYS), *(f"{each} 'self'" for each in OURS)])

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@frozen
class Asset:
    """One file of the page: its bytes, its content type, and what says whether a browser has it already."""

    content: bytes
    kind: str
    etag: str

    def answer(self, request: Request, **more: str) -> Response:
        """The file, or 304 for who has it."""
        headers = {**HEADERS, "ETag": self.etag, **more}
        known = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
        if known & {self.etag, "*"}:
            return Response(status_code=304, headers=headers)
        return Response(self.content, media_type=self.kind, headers=headers)


@cache
def assets() -> Mapping[str, Asset]:
    """Every file of the page, by its name."""
    return dict(_read())


def _read() -> Iterator[tuple[str, Asset]]:
    for file in resources.files("ingest.web").joinpath("page").iterdir():
        kind = TYPES.get(file.name.rpartition(".")[2])
        if kind is not None:
            content = file.read_bytes()
            yield file.name, Asset(content, kind, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def routes() -> list[BaseRoute]:
    """What is answered, by path."""
    return [Route("/assets/{name}", _asset, include_in_schema=False)]


def page(request: Request) -> Response:
    """Answer with the page itself, to who asks `/` for HTML."""
    return assets()[INDEX].answer(request, Vary="Accept")


async def _asset(request: Request) -> Response:
    found = assets().get(request.path_params["name"])
    if found is None:
        return JSONResponse({"error": "the status page has no such file"}, 404)
    return found.answer(request)


def wants_page(accept: str) -> bool:
    """True when an `Accept` header prefers HTML to JSON, as those of browsers do; of programs that say `*/*` it is not."""
    asked = [_range(each) for each in accept.split(",")]
    return _quality("text/html", asked) > _quality("application/json", asked)


def _range(said: str) -> tuple[str, float]:
    """One range of an `Accept` header, and how much it is wanted."""
    kind, *parameters = (each.strip().lower() for each in said.split(";"))
    weights = [each[2:] for each in parameters if each.startswith("q=")]
    try:
        return kind, float(weights[0]) if weights else 1.0
    except ValueError:
        return kind, 0.0


def _quality(kind: str, asked: list[tuple[str, float]]) -> float:
    """How much a kind is wanted: as the range says that names it most closely."""
    for name in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        for said, weight in asked:
            if said == name:
                return weight
    return 0.0
