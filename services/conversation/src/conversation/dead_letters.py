"""Records that cannot be applied, as they go to the dead-letter queue. Pure."""

from datetime import datetime
from typing import Final

from common.contracts.topics import WEBHOOKS_DLQ
from common.kafka.records import CORRELATION_ID, MAX_CORRELATION_ID, TRACEPARENT, Outgoing
from conversation.batch.facts import Poison, Record, header_text

_KEPT_HEADERS: Final = (TRACEPARENT, CORRELATION_ID)
_MAX_KEY: Final = 1_024  # characters

Place = tuple[str, int, int]
"""Topic, partition and offset of a record. Offsets alone repeat from one partition to the next."""


def place_of(record: Record) -> Place:
    """The record's place on Kafka."""
    return record.topic, record.partition, record.offset


def dead_letter(poison: Poison, now: datetime) -> Outgoing:
    """The record as it came, with the reason and its place on Kafka. Key and value are cut to what the topic takes."""
    record, headers = poison.record, header_text(poison.record)
    kept = {name: headers[name] for name in _KEPT_HEADERS if 0 < len(headers.get(name, "")) <= MAX_CORRELATION_ID}
    about = {
        **kept,
        "reason": poison.reason[:1000],
        "code": poison.code,
        "origin-topic": record.topic,
        "origin-partition": str(record.partition),
        "origin-offset": str(record.offset),
        "first-failed-at": now.isoformat(),
    }
    key = (record.key or b"").decode("utf-8", "replace")[:_MAX_KEY]
    value = (record.value or b"")[: WEBHOOKS_DLQ.max_value_bytes - len(key.encode())]
    return Outgoing(WEBHOOKS_DLQ.name, key, value, [(name, v.encode()) for name, v in about.items()])


def code_of(letter: Outgoing) -> tuple[Place, str]:
    """The place of a dead letter's record, and its code."""
    headers = {name: value.decode() for name, value in letter.headers}
    place = headers["origin-topic"], int(headers["origin-partition"]), int(headers["origin-offset"])
    return place, headers["code"]
