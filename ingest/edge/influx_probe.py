"""Asking a database what writing alone does not tell: its bucket, its types, and whether a point comes in. Blocking.

The point that is written stands in a measurement of its own, and is removed again where the database can.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ingest.core.doctor_database import described
from ingest.core.influx_answer import Answer
from ingest.core.influx_server import Server
from ingest.core.influxql import FIELD_KEYS, Unreadable, field_types
from ingest.core.state import moment_at
from ingest.edge.influx_client import Client
from ingest.edge.influx_org import may_be_id
from ingest.edge.influx_read import ask
from ingest.errors import IngestError

MEASUREMENT: Final = "homeiq_ingest_probe"

AROUND: Final = timedelta(seconds=1)


def bucket(client: Client) -> Answer:
    """What is said of the bucket; a token that may only write is told nothing.

    Raises `Transient` or `Refused` when there is no answer.
    """
    address = client.address
    if may_be_id(address.org):
        found = client.request("GET", "/api/v2/buckets", {"orgID": address.org, "name": address.bucket})
        if described(found, address.bucket) is not None:
            return found
    return client.request("GET", "/api/v2/buckets", {"org": address.org, "name": address.bucket})


def probe(client: Client, now_ns: int) -> Answer:
    """Write the point. Raises `Transient` or `Refused`."""
    return client.write(f"{MEASUREMENT},source=doctor value=1 {now_ns}\n".encode(), "identity")


def withdraw(client: Client, server: Server, now_ns: int) -> bool:
    """Remove the point again; False where this database, or this token, cannot. Raises `Transient` or `Refused`."""
    if not server.keeps_text:
        query = {"match[]": f"{MEASUREMENT}_value"}
        return client.request("POST", "/api/v1/admin/tsdb/delete_series", query).status == 204
    moment = moment_at(now_ns)
    start, stop = ((moment + each).strftime("%Y-%m-%dT%H:%M:%SZ") for each in (-AROUND, AROUND))
    query = {"org": client.address.org, "bucket": client.address.bucket}
    body = {"start": start, "stop": stop, "predicate": f'_measurement="{MEASUREMENT}"'}
    return client.request("POST", "/api/v2/delete", query, body=body).status == 204


def types(client: Client) -> dict[str, dict[str, set[str]]] | str:
    """The types of every field by measurement; or why they cannot be known, in a sentence."""
    try:
        return field_types(ask(client, FIELD_KEYS))
    except IngestError as error:
        return error.what
    except Unreadable as error:
        return str(error)
