"""The v2 write API of InfluxDB before the real 1.x engine, which has none: for tests of times, types and tags.

It answers as InfluxDB 2 does where the engine says the same in other words: an unparsable line is 400 and stores nothing
of its request (tried on a scratch database first), a type conflict is 422 with the rest stored, an unknown bucket 404, a
wrong token 401. It is not InfluxDB 2: say "the real 1.x engine behind a v2 envelope", never "tested on InfluxDB 2".
"""

from __future__ import annotations

import gzip
import json
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from attrs import frozen

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SCRATCH = "_lint"
VERSION = "v2.0.0+envelope-of-a-1.x-engine"
ORG = {"id": "00000000000000aa", "name": "homeiq"}
PRECISIONS = {"ns": "ns", "us": "u", "ms": "ms", "s": "s"}  # the engine ignores "us" and knows "u"


@frozen
class Answer:
    status: int
    body: object = None

    @classmethod
    def error(cls, status: int, code: str, message: str) -> Answer:
        return cls(status, {"code": code, "message": message})


def translated(answer: httpx.Response, bucket: str) -> Answer:
    """What InfluxDB 2 says where the 1.x engine answered a write like this."""
    if answer.status_code == 204:
        return Answer(204)
    message = answer.json().get("error", answer.text)
    match answer.status_code:
        case 404:
            return Answer.error(404, "not found", f'bucket "{bucket}" not found')
        case 413:
            return Answer.error(413, "request too large", "unable to read data: points batch is too large")
        case 400 if "unable to parse" in message:
            plain = message.removeprefix("partial write: ").removesuffix(" dropped=0")
            return Answer.error(400, "invalid", plain)
        case 400 if message.startswith("partial write"):
            text = f"failure writing points to database: {message}"
            return Answer.error(422, "unprocessable entity", text)
    return Answer.error(answer.status_code, "internal error", message)


class Envelope(ThreadingHTTPServer):
    """Listens on a free loopback port; `engine` is the 1.x server."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, engine: httpx.Client, token: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.engine = engine
        self.token = token

    def influxql(self, statement: str) -> None:
        self.engine.post("/query", data={"q": statement}).raise_for_status()

    def route(self, method: str, path: str, query: dict[str, str], body: bytes) -> Answer:
        match method, path:
            case "POST", "/api/v2/write":
                return self.write(query, body)
            case "POST", "/api/v2/delete":
                return self.delete(query, json.loads(body))
            case "GET", "/api/v2/orgs":
                return Answer(200, {"orgs": [ORG]})
            case "GET", "/api/v2/buckets":
                names = [name for name in self.databases() if query.get("name", name) == name]
                return Answer(200, {"buckets": [bucket(name) for name in names]})
            case "POST", "/api/v2/buckets":
                return self.create(json.loads(body)["name"])
        return Answer.error(404, "not found", "path not found")

    def databases(self) -> list[str]:
        series = self.engine.post("/query", data={"q": "SHOW DATABASES"}).json()["results"][0]["series"][0]
        return [name for [name] in series.get("values", []) if not name.startswith("_")]

    def create(self, name: str) -> Answer:
        if name in self.databases():
            return Answer.error(422, "conflict", f"bucket with name {name} already exists")
        self.influxql(f'CREATE DATABASE "{name}"')
        return Answer(201, bucket(name))

    def delete(self, query: dict[str, str], body: dict[str, str]) -> Answer:
        measurement = body["predicate"].partition("=")[2]
        span = f"time >= '{body['start']}' AND time <= '{body['stop']}'"
        statement = {"db": query["bucket"], "q": f"DELETE FROM {measurement} WHERE {span}"}
        answer = self.engine.post("/query", data=statement).raise_for_status().json()["results"][0]
        return Answer.error(400, "invalid", answer["error"]) if "error" in answer else Answer(204)

    def write(self, query: dict[str, str], body: bytes) -> Answer:
        name, precision = query.get("bucket", ""), PRECISIONS.get(query.get("precision", "ns"))
        if precision is None:
            return Answer.error(400, "invalid", "invalid precision; valid precision units are ns, us, ms, and s")

        def into(database: str) -> Answer:
            written = self.engine.post("/write", params={"db": database, "precision": precision}, content=body)
            return translated(written, database)

        self.influxql(f'CREATE DATABASE "{SCRATCH}"')
        linted = into(SCRATCH)
        return linted if linted.status == 400 else into(name)


def bucket(name: str) -> dict[str, Any]:
    return {"id": f"{zlib.crc32(name.encode()):016x}", "orgID": ORG["id"], "name": name, "retentionRules": []}


class Handler(BaseHTTPRequestHandler):
    """Reads a request, checks the token, unpacks gzip; `Envelope.route` decides."""

    server: Envelope
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body go out in two segments, which else costs 40 ms a request

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Standard error belongs to the tests."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        if url.path in {"/ping", "/health"}:
            answer = Answer(200, {"name": "influxdb", "status": "pass", "version": VERSION})
        elif url.path == "/write":  # as InfluxDB 1 has it, for who writes like that, without a token
            written = self.server.engine.post("/write", params=dict(parse_qsl(url.query)), content=body)
            answer = Answer(written.status_code, written.json() if written.content else None)
        elif self.headers.get("Authorization") != f"Token {self.server.token}":
            answer = Answer.error(401, "unauthorized", "unauthorized access")
        else:
            plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            answer = self._routed(url.path, query, plain)
        self._send(answer)

    def _routed(self, path: str, query: dict[str, str], body: bytes) -> Answer:
        try:
            if path == "/query":  # every version has it
                return Answer(200, self.server.engine.post(path, params=query, content=body, headers=FORM).json())
            return self.server.route(self.command, path, query, body)
        except httpx.HTTPError as error:
            return Answer.error(503, "unavailable", f"the engine does not answer: {error}")

    def _send(self, answer: Answer) -> None:
        content = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("X-Influxdb-Version", VERSION)
        if answer.status != 204:
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def envelope(engine_url: str, token: str) -> Iterator[str]:
    """The URL of a v2 envelope before the 1.x engine, as long as the block lasts."""
    with httpx.Client(base_url=engine_url, trust_env=False) as engine, Envelope(engine, token) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
