"""The REST API: a request in, a response out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, unquote, urlsplit

import h11
from attrs import frozen

from ingest.simulator import services
from ingest.simulator.errors import CommandError
from ingest.simulator.history import Question, full, parse_time
from ingest.simulator.instance import HomeAssistant
from ingest.simulator.templates import rendered
from ingest.simulator.values import DAY, encode, state_json

ENTITY_ID = re.compile(r"(?!.+__)(?!_)[\da-z_]+(?<!_)\.(?!_)[\da-z_]+(?<!_)")
LONGEST_STATE = 255


@frozen
class Response:
    """What is sent back: status, body, and its content type."""

    status: int
    body: bytes
    kind: str = "application/json"


@frozen
class Call:
    """A request, taken apart. `rest` is the path behind the route."""

    instance: HomeAssistant
    rest: str
    query: Mapping[str, list[str]]
    body: bytes


NOT_FOUND = Response(404, b"404: Not Found", "text/plain; charset=utf-8")
UNAUTHORIZED = Response(401, b"401: Unauthorized", "text/plain; charset=utf-8")


def told(status: int, message: str) -> Response:
    """Return a response with a message."""
    return Response(status, encode({"message": message}))


def answer(instance: HomeAssistant, request: h11.Request, body: bytes) -> Response:
    """Answer one request. Every route wants the bearer token."""
    parts = urlsplit(request.target.decode("ascii"))
    if not _authorised(instance, request):
        return UNAUTHORIZED
    method = request.method.decode("ascii")
    for known, prefix, route in ROUTES:
        if known == method and parts.path.startswith(prefix):
            query = parse_qs(parts.query, keep_blank_values=True)
            return route(Call(instance, unquote(parts.path[len(prefix) :]), query, body))
    return NOT_FOUND


def _authorised(instance: HomeAssistant, request: h11.Request) -> bool:
    headers = {bytes(name): bytes(value) for name, value in request.headers}
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return scheme == "Bearer" and instance.accepts(token)


def _states(call: Call) -> Response:
    states = call.instance.home.states
    if call.rest:
        known = states.get(call.rest.removeprefix("/"))
        return Response(200, state_json(known)) if known else told(404, "Entity not found.")
    return Response(200, b"[%b]" % b",".join(map(state_json, states.values())))


def _set(call: Call) -> Response:
    key = call.rest.removeprefix("/")
    if not ENTITY_ID.fullmatch(key):
        return told(400, "Invalid entity ID specified.")
    try:
        wanted = json.loads(call.body)
    except ValueError:
        return told(400, "Invalid JSON specified.")
    if not isinstance(wanted, dict) or wanted.get("state") is None:
        return told(400, "No state specified.")
    state = str(wanted["state"])
    if len(state) > LONGEST_STATE:
        return told(400, "Invalid state specified.")
    home = call.instance.home
    new = key not in home.states
    change = home.set(key, state, wanted.get("attributes") or {}, force=bool(wanted.get("force_update")))
    call.instance.emit([change] if change else [])
    return Response(201 if new else 200, state_json(home.states[key]))


def _delete(call: Call) -> Response:
    change = call.instance.home.remove(call.rest.removeprefix("/"))
    if change is None:
        return told(404, "Entity not found.")
    call.instance.emit([change])
    return told(200, "Entity removed.")


def _history(call: Call) -> Response:
    if "filter_entity_id" not in call.query:
        return told(400, "filter_entity_id is missing")
    home, recorder, query = call.instance.home, call.instance.recorder, call.query
    start = parse_time(call.rest.removeprefix("/")) if call.rest else home.present() - DAY
    end = parse_time(query["end_time"][0]) if "end_time" in query else None
    if start is None or ("end_time" in query and end is None):
        return told(400, "Invalid datetime")
    question = Question(
        start,
        start + DAY if end is None else end,
        tuple(query["filter_entity_id"][0].lower().split(",")),
        query.get("significant_changes_only", ["1"])[0] != "0",
        "skip_initial_state" not in query,
        "minimal_response" in query,
        "no_attributes" in query,
        recorder.part,
    )
    return Response(200, full(recorder, question) if start <= home.present() else b"[]")


def _service(call: Call) -> Response:
    domain, _, service = call.rest.partition("/")
    try:
        data = json.loads(call.body or b"{}")
    except ValueError:
        return told(400, "Data should be valid JSON.")
    if not isinstance(data, dict):
        return told(400, "Data should be valid JSON.")
    try:
        changes = services.call(call.instance, domain, service, data)
    except CommandError as error:
        return told(400, error.message)
    return Response(200, b"[%b]" % b",".join(state_json(change.new) for change in changes if change.new))


def _template(call: Call) -> Response:
    if not call.instance.admin:
        return UNAUTHORIZED
    if scripted := call.instance.mood.error("api/template"):
        return UNAUTHORIZED if scripted[0] == "unauthorized" else NOT_FOUND
    text = rendered(call.instance.home, call.body)
    if text is None:
        return told(400, "Error rendering template: the simulator does not know it")
    return Response(200, text, "text/plain; charset=utf-8")


def _root(call: Call) -> Response:
    return told(200, "API running.") if call.rest == "" else NOT_FOUND


def _config(call: Call) -> Response:
    return Response(200, encode(call.instance.config())) if call.rest == "" else NOT_FOUND


def _described(_: Call) -> Response:
    by_domain = services.described().items()
    return Response(200, encode([{"domain": domain, "services": known} for domain, known in by_domain]))


Route = tuple[str, str, Callable[[Call], Response]]
ROUTES: tuple[Route, ...] = (
    ("GET", "/api/config", _config),
    ("GET", "/api/states", _states),
    ("POST", "/api/states", _set),
    ("DELETE", "/api/states", _delete),
    ("GET", "/api/history/period", _history),
    ("GET", "/api/services", _described),
    ("POST", "/api/services/", _service),
    ("POST", "/api/template", _template),
    ("GET", "/api/", _root),
)
"""Method, what the path begins with, and who answers; the first that fits."""
