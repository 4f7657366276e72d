"""The answers of the read API as types, for its OpenAPI document. Times are RFC 3339 in UTC."""

from datetime import datetime
from typing import Any, Literal

from common.contracts.envelope import Contract


class Person(Contract, frozen=True, kw_only=True):
    """Who the conversation is with: Meta's ids of the person or group, as far as they are known, and the profile."""

    user_id: str | None = None
    wa_id: str | None = None
    group_id: str | None = None
    parent_user_id: str | None = None
    name: str | None = None
    username: str | None = None


class Window(Contract, frozen=True, kw_only=True):
    """Whether messages that are not templates may be sent now, until when, and until when they are free of charge."""

    open: bool
    until: datetime | None = None
    free_entry_until: datetime | None = None


class ConversationShown(Contract, frozen=True, kw_only=True):
    """One conversation: a person, or a group, and one business number."""

    id: str
    phone_number_id: str
    window: Window
    chatbot_id: str | None = None
    contact: Person | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    last_message_at: datetime | None = None
    last_inbound_at: datetime | None = None
    free_entry_at: datetime | None = None
    inbound_count: int | None = None
    outbound_count: int | None = None


class ErrorShown(Contract, frozen=True, kw_only=True):
    """Why a message failed: Meta's code, or our reason."""

    code: int | None = None
    reason: str | None = None
    title: str | None = None
    details: str | None = None


class StatusShown(Contract, frozen=True, kw_only=True):
    """One entry of a message's history; `participant` is the member of a group that it is about."""

    status: str
    timestamp: datetime
    received_at: datetime
    participant: str | None = None
    error: ErrorShown | None = None


class MessageShown(Contract, frozen=True, kw_only=True):
    """One message from a customer (with Meta's own object as `raw`) or to a customer (with its `request`).

    A message that waits to be sent is `queued`: `due` is when it is tried next, `reason` says what it waits for.
    `messageStatus` is the one in Meta's answer to the send, if it had one: `accepted`, `held_for_quality_assessment` or
    `paused`.
    """

    id: str
    direction: Literal["inbound", "outbound"]
    conversation_id: str | None = None
    chatbot_id: str | None = None
    phone_number_id: str | None = None
    wamid: str | None = None
    other_wamids: list[str] | None = None
    message_id: str | None = None
    message_status: str | None = None
    to: str | None = None
    type: str | None = None
    text: str | None = None
    reply_to: str | None = None
    contact: Person | None = None
    raw: Any = None
    request: dict[str, Any] | None = None
    metadata: Any = None
    attempts: int | None = None
    delivery_status: str | None = None
    statuses: list[StatusShown] | None = None
    error: ErrorShown | None = None
    status_at: datetime | None = None
    due: datetime | None = None
    reason: str | None = None
    timestamp: datetime | None = None
    created_at: datetime | None = None


class WebhookShown(Contract, frozen=True, kw_only=True):
    """One entry of the webhook log; `raw` is the part of Meta's body as text; absent for messages."""

    id: str
    record_id: str
    type: str
    received_at: datetime
    field: str | None = None
    account_id: str | None = None
    phone_number_id: str | None = None
    wamid: str | None = None
    status: str | None = None
    reason: str | None = None
    raw: str | None = None


class UsageShown(Contract, frozen=True, kw_only=True):
    """One send that Meta accepted (`kind` is `send`), or one message that Meta priced (`pricing`)."""

    id: str
    kind: Literal["send", "pricing"]
    at: datetime
    day: str
    chatbot_id: str | None = None
    phone_number_id: str | None = None
    conversation_id: str | None = None
    wamid: str | None = None
    message_id: str | None = None
    message_type: str | None = None
    category: str | None = None
    pricing_type: str | None = None
    pricing_model: str | None = None
    billable: bool | None = None


class UsageRow(Contract, frozen=True, kw_only=True):
    """The count of one chatbot, day (UTC), kind and category."""

    chatbot_id: str
    day: str
    kind: Literal["send", "pricing"]
    count: int
    category: str | None = None
    pricing_type: str | None = None
    pricing_model: str | None = None


class UsageDays(Contract, frozen=True, kw_only=True, rename={"first": "from", "last": "to"}):
    """The days asked for, both included, and what was counted."""

    first: str
    last: str
    rows: list[UsageRow]


class ConversationAnswer(Contract, frozen=True, kw_only=True):
    """One conversation."""

    success: Literal[True]
    data: ConversationShown


class ConversationPage(Contract, frozen=True, kw_only=True):
    """One page. `cursor` asks for the next page; it is null on the last one."""

    success: Literal[True]
    data: list[ConversationShown]
    cursor: str | None


class MessageAnswer(Contract, frozen=True, kw_only=True):
    """One message."""

    success: Literal[True]
    data: MessageShown


class MessagePage(Contract, frozen=True, kw_only=True):
    """One page. `cursor` asks for the next page; it is null on the last one."""

    success: Literal[True]
    data: list[MessageShown]
    cursor: str | None


class WebhookPage(Contract, frozen=True, kw_only=True):
    """One page. `cursor` asks for the next page; it is null on the last one."""

    success: Literal[True]
    data: list[WebhookShown]
    cursor: str | None


class UsagePage(Contract, frozen=True, kw_only=True):
    """One page. `cursor` asks for the next page; it is null on the last one."""

    success: Literal[True]
    data: list[UsageShown]
    cursor: str | None


class UsageSummary(Contract, frozen=True, kw_only=True):
    """Usage by chatbot, day and category."""

    success: Literal[True]
    data: UsageDays
