"""From a waiting send in MongoDB to its record on Kafka, as the same send in the partition of its chatbot. Pure.

The sender stores a record as it was read. A request without a `messageId` has one made of its place, so what moves has
to carry that along.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from common.contracts import ids, topics
from common.contracts.send_headers import (
    ATTEMPTS,
    FIRST_FAILED_AT,
    MESSAGE_ID,
    MOVED,
    NOT_BEFORE,
    ORIGIN_OFFSET,
    ORIGIN_PARTITION,
    ORIGIN_TOPIC,
    REKEYED_FROM,
)
from common.kafka.records import Outgoing
from common.kafka.wire.partitioner import partition_of

_OF_RETRIES: Final = frozenset({ATTEMPTS, NOT_BEFORE, FIRST_FAILED_AT, ORIGIN_TOPIC, ORIGIN_PARTITION, ORIGIN_OFFSET})
"""The sender reads these on its retry topics alone; the journal has what they say."""

Document = Mapping[str, Any]


class _Named(msgspec.Struct, rename="camel"):
    chatbot_id: Any = None
    message_id: Any = None


@dataclass(frozen=True, slots=True)
class Known:
    """Whose send it is, and its message id."""

    chatbot_id: str
    message_id: str


def known(document: Document) -> Known | None:
    """What names the send; None when that is not the send that the document says it is."""
    try:
        named = msgspec.json.decode(bytes(document["value"]), type=_Named)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not ids.is_chatbot_id(named.chatbot_id):
        return None
    message_id = next(filter(ids.is_message_id, (named.message_id, _carried(document))), None) or ids.request_id(
        document["topic"], document["partition"], document["offset"], document.get("datedAt")
    )
    journal_id = str(document["_id"]).partition("/")[0]
    found = Known(named.chatbot_id, message_id)
    return found if ids.journal_id(found.chatbot_id, found.message_id) == journal_id else None


def home_of(chatbot_id: str, partitions: int) -> int:
    """The partition of a chatbot's requests."""
    return partition_of(chatbot_id, partitions)


def parked_record(document: Document, send: Known, partitions: int) -> Outgoing:
    """The record that puts a parked send back on the topic, behind all that is there."""
    headers = _headers(document, send)
    if document["topic"] != topics.SEND.name:
        headers = {name: text for name, text in headers.items() if name not in _OF_RETRIES}
    pairs = [(name, text.encode()) for name, text in headers.items()]
    home = home_of(send.chatbot_id, partitions)
    return Outgoing(topics.SEND.name, send.chatbot_id, bytes(document["value"]), pairs, partition=home)


def scheduled_fields(document: Document, send: Known, partitions: int) -> dict[str, Any]:
    """The fields of a scheduled send that change when it goes to the partition of its chatbot."""
    pairs = [[name, text] for name, text in _headers(document, send).items()]
    return {"partition": home_of(send.chatbot_id, partitions), "headers": pairs}


def _headers(document: Document, send: Known) -> dict[str, str]:
    place = f"{document['topic']}/{document['partition']}/{document['offset']}"
    return {**_pairs(document), MESSAGE_ID: send.message_id, REKEYED_FROM: place}


def _pairs(document: Document) -> dict[str, str]:
    headers: Sequence[Sequence[str]] = document["headers"]
    return {name: text for name, text in headers}  # noqa: C416  # pairs are lists here


def _carried(document: Document) -> str:
    """The message id that the headers have, where the sender would trust them."""
    headers = _pairs(document)
    trusted = document["topic"] != topics.SEND.name or not MOVED.isdisjoint(headers)
    return headers.get(MESSAGE_ID, "") if trusted else ""
