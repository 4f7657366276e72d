"""Decides which letters may be replayed, to which topic and as which record, and writes the audit record. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from common.contracts import topics
from common.contracts.dlq_audit import LetterReplayed
from common.contracts.envelope import encode
from common.contracts.send_headers import MESSAGE_ID, REPLAY
from common.kafka.records import CORRELATION_ID, TRACEPARENT, TRACESTATE, Outgoing
from wa.dlq.letters import Letter

MAX_BATCH: Final = 100
MAX_BATCH_BYTES: Final = 8 * 1024 * 1024
"""Small enough that a transaction ends within KAFKA_TRANSACTION_TIMEOUT_MS, also on a slow network."""

_ORIGINS: Final = {topic.name: topic for topic in (topics.WEBHOOKS, topics.SEND_RESULTS)}
_TRACE: Final = (TRACEPARENT, TRACESTATE, CORRELATION_ID)

Audit = Mapping[str, LetterReplayed]
"""The last replay of each letter, by its position."""


@dataclass(frozen=True, slots=True)
class Order:
    """Who replays letters, and why."""

    by: str
    because: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The chosen letters: those to replay, those that were replayed before, and those that must not be (and why)."""

    ready: Sequence[Letter]
    done: Sequence[tuple[Letter, LetterReplayed]]
    refused: Sequence[tuple[Letter, str]]


def plan_for(letters: Iterable[Letter], audit: Audit) -> Plan:
    """The plan for `letters`."""
    plan: tuple[list[Letter], list[tuple[Letter, LetterReplayed]], list[tuple[Letter, str]]] = ([], [], [])
    for letter in letters:
        if before := replay_of(letter, audit):
            plan[1].append((letter, before))
        elif why := refusal(letter):
            plan[2].append((letter, why))
        else:
            plan[0].append(letter)
    return Plan(*plan)


def replay_of(letter: Letter, audit: Audit) -> LetterReplayed | None:
    """The earlier replay of this letter, if there is one.

    The event id is compared too, because a topic that was deleted and created again starts at offset 0.
    """
    entry = audit.get(str(letter.position))
    return entry if entry and entry.event_id == letter.event_id else None


def refusal(letter: Letter) -> str | None:
    """Why `letter` must not be replayed, or None."""
    target = target_of(letter)
    if target is None:
        return f"it came from `{letter.headers.get('origin-topic', '')}`, and letters of that topic cannot be replayed"
    if len(letter.value) > target.max_value_bytes:
        return f"it is too large for {target.name}, and would become a dead letter again"
    return _refusal_of_send(letter) if letter.is_send else None


def _refusal_of_send(letter: Letter) -> str | None:
    if letter.reason == "in_doubt_unresolved":
        return "the customer may have the message, so a replay could send it twice: ask, then send a new message"
    if letter.body is None:
        return "it is not a JSON object, and would become a dead letter again"
    if letter.chatbot_id is None:
        return "it has no chatbotId, and would become a dead letter again"
    if letter.message_id is None:
        return "it has no message id, so a second replay could not be recognised as a repetition"
    return None


def target_of(letter: Letter) -> topics.Topic | None:
    """The topic to which `letter` is replayed; None when that is not allowed."""
    return topics.SEND if letter.is_send else _ORIGINS.get(letter.headers.get("origin-topic", ""))


def record_of(letter: Letter) -> Outgoing:
    """The record that replays `letter`, with its value unchanged. Raises `ValueError` for a refused letter."""
    target, why = target_of(letter), refusal(letter)
    if target is None or why:
        raise ValueError(f"{letter.position}: {why}")
    headers = {name: letter.headers[name] for name in _TRACE if name in letter.headers}
    headers["replay-of"] = str(letter.position)
    if letter.is_send:
        headers |= {REPLAY: str(letter.replays + 1), MESSAGE_ID: letter.message_id or ""}
    key = (letter.chatbot_id or "") if letter.is_send else letter.key
    return Outgoing(target.name, key, letter.value, [(name, value.encode()) for name, value in headers.items()])


def audit_of(letter: Letter, order: Order, at: datetime) -> Outgoing:
    """The audit record of the replay of `letter`."""
    target = target_of(letter)
    entry = LetterReplayed(
        at=at,
        by=order.by,
        because=order.because,
        letter=str(letter.position),
        to_topic=target.name if target else "",
        event_id=letter.event_id,
        reason=letter.reason,
        code=letter.code,
        message_id=letter.message_id,
        chatbot_id=letter.chatbot_id,
    )
    return Outgoing(topics.DLQ_AUDIT.name, entry.letter, encode(entry))


def batches(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    """`letters` in order, in batches that each fit into one transaction."""
    batch: list[Letter] = []
    size = 0
    for letter in letters:
        if batch and (len(batch) == MAX_BATCH or size + len(letter.value) > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(letter)
        size += len(letter.value)
    if batch:
        yield batch
