"""Which letters may go back, where to and as what; and what the audit topic says of it. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from common.contracts import topics
from common.contracts.dlq_audit import LetterReplayed
from common.contracts.envelope import encode
from common.kafka.records import CORRELATION_ID, TRACEPARENT, TRACESTATE, Outgoing
from wa.dlq.letters import Letter

MAX_BATCH: Final = 100
MAX_BATCH_BYTES: Final = 8 * 1024 * 1024
"""A transaction must end within KAFKA_TRANSACTION_TIMEOUT_MS, also on a slow line."""

_ORIGINS: Final = {topic.name: topic for topic in (topics.WEBHOOKS, topics.SEND_RESULTS)}
_TRACE: Final = (TRACEPARENT, TRACESTATE, CORRELATION_ID)

Audit = Mapping[str, LetterReplayed]
"""The last replay of each letter, by its position."""


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants letters back, and why."""

    by: str
    because: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of the chosen letters: some go back, some were put back before, some must not (and why)."""

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
    """When and by whom this letter was put back.

    A topic that was deleted and made again counts its offsets from 0: the event at the position must be the same too.
    """
    entry = audit.get(str(letter.position))
    return entry if entry and entry.event_id == letter.event_id else None


def refusal(letter: Letter) -> str | None:
    """Why `letter` must not go back, or None."""
    target = target_of(letter)
    if target is None:
        return f"it came from `{letter.headers.get('origin-topic', '')}`, to which nothing is put back"
    if len(letter.value) > target.max_value_bytes:
        return f"it is larger than {target.name} takes, and would only come back"
    return _refusal_of_send(letter) if letter.is_send else None


def _refusal_of_send(letter: Letter) -> str | None:
    if letter.reason == "in_doubt_unresolved":
        return "the customer may have the message, and a replay could send it twice: ask, then send a new message"
    if letter.body is None:
        return "it is not a JSON object, and would only come back"
    if letter.chatbot_id is None:
        return "it names no chatbotId, and would only come back"
    if letter.message_id is None:
        return "it has no message id, so a second replay could not be told from the first"
    return None


def target_of(letter: Letter) -> topics.Topic | None:
    """The topic that `letter` goes back to; None when that is not allowed."""
    return topics.SEND if letter.is_send else _ORIGINS.get(letter.headers.get("origin-topic", ""))


def record_of(letter: Letter) -> Outgoing:
    """The record that puts `letter` back, its value as it is. Raises `ValueError` for a letter that is refused."""
    target, why = target_of(letter), refusal(letter)
    if target is None or why:
        raise ValueError(f"{letter.position}: {why}")
    headers = {name: letter.headers[name] for name in _TRACE if name in letter.headers}
    headers["replay-of"] = str(letter.position)
    if letter.is_send:
        headers |= {"replay": str(letter.replays + 1), "message-id": letter.message_id or ""}
    key = (letter.chatbot_id or "") if letter.is_send else letter.key
    return Outgoing(target.name, key, letter.value, [(name, value.encode()) for name, value in headers.items()])


def audit_of(letter: Letter, order: Order, at: datetime) -> Outgoing:
    """The record that says that `letter` went back."""
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
    """`letters` in their order, in parts that fit into one transaction each."""
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
