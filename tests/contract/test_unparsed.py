"""The largest bodies that Meta can sign go all the way: into a record of their topic, and into the webhook log."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime

import bson
import pytest

from common.contracts import webhooks
from common.contracts.topics import WEBHOOKS, WEBHOOKS_DLQ
from common.security.callbacks import Callbacks
from common.security.digests import DigestKeys
from conversation.batch.facts import ChangeSeen, read
from conversation.batch.log_entries import webhook_entry
from ingress.records import records
from ingress.routes import MAX_BODY_BYTES
from ingress.telemetry import begin

MAX_DOCUMENT_BYTES = 16 * 1024 * 1024  # MongoDB's limit ("MongoDB Limits and Thresholds", BSON document size)
AROUND_BYTES = 100_000  # of what else stands in a document
CALLBACKS = Callbacks(DigestKeys({"test": b"c" * 32}, "test"))
NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)


@dataclass
class Consumed:
    value: bytes
    key: bytes
    topic: str = WEBHOOKS.name
    partition: int = 0
    offset: int = 0
    headers: tuple = ()


def filled(before, filling, after):
    return before + filling * ((MAX_BODY_BYTES - len(before) - len(after)) // len(filling)) + after


BODIES = {
    "bytes that are no text": b"\xff" * MAX_BODY_BYTES,
    "NUL": b"\0" * MAX_BODY_BYTES,
    "blanks": b" " * MAX_BODY_BYTES,
    "text that is no JSON": filled(b"", "\u2028".encode(), b""),
    "JSON of the largest size": filled(b'{"entry":[', b"{},", b"{}]}"),
    "JSON of escaped NUL": filled(b'"', b"\\u0000", b'"'),
    "JSON of four-byte characters": filled(b'"', "😀".encode(), b'"'),
    "JSON that is deep": filled(b"", b"[", b""),
    "a key that MongoDB would understand": filled(b'{"$ref":"', b"x", b'"}'),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_whole_body_fits_into_its_record_and_its_document(body):
    (record,) = records(body, begin("body-1", None), now=NOW)
    size = len(record.key.encode()) + len(record.value)
    assert size <= WEBHOOKS.max_value_bytes
    assert size <= WEBHOOKS_DLQ.max_value_bytes
    fact = read(Consumed(record.value, record.key.encode()), CALLBACKS)
    assert isinstance(fact, ChangeSeen)
    assert fact.event.type == webhooks.UNPARSED
    data = fact.event.data
    kept = bytes(data.raw) if data.raw_base64 is None else base64.b64decode(data.raw_base64)
    assert kept == body
    document = webhook_entry(fact)
    assert len(bson.encode(document)) + AROUND_BYTES <= MAX_DOCUMENT_BYTES
    assert document["raw"]
    assert document["reason"]
