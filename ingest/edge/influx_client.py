"""A database that speaks InfluxDB's v2 API: the one module that knows `influxdb-client`.

What replaces it must offer: bytes that are sent as they are (its own gzip, level 9, takes three times as long as ours), any
status as a value, TLS with a context of ours, and a socket timeout. It blocks, and its import takes a second: all of this
module runs in a lane. Every foreign error leaves as `Transient` or `Refused`, and no text with the token in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import BadStatusLine, HTTPException
from io import BytesIO
from pathlib import Path
from typing import Any

from attrs import define, evolve, field, frozen

from ingest.core.certificates import trust
from ingest.core.influx_answer import TOKEN_SETTING, Answer, check_token
from ingest.core.secret import Secret, masked
from ingest.core.urls import without_credentials
from ingest.edge.influx_org import org_id, organisation
from ingest.edge.reason import reach
from ingest.edge.tls import tls_context, tls_failure
from ingest.errors import Refused, Transient
from ingest.runtime.garbage import letting_go

SOCKET_TIMEOUT = 30.0
"""Seconds that one read from or write to the socket may take."""

_SECURE = " If a browser shows https:// there, write that."

LONGEST = 16 * 1024 * 1024
"""Bytes of an answer that are read. InfluxDB 2 quotes every line that it cannot read: of a full batch, 4 MiB and more."""


@frozen
class Address:
    """Where to write, and how. `retention` (seconds) is given to a bucket that we create; None keeps for ever.

    `renewed` reads the token anew, which `token_setting` names; it raises `Refused` when there is none to be read.
    """

    url: str
    token: Secret
    org: str
    bucket: str
    ssl_verify: bool = True
    ca_file: Path | None = None
    create_bucket: bool = True
    retention: float | None = None
    renewed: Callable[[], Secret] | None = None
    token_setting: str = TOKEN_SETTING

    @property
    def where(self) -> str:
        """The URL without credentials."""
        return without_credentials(self.url)


@define(eq=False)
class Client:
    """The blocking half: connections that are kept, used by one thread at a time."""

    address: Address
    _api: Any = None
    _token: Secret = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._token = self.address.token

    def write(self, body: bytes, encoding: str = "gzip") -> Answer:
        """Write line protocol, times in nanoseconds; `body` is sent as it is. Any status is an answer.

        Raises `Transient` or `Refused`.
        """
        query = {"org": self.address.org, "bucket": self.address.bucket, "precision": "ns"}
        headers = {"Content-Encoding": encoding, "Content-Type": "text/plain; charset=utf-8"}
        return self.request("POST", "/api/v2/write", query, headers, body)

    def ping(self) -> Answer:
        """Ask for the server's version. Any status is an answer. Raises `Transient` or `Refused`."""
        return self.request("GET", "/ping")

    def create_bucket(self) -> Answer:
        """Create the bucket in its organisation: 201, or the answer that says why not. Raises `Transient` or `Refused`."""
        found = organisation(self, self.address.org)
        if found.status != 200:
            return found
        rules = [{"type": "expire", "everySeconds": int(self.address.retention)}] if self.address.retention else []
        bucket = {"name": self.address.bucket, "orgID": org_id(found, self.address.org), "retentionRules": rules}
        return self.request("POST", "/api/v2/buckets", body=bucket)

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | dict[str, Any] | None = None,
    ) -> Answer:
        """One request; any status is an answer. Raises `Transient` or `Refused` when there is none."""
        self._renew()
        answer = self._request(method, path, dict(query or {}), dict(headers or {}), body)
        return evolve(answer, text=masked(answer.text))

    def _request(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: object) -> Answer:
        self._api = self._api or _api(self.address, self._token.reveal())
        with _translated(self.address.where), letting_go():
            return _answered(self._api, method, path, query_params=query, header_params=headers, body=body)

    def _renew(self) -> None:
        """A new token is a new file content. One that cannot be read now leaves us the last one."""
        try:
            token = self.address.renewed() if self.address.renewed else self._token
        except Refused:
            return
        if token != self._token:
            self.close()
            self._token, self._api = token, None

    def close(self) -> None:
        """Close the connections that are open. The client may be used again: it opens new ones."""
        if self._api is not None:
            self._api.rest_client.pool_manager.clear()


def _api(address: Address, token: str) -> Any:
    import urllib3  # noqa: PLC0415  comes with influxdb-client
    from influxdb_client.client.influxdb_client import InfluxDBClient  # noqa: PLC0415  takes a second

    if not (token.isascii() and token.isprintable()):  # an HTTP header cannot hold it, and the error would show it
        raise Refused(
            "the token holds characters that no token has",
            where=address.where,
            remedy=check_token(address.token_setting),
        )
    if not address.ssl_verify:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # it was chosen, and said at the start
    client: Any = InfluxDBClient(
        address.url,
        token,
        org=address.org,
        timeout=int(SOCKET_TIMEOUT * 1000),
        ssl_context=tls_context(verify=address.ssl_verify, ca_file=address.ca_file),
        verify_ssl=address.ssl_verify,
    )
    pools = client.api_client.rest_client.pool_manager
    pools.request = _bounded(pools.request)
    return client.api_client


def _bounded(request: Callable[..., Any]) -> Callable[..., Any]:
    """The pools' request, for answers that have no end: what is longer is cut off, and its connection closed.

    Where an answer points to nobody goes: a database is where its address says, and what is written is for it alone.
    """
    from urllib3 import HTTPResponse  # noqa: PLC0415  comes with influxdb-client

    def bounded(method: str, url: str, **given: Any) -> Any:
        answer = request(method, url, **{**given, "preload_content": False, "redirect": False})
        body = bytearray()
        for piece in answer.stream():
            body += piece
            if len(body) > LONGEST:
                answer.close()
                break
        # The client reads UTF-8 alone, and a proxy may speak otherwise: what counts is the status.
        whole = body[:LONGEST].decode("utf-8", "replace").encode()
        facts = {"headers": answer.headers, "status": answer.status, "reason": answer.reason}
        return HTTPResponse(BytesIO(whole), **facts, decode_content=False, enforce_content_length=False)

    return bounded


def _answered(api: Any, method: str, path: str, **request: Any) -> Answer:
    """The client's answer, or the one in its exception. One without a status is about TLS and goes on."""
    from influxdb_client.rest import ApiException  # noqa: PLC0415  takes a second

    try:
        _, status, headers = api.call_api(path, method, _return_http_data_only=False, **request)
    except ApiException as error:
        if not error.status:
            raise
        return _answer(error.status, error.body, error.headers)
    return _answer(status, api.last_response.data, headers)


@contextmanager
def _translated(where: str) -> Iterator[None]:
    from influxdb_client.rest import ApiException  # noqa: PLC0415  takes a second
    from urllib3.exceptions import HTTPError  # noqa: PLC0415  comes with it

    try:
        yield
    except ApiException as error:
        raise _insecure(str(error.reason), where) from error
    except HTTPError as error:
        what = f"the database cannot be reached: {masked(_said(cause := _cause(error)))}"
        secure = isinstance(cause, HTTPException | ConnectionResetError) and where.startswith("http:")
        raise Transient(what, where=where, remedy=f"{reach(cause)}{_SECURE if secure else ''}") from error


def _answer(status: int, text: str | None, headers: Mapping[str, str]) -> Answer:
    return Answer(status, text or "", {name.lower(): value for name, value in headers.items()})


def _insecure(reason: str, where: str) -> Refused | Transient:
    """Why TLS failed. The client puts the exception's name and the library's words into one text."""
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        said = reason.partition("certificate verify failed: ")[2].partition(" (_ssl")[0] or "it cannot be verified"
        return Refused(
            f"the database's certificate is not trusted: {said}", where=where, remedy=trust(said, "influxdb")
        )
    return tls_failure("the database", reason, where, "Check whether it is http or https, and what stands before it.")


def _cause(error: BaseException) -> BaseException:
    """The innermost reason: the client's own words name objects and addresses in memory."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return error


def _said(error: BaseException) -> str:
    if isinstance(error, BadStatusLine) and not isinstance(error, OSError):
        return "what answers there does not speak HTTP"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
