"""The answers of the read API, with examples, for its OpenAPI document. Times are RFC 3339 in UTC."""

from datetime import datetime
from typing import Any, Final, Literal

from common.contracts.envelope import Contract
from common.http.openapi_responses import Refused, wrong_field
from conversation.read_api.message_filter import STATUSES


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


UNKNOWN_CONVERSATION: Final = Refused(
    "this API key reaches no conversation with this id",
    "unknown_conversation",
    "this API key reaches no conversation with this id",
)
UNKNOWN_MESSAGE: Final = Refused(
    "this API key reaches no message with this id",
    "unknown_message",
    "this API key reaches no message with this id; to find it by the messageId of its send, add `?chatbotId=…`",
)
UNKNOWN_PARAMETER: Final = Refused(
    "the call does not have this query parameter",
    "unknown_parameter",
    "there is no query parameter `limit` here; there is: `chatbotId`",
    [{"field": "limit", "message": "unknown"}],
)
NO_STATUS: Final = wrong_field(
    "status", f"the query parameter `status` is missing; add `?status=…`: one of {', '.join(STATUSES)}"
)
NO_DATE: Final = Refused("`from` or `to` is not a date", "invalid_date", "`from` is not a date; give it as YYYY-MM-DD")

_CURSOR: Final = "WzE3OTM1MjU0MDAuMCwgIjBiNWUiXQ"
_ADA: Final = {"userId": "DE.134912345678", "waId": "491510000001", "name": "Ada"}
_CONVERSATION_ID: Final = "7d0f1c52-5a0e-5f43-9d0e-3f1f5f0c7a11"
_CONVERSATION: Final = {
    "id": _CONVERSATION_ID,
    "phoneNumberId": "106540352242922",
    "chatbotId": "shop-bot",
    "contact": _ADA,
    "createdAt": "2026-11-01T09:30:00Z",
    "updatedAt": "2026-11-01T09:30:02Z",
    "lastMessageAt": "2026-11-01T09:30:02Z",
    "lastInboundAt": "2026-11-01T09:30:00Z",
    "inboundCount": 1,
    "outboundCount": 1,
    "window": {"open": True, "until": "2026-11-02T09:30:00Z"},
}
_INBOUND: Final = {
    "id": "0b5e1f3a-7d3c-5b1e-8a52-2f8e4d9c1a70",
    "conversationId": _CONVERSATION_ID,
    "direction": "inbound",
    "chatbotId": "shop-bot",
    "phoneNumberId": "106540352242922",
    "wamid": "wamid.HBgMNDkxNTEwMDAwMDAxFQIAEhgSRkFLRQA=",
    "type": "text",
    "text": "Hello",
    "contact": _ADA,
    "raw": {"from": "491510000001", "id": "wamid.HBgMNDkxNTEwMDAwMDAxFQIAEhgSRkFLRQA=", "type": "text"},
    "timestamp": "2026-11-01T09:30:00Z",
    "createdAt": "2026-11-01T09:30:00.210000Z",
}
_OUTBOUND: Final = {
    "id": "5f6d0c1e-2b7a-5c4d-9e8f-0a1b2c3d4e5f",
    "conversationId": _CONVERSATION_ID,
    "direction": "outbound",
    "chatbotId": "shop-bot",
    "phoneNumberId": "106540352242922",
    "messageId": "order-17",
    "to": "+491510000001",
    "type": "text",
    "text": "Hello Ada!",
    "wamid": "wamid.HBgMNDkxNTEwMDAwMDAxFQIAERgSRkFLRQA=",
    "attempts": 1,
    "deliveryStatus": "delivered",
    "statusAt": "2026-11-01T09:30:02.300000Z",
    "statuses": [
        {"status": "accepted", "timestamp": "2026-11-01T09:30:01Z", "receivedAt": "2026-11-01T09:30:01.100000Z"},
        {"status": "delivered", "timestamp": "2026-11-01T09:30:02Z", "receivedAt": "2026-11-01T09:30:02.300000Z"},
    ],
    "request": {"chatbotId": "shop-bot", "to": "+491510000001", "message": "Hello Ada!", "messageId": "order-17"},
    "timestamp": "2026-11-01T09:30:01Z",
    "createdAt": "2026-11-01T09:30:01.100000Z",
}
_UNDELIVERABLE: Final = {"code": 131026, "title": "Message undeliverable"}

CONVERSATION: Final = {"success": True, "data": _CONVERSATION}
CONVERSATIONS: Final = {"success": True, "data": [_CONVERSATION], "cursor": _CURSOR}
MESSAGE: Final = {"success": True, "data": _OUTBOUND}
MESSAGES: Final = {"success": True, "data": [_OUTBOUND, _INBOUND], "cursor": _CURSOR}
FOUND: Final = {
    "success": True,
    "data": [
        {
            **{name: value for name, value in _OUTBOUND.items() if name not in {"wamid", "statuses"}},
            "deliveryStatus": "failed",
            "statusAt": "2026-11-01T09:30:01.100000Z",
            "statuses": [
                {
                    "status": "failed",
                    "timestamp": "2026-11-01T09:30:01Z",
                    "receivedAt": "2026-11-01T09:30:01.100000Z",
                    "error": _UNDELIVERABLE,
                }
            ],
            "error": _UNDELIVERABLE,
        }
    ],
    "cursor": _CURSOR,
}
WEBHOOKS: Final = {
    "success": True,
    "data": [
        {
            "id": "whatsapp-cloud-webhooks/3/1742",
            "recordId": "e5b0a3d0-63f5-5b7e-a0c6-0f2f2f3f4f5f",
            "type": "webhook.status",
            "field": "messages",
            "accountId": "102290129340398",
            "phoneNumberId": "106540352242922",
            "wamid": "wamid.HBgMNDkxNTEwMDAwMDAxFQIAERgSRkFLRQA=",
            "status": "delivered",
            "raw": '{"id":"wamid.HBgMNDkxNTEwMDAwMDAxFQIAERgSRkFLRQA=","status":"delivered"}',
            "receivedAt": "2026-11-01T09:30:02.300000Z",
        }
    ],
    "cursor": _CURSOR,
}
USAGE: Final = {
    "success": True,
    "data": [
        {
            "id": "c1d2e3f4-0a1b-5c2d-8e3f-405162738495",
            "kind": "pricing",
            "chatbotId": "shop-bot",
            "phoneNumberId": "106540352242922",
            "conversationId": _CONVERSATION_ID,
            "wamid": "wamid.HBgMNDkxNTEwMDAwMDAxFQIAERgSRkFLRQA=",
            "category": "marketing",
            "pricingType": "regular",
            "pricingModel": "PMP",
            "billable": True,
            "at": "2026-11-01T09:30:02Z",
            "day": "2026-11-01",
        }
    ],
    "cursor": _CURSOR,
}
SUMMARY: Final = {
    "success": True,
    "data": {
        "from": "2026-10-03",
        "to": "2026-11-01",
        "rows": [
            {"chatbotId": "shop-bot", "day": "2026-11-01", "kind": "send", "count": 1204},
            {
                "chatbotId": "shop-bot",
                "day": "2026-11-01",
                "kind": "pricing",
                "category": "marketing",
                "pricingType": "regular",
                "pricingModel": "PMP",
                "count": 300,
            },
        ],
    },
}
