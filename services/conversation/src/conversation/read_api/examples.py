"""Examples of the read API's answers and refusals, for its OpenAPI document."""

from typing import Final

from common.http.openapi_responses import Refused, wrong_field
from conversation.read_api.message_filter import STATUSES

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
