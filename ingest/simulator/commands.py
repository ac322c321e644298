"""The commands a client may send, a row each: which keys it may have, which it must have, and who answers.

An answer is the JSON of `result`. Codes and shapes: frames recorded from 2025.4.4; texts differ between releases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from ingest.simulator import services, statistics
from ingest.simulator.errors import CommandError
from ingest.simulator.history import Question, compressed, parse_time
from ingest.simulator.values import DAY, encode, state_json

if TYPE_CHECKING:
    from ingest.simulator.protocol import Conversation

Message = Mapping[str, Any]

HISTORY = "history/history_during_period"
STATISTICS = "recorder/statistics_during_period"


@frozen
class Command:
    """One command: its answerer, its keys with their types, and those it cannot do without."""

    answer: Callable[[Conversation, Message], bytes]
    keys: Mapping[str, type | tuple[type, ...]] = field(factory=dict)
    required: tuple[str, ...] = ()


def check(command: Command, message: Message) -> None:
    """Refuse unknown, missing and mistyped keys. Raises `CommandError`, code `invalid_format`."""
    for key, value in message.items():
        if key not in command.keys and key not in {"id", "type"}:
            raise CommandError("invalid_format", f"extra keys not allowed @ data[{key!r}]. Got {value!r}")
        kind = command.keys.get(key, object)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            wanted = kind.__name__ if isinstance(kind, type) else " or ".join(k.__name__ for k in kind)
            raise CommandError(
                "invalid_format", f"expected {wanted} for dictionary value @ data[{key!r}]. Got {value!r}"
            )
    for key in command.required:
        if key not in message:
            raise CommandError("invalid_format", f"required key not provided @ data[{key!r}]. Got None")


def _nothing(_: Conversation, __: Message) -> bytes:
    return b"null"


def _empty(_: Conversation, __: Message) -> bytes:
    return b"[]"


def _features(conversation: Conversation, message: Message) -> bytes:
    conversation.coalesce = bool(message["features"].get("coalesce_messages"))
    return b"null"


def _states(conversation: Conversation, _: Message) -> bytes:
    return b"[%b]" % b",".join(map(state_json, conversation.instance.home.states.values()))


def _config(conversation: Conversation, _: Message) -> bytes:
    return encode(conversation.instance.config())


def _services(_: Conversation, __: Message) -> bytes:
    return encode(services.described())


def _user(conversation: Conversation, _: Message) -> bytes:
    admin = conversation.instance.admin
    user = {"id": conversation.instance.home.user_id, "name": "Owner", "is_owner": admin, "is_admin": admin}
    return encode({**user, "credentials": [], "mfa_modules": []})


def _subscribe(conversation: Conversation, message: Message) -> bytes:
    event_type = message.get("event_type", "*")
    if event_type == "state_reported":
        raise CommandError("home_assistant_error", "Event filter is required for event state_reported")
    conversation.subscribe(message["id"], None if event_type == "*" else event_type)
    return b"null"


def _unsubscribe(conversation: Conversation, message: Message) -> bytes:
    if not conversation.unsubscribe(message["subscription"]):
        raise CommandError("not_found", "Subscription not found.")
    return b"null"


def _areas(conversation: Conversation, _: Message) -> bytes:
    return encode(conversation.instance.home.registry.areas())


def _floors(conversation: Conversation, _: Message) -> bytes:
    return encode(conversation.instance.home.registry.floors())


def _labels(conversation: Conversation, _: Message) -> bytes:
    return encode(conversation.instance.home.registry.labels())


def _devices(conversation: Conversation, _: Message) -> bytes:
    return conversation.instance.home.registry.device_list()


def _entries(conversation: Conversation, _: Message) -> bytes:
    return conversation.instance.home.registry.entry_list()


def _entry(conversation: Conversation, message: Message) -> bytes:
    registry = conversation.instance.home.registry
    entity = registry.entities.get(message["entity_id"])
    if entity is None or not entity.kind.registered:
        raise CommandError("not_found", "Entity not found")
    return encode(registry.extended(entity))


def _config_entries(conversation: Conversation, message: Message) -> bytes:
    entries = conversation.instance.home.registry.config_entries()
    return encode([entry for entry in entries if message.get("domain", entry["domain"]) == entry["domain"]])


def _sources(conversation: Conversation, _: Message) -> bytes:
    return encode(conversation.instance.home.registry.sources())


def _recorder(conversation: Conversation, _: Message) -> bytes:
    return encode(conversation.instance.recorder.info())


def _history(conversation: Conversation, message: Message) -> bytes:
    home, recorder = conversation.instance.home, conversation.instance.recorder
    start, end = parse_time(message["start_time"]), parse_time(message.get("end_time"))
    if start is None:
        raise CommandError("invalid_start_time", "Invalid start_time")
    if "end_time" in message and end is None:
        raise CommandError("invalid_end_time", "Invalid end_time")
    question = Question(
        start,
        start + DAY if end is None else end,
        tuple(message["entity_ids"]),
        message.get("significant_changes_only", True),
        message.get("include_start_time_state", True),
        message.get("minimal_response", False),
        message.get("no_attributes", False),
        recorder.part,
    )
    return compressed(recorder, question) if start <= home.present() else b"{}"


def _statistic_ids(conversation: Conversation, _: Message) -> bytes:
    instance = conversation.instance
    return encode(statistics.listed(instance.home.states, instance.version))


def _statistics(conversation: Conversation, message: Message) -> bytes:
    home, recorder = conversation.instance.home, conversation.instance.recorder
    start, end = parse_time(message["start_time"]), parse_time(message.get("end_time"))
    if start is None:
        raise CommandError("invalid_start_time", "Invalid start_time")
    if "end_time" in message and end is None:
        raise CommandError("invalid_end_time", "Invalid end_time")
    if message["period"] != "hour":
        raise CommandError("invalid_format", f"not one of the simulated periods: {message['period']!r}")
    types = tuple(message.get("types", statistics.TYPES))
    asked = statistics.Hours(start, home.present() if end is None else end, tuple(message["statistic_ids"]), types)
    return encode(recorder.hours(asked))


def _call(conversation: Conversation, message: Message) -> bytes:
    target, data = message.get("target") or {}, message.get("service_data") or {}
    services.call(conversation.instance, message["domain"], message["service"], {**data, **target})
    home = conversation.instance.home
    return encode({"context": {"id": home.context(), "parent_id": None, "user_id": home.user_id}})


_FLAGS = ("significant_changes_only", "include_start_time_state", "minimal_response", "no_attributes")
_CALL = {"domain": str, "service": str, "service_data": dict, "target": dict, "return_response": bool}

COMMANDS: Mapping[str, Command] = {
    "ping": Command(_nothing),
    "supported_features": Command(_features, {"features": dict}, ("features",)),
    "get_states": Command(_states),
    "get_config": Command(_config),
    "get_services": Command(_services),
    "auth/current_user": Command(_user),
    "subscribe_events": Command(_subscribe, {"event_type": str}),
    "unsubscribe_events": Command(_unsubscribe, {"subscription": int}, ("subscription",)),
    "config/area_registry/list": Command(_areas),
    "config/floor_registry/list": Command(_floors),
    "config/label_registry/list": Command(_labels),
    "config/category_registry/list": Command(_empty, {"scope": str}, ("scope",)),
    "config/device_registry/list": Command(_devices),
    "config/entity_registry/list": Command(_entries),
    "config/entity_registry/get": Command(_entry, {"entity_id": str}, ("entity_id",)),
    "config_entries/get": Command(_config_entries, {"type_filter": (str, list), "domain": str}),
    "entity/source": Command(_sources),
    "recorder/info": Command(_recorder),
    HISTORY: Command(
        _history,
        {"start_time": str, "end_time": str, "entity_ids": list, **dict.fromkeys(_FLAGS, bool)},
        ("start_time", "entity_ids"),
    ),
    "recorder/list_statistic_ids": Command(_statistic_ids, {"statistic_type": str}),
    STATISTICS: Command(
        _statistics,
        {"start_time": str, "end_time": str, "statistic_ids": list, "period": str, "types": list, "units": dict},
        ("start_time", "statistic_ids", "period"),
    ),
    "call_service": Command(_call, _CALL, ("domain", "service")),
}
