"""Home Assistant's ingress to an app: what the two proxies of homeassistant/components/hassio/ingress.py and
supervisor/api/ingress.py do to a request, together.

    browser ── /api/hassio_ingress/TOKEN/… ──▶ ingress (from 172.30.32.2, here from 127.0.0.2) ── /… ──▶ app

The name that the browser asked for stays in `Host`, and so do its cookies and its `Origin`; `X-Ingress-Path` and
`X-Forwarded-…` are put in. What is answered loses its encoding, and the parameters of its type. A WebSocket is passed on as it is.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from ipaddress import ip_network
from typing import Final

import trio

from ingest.config.service import Api

PREFIX: Final = "/api/hassio_ingress/U2VjcmV0X29mX2FuX2FwcA"
SOURCE: Final = "127.0.0.2"
APP: Final = Api(port=0, trusted_proxies=(ip_network(SOURCE),))
"""An app's API: from the ingress alone one may ask."""

FRAME: Final = f'<!doctype html><title>Home</title><link rel="icon" href="data:,"><iframe src="{PREFIX}/" width="1200" height="850"></iframe>'
"""What stands around an app's page in Home Assistant."""

FOREIGN: Final = "/foreign"
"""Asked by another name than 127.0.0.1: a page of another origin that puts the app's page into a frame."""

_HOP: Final = {"connection", "sec-websocket-extensions", "accept-encoding"}


async def serve(port: int, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
    """Pass requests on to the app at that port of 127.0.0.1, until cancelled; reports the own port."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    task_status.started(listener.socket.getsockname()[1])
    await trio.serve_listeners(partial(_handle, port), [listener])


@contextmanager
def ingress(port: int) -> Iterator[str]:
    """The same in a thread of its own while the block runs; the address that a browser opens."""
    told: queue.Queue[tuple[int, trio.lowlevel.TrioToken, trio.CancelScope]] = queue.Queue()
    thread = threading.Thread(target=trio.run, args=(_run, port, told), daemon=True)
    thread.start()
    own, token, scope = told.get(timeout=20)
    try:
        yield f"http://127.0.0.1:{own}"
    finally:
        token.run_sync_soon(scope.cancel)
        thread.join(timeout=20)


async def _run(port: int, told: queue.Queue[tuple[int, trio.lowlevel.TrioToken, trio.CancelScope]]) -> None:
    async with trio.open_nursery() as nursery:
        own = await nursery.start(serve, port)
        told.put((own, trio.lowlevel.current_trio_token(), nursery.cancel_scope))


async def _handle(port: int, browser: trio.SocketStream) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        head, rest = await _head(browser)
        method, target, _ = head[0].split(" ")
        if target == "/":
            await browser.send_all(_page(FRAME))
        elif target == FOREIGN:
            own = browser.socket.getsockname()[1]
            await browser.send_all(_page(FRAME.replace('src="', f'src="http://127.0.0.1:{own}')))
        elif not target.startswith(f"{PREFIX}/"):
            await browser.send_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            line = f"{method} {target.removeprefix(PREFIX)} HTTP/1.1"
            await _passed_on(browser, port, [line, *head[1:]], rest)
    await trio.aclose_forcefully(browser)


async def _passed_on(browser: trio.SocketStream, port: int, head: list[str], rest: bytes) -> None:
    upgraded = any(line.lower().startswith("upgrade: websocket") for line in head)
    app = await trio.open_tcp_stream("127.0.0.1", port, local_address=SOURCE)
    async with app:
        await app.send_all("\r\n".join([*_request(head, upgraded=upgraded), "", ""]).encode() + rest)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_pump, browser, app, nursery.cancel_scope)
            answer, begun = await _head(app)
            await browser.send_all("\r\n".join([*_answer(answer), "", ""]).encode() + begun)
            await _pump(app, browser, nursery.cancel_scope)


def _request(head: list[str], *, upgraded: bool) -> Iterator[str]:
    yield head[0]
    names = dict(line.lower().split(": ", 1) for line in head[1:])
    yield from (line for line in head[1:] if line.partition(":")[0].lower() not in _HOP)
    yield "Connection: Upgrade" if upgraded else "Connection: close"
    yield "X-Hass-Source: core.ingress"
    yield f"X-Ingress-Path: {PREFIX}"
    yield "X-Forwarded-For: 192.168.1.7, 172.30.32.1"
    yield f"X-Forwarded-Host: {names['host']}"
    yield "X-Forwarded-Proto: http"


def _answer(head: list[str]) -> Iterator[str]:
    yield head[0]
    for line in head[1:]:
        name, _, value = line.partition(": ")
        yield f"{name}: {value.partition(';')[0]}" if name.lower() == "content-type" else line


async def _head(stream: trio.SocketStream) -> tuple[list[str], bytes]:
    """The lines of a head, and what came behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = bytes(await stream.receive_some(65_536))
        if not piece:
            raise trio.BrokenResourceError("it hung up")
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head.decode("latin-1").split("\r\n"), rest


async def _pump(source: trio.SocketStream, target: trio.SocketStream, both: trio.CancelScope) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while data := await source.receive_some(65_536):
            await target.send_all(data)
    both.cancel()


def _page(text: str) -> bytes:
    body = text.encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )
