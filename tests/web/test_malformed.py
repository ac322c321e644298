"""10,000 malformed messages, drawn: each is answered with an error that names its fault, and the next is heard."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from ingest.core.ws_messages import LARGEST
from tests.web.talking import talking
from tests.web.watching import serving

MESSAGES = 10_000
PARTS = 4
TOGETHER = 50
"""Messages on their way at the same time."""

Random = random.Random
LETTERS = 'abc{}[]":,\\ 0159-.eE\n\tüµ°💡\x7f\u2028'
VALUES: list[Any] = [None, True, 0, -1.5, "", "x", [], ["x"], {}, {"type": "ping"}]


def word(draw: Random, most: int = 60) -> str:
    return "".join(draw.choices(LETTERS, k=draw.randrange(most)))


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def not_json(draw: Random) -> tuple[object, str]:
    good = json.dumps({"type": "ping", "channels": [word(draw)], "n": draw.random()})
    made = [
        word(draw),
        good[: draw.randrange(len(good))],
        good + draw.choice("}]x,"),
        good.replace('"', "'"),
        f'{{"type": {draw.choice(["NaN", "Infinity", "01", "+1", ".5", "tru", "undefined"])}}}',
        '{"type": "a\nb"}',
        "[" * draw.randrange(2000, 60_000),
        "\ufeff" + good,
        good.replace(":", ","),
    ]
    text = draw.choice(made)
    # Python's own parser takes NaN.
    return (text, "not JSON") if "NaN" in text or "Infinity" in text or not is_json(text) else not_json(draw)


def no_object(draw: Random) -> tuple[object, str]:
    found = draw.choice([each for each in VALUES if not isinstance(each, dict)])
    return json.dumps(draw.choice([found, [found], [{"type": "ping"}, found]])), "not a JSON object"


def bad_type(draw: Random) -> tuple[object, str]:
    kind = draw.choice([each for each in VALUES if not isinstance(each, str)])
    message = {word(draw): draw.choice(VALUES), "type": kind}
    if draw.random() < 0.3:
        del message["type"]
    message.pop("correlation_id", None)
    return json.dumps(message), '"type" must be a text'


def bad_id(draw: Random) -> tuple[object, str]:
    wrong = draw.choice([1, 0.5, True, [], {}, "", "x" * 129, ["id"]])
    return json.dumps({"type": draw.choice(["ping", "x"]), "correlation_id": wrong}), '"correlation_id" must be a text'


def bad_channels(draw: Random) -> tuple[object, str]:
    kind = draw.choice(["subscribe", "unsubscribe"])
    wrong = draw.choice([7, True, "light", {}, {"a": 1}, [], [1], ["light", None], [["light"]]])
    odd = draw.choice(["", " ", "light kitchen", "lïght", "a" * 256, "light\n", "a/b", "{x}"])
    many = [f"light.n{number}" for number in range(101 + draw.randrange(50))]
    return json.dumps({"type": kind, "channels": draw.choice([wrong, ["light", odd], many])}), "channel"


def binary(draw: Random) -> tuple[object, str]:
    return draw.randbytes(draw.choice([0, 1, 20, 2000])), "binary"


def too_large(draw: Random) -> tuple[object, str]:
    letter = draw.choice(["x", "°", "💡"])
    count = LARGEST // len(letter.encode()) + 1
    return letter * (count + draw.choice([0, 1, 50_000])), "more than 65,536 bytes"


KINDS: list[tuple[Callable[[Random], tuple[object, str]], int]] = [
    (not_json, 30), (no_object, 12), (bad_type, 15), (bad_id, 12), (bad_channels, 20), (binary, 10), (too_large, 1),
]  # fmt: skip


@pytest.mark.parametrize("part", range(PARTS))
async def test_every_malformed_message_is_answered_with_its_fault(part: int) -> None:
    draw = random.Random(part)  # the same messages every time
    made = draw.choices([kind for kind, _ in KINDS], [weight for _, weight in KINDS], k=MESSAGES // PARTS)
    async with serving() as served, talking(served.port) as talker:
        for first in range(0, len(made), TOGETHER):
            drawn = [kind(draw) for kind in made[first : first + TOGETHER]]
            for number, (message, _) in enumerate(drawn):
                if isinstance(message, str) and len(message) > 2 and draw.random() < 0.2:
                    cut = draw.randrange(len(message))
                    await talker.say_in_parts(message[:cut], message[cut:])
                else:
                    await talker.say(message)
                await talker.say({"type": "ping", "correlation_id": f"{number}"})
            for number, (message, fault) in enumerate(drawn):
                error, pong = await talker.hear(), await talker.hear()
                assert error["type"] == "error", (message, error)
                assert fault in error["message"], (message, error)
                assert isinstance(error["correlation_id"], str)
                assert (pong["type"], pong["correlation_id"]) == ("pong", f"{number}")
        assert served.told == []
        assert (await talker.ask({"type": "subscribe", "channels": ["light"]}))["channels"] == ["light"]
