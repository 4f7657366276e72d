"""Dead letters, read from the records of a dead-letter topic, and the filters that choose them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from common.contracts import topics
from common.contracts.send_headers import ATTEMPTS, MESSAGE_ID, REPLAYS
from common.kafka.records import EVENT_ID, read_headers

TOPICS: Final = {"send": topics.SEND_DLQ.name, "webhooks": topics.WEBHOOKS_DLQ.name}
"""The dead-letter topics by the short names that an operator types."""


class Record(Protocol):
    """The fields of a Kafka record that are read; `timestamp` is in ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """The place of a letter, which is its id as long as its topic exists."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter.

    `reason` is one word, safe to print. For webhooks it is the `code`, because their `reason` header is a sentence that
    may quote a person. `body` is the value, if that is a JSON object. Unknown fields are None.
    """

    position: Position
    at: datetime
    key: str
    value: bytes
    headers: Mapping[str, str]
    body: Mapping[str, Any] | None

    @property
    def is_send(self) -> bool:
        """Whether it is a send request; otherwise it is a webhook or send-result record."""
        return self.position.topic == topics.SEND_DLQ.name

    @property
    def reason(self) -> str:
        return self.headers.get("reason" if self.is_send else "code") or "unknown"

    @property
    def code(self) -> str | None:
        return self.headers.get("code")

    @property
    def attempts(self) -> str | None:
        return self.headers.get(ATTEMPTS)

    @property
    def chatbot_id(self) -> str | None:
        return _text(self.body if self.is_send else _data(self.body), "chatbotId")

    @property
    def message_id(self) -> str | None:
        told = self.headers.get(MESSAGE_ID)
        return told or _text(self.body if self.is_send else _data(self.body), "messageId")

    @property
    def event_id(self) -> str | None:
        return self.headers.get(EVENT_ID) or (None if self.is_send else _text(self.body, "id"))

    @property
    def quoting(self) -> frozenset[str]:
        """Headers that may quote a person: Meta's details, and the `reason` sentence of webhooks."""
        return frozenset({"details"} if self.is_send else {"details", "reason"})

    @property
    def replays(self) -> int:
        """How often this send was replayed before it failed again."""
        told = self.headers.get(REPLAYS, "")
        return int(told) if told.isascii() and told.isdigit() else 0


@dataclass(frozen=True, slots=True)
class Filters:
    """Which letters are wanted; None means all. `since` is inclusive, `until` is exclusive."""

    topic: str | None = None
    reason: str | None = None
    code: str | None = None
    chatbot: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics to read."""
        return (TOPICS[self.topic],) if self.topic else tuple(TOPICS.values())

    def match(self, letter: Letter) -> bool:
        """Whether `letter` is one of them."""
        return (
            letter.position.topic in self.topics
            and self.reason in (None, letter.reason)
            and self.code in (None, letter.code)
            and self.chatbot in (None, letter.chatbot_id)
            and (self.since is None or letter.at >= self.since)
            and (self.until is None or letter.at < self.until)
        )


def parse_position(text: str) -> Position:
    """`topic/partition/offset`, the topic in full or as `send` or `webhooks`. Raises `ValueError`."""
    topic, *numbers = text.split("/")
    name = TOPICS.get(topic, topic)
    if name not in TOPICS.values() or len(numbers) != 2 or not all(n.isascii() and n.isdigit() for n in numbers):
        raise ValueError(f"`{text}` is not a position of a dead letter; an example is {TOPICS['send']}/3/17")
    return Position(name, int(numbers[0]), int(numbers[1]))


def letter_of(record: Record) -> Letter:
    """The letter in a record."""
    return Letter(
        position=Position(record.topic, record.partition, record.offset),
        at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        key=(record.key or b"").decode("utf-8", "replace"),
        value=record.value or b"",
        headers=read_headers(record.headers),
        body=_object(record.value or b""),
    )


def _object(value: bytes) -> Mapping[str, Any] | None:
    try:
        body = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _data(body: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    data = (body or {}).get("data")
    return data if isinstance(data, dict) else None


def _text(body: Mapping[str, Any] | None, name: str) -> str | None:
    value = (body or {}).get(name)
    return value if isinstance(value, str) and value else None
