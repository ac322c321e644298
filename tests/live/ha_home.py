"""Writes a home that needs no onboarding: configuration, and three users with long-lived access tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import shutil
import time
from pathlib import Path
from typing import Any

from tests.support.marked import watched

TEMPLATE = Path(__file__).parent / "home"
USERS = {"admin": "system-admin", "user": "system-users", "readonly": "system-read-only"}
GROUPS = {"system-admin": "Administrators", "system-users": "Users", "system-read-only": "Read Only"}
TEN_YEARS = 315_360_000
# The steps that would ask the internet for a location, statistics and a radio.
ONBOARDED = ["core_config", "analytics", "integration", "user"]


def write(folder: Path) -> dict[str, str]:
    """Make `folder` a configuration folder of Home Assistant; the token of each user of `USERS`."""
    shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    people = {name: _user(name, group) for name, group in USERS.items()}
    _store(folder, "onboarding", 4, {"done": ONBOARDED})
    groups = [{"id": group, "name": name} for group, name in GROUPS.items()]
    users = [user for user, _ in people.values()]
    grants = [grant for _, grant in people.values()]
    _store(folder, "auth", 1, {"users": users, "groups": groups, "credentials": [], "refresh_tokens": grants})
    return {name: _signed(grant) for name, (_, grant) in people.items()}


def _store(folder: Path, key: str, version: int, data: dict[str, Any]) -> None:
    content = {"version": version, "minor_version": 1, "key": key, "data": data}
    (folder / ".storage").mkdir(exist_ok=True)
    (folder / ".storage" / key).write_text(json.dumps(content), "utf-8")


def _user(name: str, group: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A user, and the grant ("refresh token") that the user's access token refers to."""
    user = {
        "id": secrets.token_hex(16),
        "group_ids": [group],
        "is_owner": name == "admin",
        "is_active": True,
        "name": name,
        "system_generated": False,
        "local_only": False,
    }
    grant = {
        "id": secrets.token_hex(16),
        "user_id": user["id"],
        "client_id": None,
        "client_name": f"live test {name}",
        "client_icon": None,
        "token_type": "long_lived_access_token",
        "created_at": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        "access_token_expiration": float(TEN_YEARS),
        "token": secrets.token_hex(64),
        "jwt_key": secrets.token_hex(64),
        "last_used_at": None,
        "last_used_ip": None,
        "expire_at": None,
        "credential_id": None,
        "version": None,
    }
    return user, grant


def _signed(grant: dict[str, Any]) -> str:
    """The access token: a JSON web token that names the grant, signed with the grant's key."""
    now = int(time.time())
    head = _encoded({"alg": "HS256", "typ": "JWT"})
    body = head + b"." + _encoded({"iss": grant["id"], "iat": now - 60, "exp": now + TEN_YEARS})
    signature = hmac.new(grant["jwt_key"].encode(), body, hashlib.sha256).digest()
    return watched((body + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode())


def _encoded(part: dict[str, Any]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(part, separators=(",", ":")).encode()).rstrip(b"=")
