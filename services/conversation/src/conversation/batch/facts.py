"""From Kafka records to facts: what a record says, or why it cannot be read. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from common.contracts import topics, webhooks
from common.contracts.contacts import Contact, named
from common.contracts.envelope import believable, decode, decoder
from common.contracts.sends import SendResult
from common.errors import InvalidInput
from common.kafka.records import read_headers, trace_of
from common.kafka.wire.unreadable import Unreadable
from common.meta.calls import Call, calls_of
from common.meta.identities import NOTHING, Identity, read_identity
from common.meta.payloads import Content, Message, Status, read_content, read_json, read_message, read_status
from common.security.callbacks import Callbacks
from common.telemetry.trace_context import Trace


class Record(Protocol):
    """What we read of a consumed record."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Iterable[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Inbound:
    """A customer's message. `contact` is its sender, as replies have to address them from now on."""

    origin: str
    trace: Trace
    event: webhooks.WebhookReceived
    message: Message
    content: Content
    raw: msgspec.Raw
    contact: Contact
    identity: Identity

    @property
    def at(self) -> datetime:
        """When it was written; when we received it, if Meta's time cannot be true."""
        return believable(self.event.occurred_at, received=self.event.recorded_at)

    @property
    def kind(self) -> str:
        """Its type; for an `unsupported` message the type that it would have had, if Meta says so."""
        if self.message.type != UNSUPPORTED:
            return self.message.type
        unsupported = read_json(self.raw).get(UNSUPPORTED)
        kind = unsupported.get("type") if isinstance(unsupported, dict) else None
        return kind if isinstance(kind, str) else UNSUPPORTED

    @property
    def referred(self) -> bool:
        """Whether it came through a click-to-WhatsApp ad or a page's button (Meta's `referral`)."""
        return bytes(_entry.decode(self.raw).referral).lstrip().startswith(b"{")


@dataclass(frozen=True, slots=True)
class StatusSeen:
    """Meta's status of an outbound message.

    `journal_id` is the send that it is about, if we signed its callback data for the number that it arrived on.
    """

    origin: str
    trace: Trace
    event: webhooks.WebhookReceived
    status: Status
    raw: msgspec.Raw
    journal_id: str | None = None

    @property
    def at(self) -> datetime:
        """When the status was reached; when we received it, if Meta's time cannot be true."""
        return believable(self.event.occurred_at, received=self.event.recorded_at)


@dataclass(frozen=True, slots=True)
class ChangeSeen:
    """Any other change, or a part of a body that ingress did not understand: kept in the webhook log.

    `calls` are the calls that people have made.
    """

    origin: str
    event: webhooks.WebhookReceived
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """The sender's report of one send."""

    origin: str
    trace: Trace
    event: SendResult


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that cannot be applied: it goes to the dead-letter queue, unchanged, with the reason."""

    record: Record
    reason: str
    code: str


Fact = Inbound | StatusSeen | ChangeSeen | Result

UNSUPPORTED: Final = "unsupported"
"""The type of a message that Meta does not pass on (131051), or only to numbers in coexistence."""

_MAX_STATUS: Final = 64
"""Characters of a status word; Meta's longest has nine. A status with a longer one is in the webhook log only."""


class _Entry(msgspec.Struct, frozen=True):
    """Through what a person came to write; its content is not read."""

    referral: msgspec.Raw = msgspec.Raw()


_entry: Final = msgspec.json.Decoder(_Entry)
_webhook: Final = decoder(webhooks.WebhookReceived)
_result: Final = decoder(SendResult)


def origin_of(record: Record) -> str:
    """The record's place on Kafka. It tells a replay from a repetition by Meta."""
    return f"{record.topic}/{record.partition}/{record.offset}"


def read(record: Record, callbacks: Callbacks) -> Fact | Poison:
    """What the record says; `callbacks` knows which callback data is ours."""
    if isinstance(record, Unreadable):
        return Poison(record, record.reason, "unreadable")
    try:
        if record.topic == topics.SEND_RESULTS.name:
            return _read_result(record)
        return _read_webhook(record, callbacks)
    except InvalidInput as error:
        return Poison(record, error.message, error.error_code)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Poison(record, f"Meta's fragment is not understood: {error}", "undecodable_fragment")


def header_text(record: Record) -> Mapping[str, str]:
    """The record's headers."""
    return read_headers(record.headers)


def _read_result(record: Record) -> Result:
    event = decode(_result, record.value)
    return Result(origin_of(record), _trace(record, event), event)


def _read_webhook(record: Record, callbacks: Callbacks) -> Fact:
    event = decode(_webhook, record.value)
    origin, raw = origin_of(record), event.data.raw
    if event.type == webhooks.MESSAGE:
        return _read_inbound(record, event)
    if event.type == webhooks.STATUS:
        status = read_status(raw)
        if len(status.status) > _MAX_STATUS:
            return ChangeSeen(origin, event)
        ours = callbacks.journal_id_of(status.biz_opaque_callback_data, event.data.phone_number_id)
        return StatusSeen(origin, _trace(record, event), event, status, raw, ours)
    if event.type == webhooks.CHANGE:
        return ChangeSeen(origin, event, calls_of(raw, event.recorded_at))
    if event.type == webhooks.UNPARSED:
        return ChangeSeen(origin, event)
    raise InvalidInput(f"the record type `{event.type}` is not known", code="unknown_type")


def _read_inbound(record: Record, event: webhooks.WebhookReceived) -> Inbound:
    raw, sender = event.data.raw, event.data.contact or Contact()
    message = read_message(raw)
    identity = read_identity(message.type, raw)
    contact = sender if identity is NOTHING else identity.applied_to(sender)
    return Inbound(
        origin_of(record), _trace(record, event), event, message, read_content(raw), raw, named(contact), identity
    )


def _trace(record: Record, event: Any) -> Trace:
    return trace_of(header_text(record), fallback_correlation_id=event.correlation_id)


def received_at(fact: Fact) -> datetime:
    """When we first received it."""
    return fact.event.recorded_at
