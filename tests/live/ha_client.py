"""What the tests ask of a Home Assistant, with one user's token: over REST, and over a WebSocket of its own."""

from __future__ import annotations

import json
from typing import Any

import httpx
import trio
from attrs import field, frozen
from trio_websocket import open_websocket_url


@frozen
class Client:
    """`url` without a path, the token of a user. Every method raises httpx.HTTPError when nobody answers well."""

    url: str
    token: str = field(repr=False)

    def request(self, method: str, path: str, body: object = None) -> Any:
        """The decoded answer of one REST request to `/api/path`."""
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx.Client(trust_env=False) as client:
            answer = client.request(method, f"{self.url}/api/{path}", json=body, headers=headers)
        return answer.raise_for_status().json()

    def set_states(self, wanted: list[tuple[str, str, dict[str, Any]]]) -> list[dict[str, Any]]:
        """Set (entity, state, attributes) one after another, as a script would; the stored states with their times."""
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx.Client(trust_env=False, base_url=self.url, headers=headers) as client:
            posts = (
                client.post(f"/api/states/{entity}", json={"state": state, "attributes": attributes})
                for entity, state, attributes in wanted
            )
            return [post.raise_for_status().json() for post in posts]

    def call(self, domain: str, service: str, **data: object) -> None:
        """Call a service and wait until it has run."""
        self.request("POST", f"services/{domain}/{service}", data)

    def commands(self, *messages: dict[str, Any]) -> list[Any]:
        """The result of each WebSocket command, in order, on one connection. Raises RuntimeError on a refusal."""
        return trio.run(self._commands, messages)

    async def _commands(self, messages: tuple[dict[str, Any], ...]) -> list[Any]:
        url = f"{self.url.replace('http', 'ws', 1)}/api/websocket"
        with trio.fail_after(60):
            async with open_websocket_url(url, max_message_size=2**26) as socket:
                await socket.get_message()
                await socket.send_message(json.dumps({"type": "auth", "access_token": self.token}))
                await socket.get_message()
                results = []
                for number, message in enumerate(messages, 1):
                    await socket.send_message(json.dumps({"id": number, **message}))
                    answer = json.loads(await socket.get_message())
                    if not answer.get("success"):
                        raise RuntimeError(f"{message}: {answer}")
                    results.append(answer["result"])
                return results

    def registry(self) -> dict[str, dict[str, Any]]:
        """Each registered entity's entry by entity id, `area_id` being the effective one: the entity's, else its device's."""
        lists = self.commands({"type": "config/entity_registry/list"}, {"type": "config/device_registry/list"})
        areas = {device["id"]: device["area_id"] for device in lists[1]}
        return {e["entity_id"]: {**e, "area_id": e["area_id"] or areas.get(e["device_id"])} for e in lists[0]}
