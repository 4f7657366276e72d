"""The answers of the sender's API as types, with an example of each for the OpenAPI documents."""

from typing import Any, Final, Literal

from common.contracts.contacts import WRITE
from common.contracts.envelope import Contract
from common.http.openapi_responses import ErrorBody, Refused, wrong_field
from common.meta.media.rules import KNOWN_TYPES

_MESSAGE_ID: Final = "order-17"


class Enqueued(Contract, frozen=True, kw_only=True):
    """The idempotency key of the message: the caller's, or a new one."""

    message_id: str


class Warned(Contract, frozen=True, kw_only=True):
    """A problem that is known when a message is accepted.

    `window_closed`: the person has not written within 24 hours, and the message is no template. `number_held`: Meta
    refuses the number at present. `send_at_past`: `sendAt` is in the past, and the message is sent at once. With the
    other two codes the message will not be sent: `cancelled`, because its `messageId` was cancelled; `duplicate`,
    because another content has its `messageId`.
    """

    code: str
    message: str


class SendAnswer(Contract, frozen=True, kw_only=True):
    """The message is on `whatsapp-cloud-send`. `warnings` is present when a problem is known already."""

    success: Literal[True]
    message: str
    data: Enqueued
    warnings: list[Warned] | None = None


class BatchResult(Contract, frozen=True, kw_only=True):
    """The result of one message of a batch: its `messageId`, or its error. `warnings` concern its id and its times."""

    index: int
    success: bool
    message_id: str | None = None
    error: ErrorBody | None = None
    warnings: list[Warned] | None = None


class BatchData(Contract, frozen=True, kw_only=True):
    """How many messages were enqueued and how many refused, and the result of each, in order."""

    enqueued: int
    refused: int
    results: list[BatchResult]


class BatchAnswer(Contract, frozen=True, kw_only=True):
    """The valid messages are on `whatsapp-cloud-send`."""

    success: Literal[True]
    message: str
    data: BatchData


class Standing(Contract, frozen=True, kw_only=True):
    """The state of a send. Times are RFC 3339 in UTC.

    A send that waits is `queued`: `due` says when it is tried next, `reason` what it waits for. The reason is
    `scheduled` (its `sendAt`), `behind_others` (earlier sends of its conversation, or of a number that has many),
    `not_taken_up` (the sender has yet to read it), or the reason why Meta or an outage holds it or its number
    (`meta_unreachable`: Meta cannot be reached).

    `accepted` means that Meta took the message at the time `at`. If Meta reports later that the message failed, `state`
    becomes `failed`, `error` has Meta's code, and `failedAt` is the time of that report; `wamid` stays. Whether the
    message was delivered or read is not kept here: `GET /whatsapp-cloud/messages/{messageId}` has every status.
    """

    message_id: str
    chatbot_id: str
    state: str
    reason: str | None = None
    attempts: int | None = None
    at: str | None = None
    created_at: str | None = None
    due: str | None = None
    send_at: str | None = None
    wamid: str | None = None
    error: dict[str, Any] | None = None
    failed_at: str | None = None


class StandingAnswer(Contract, frozen=True, kw_only=True):
    """The state of a send."""

    success: Literal[True]
    data: Standing


class Media(Contract, frozen=True, kw_only=True):
    """A file in the media of a number: `size` in bytes, `sha256` in hex; messages name it by `id`."""

    id: str
    expires_at: str
    mime_type: str
    size: int
    sha256: str


class MediaAnswer(Contract, frozen=True, kw_only=True):
    """The file is with Meta."""

    success: Literal[True]
    data: Media


class Number(Contract, frozen=True, kw_only=True):
    """What Meta reported last about a number, at the time `at`."""

    phone_number_id: str
    chatbot_id: str
    messages_per_second: float
    at: str
    display_phone_number: str | None = None
    throughput_level: str | None = None
    on_business_app: bool | None = None
    quality_rating: str | None = None
    messaging_limit: str | None = None


class NumberAnswer(Contract, frozen=True, kw_only=True):
    """What Meta allows a number."""

    success: Literal[True]
    data: Number


SENT: Final = {
    "success": True,
    "message": "Message enqueued for sending",
    "data": {"messageId": _MESSAGE_ID},
}
BATCHED: Final = {
    "success": True,
    "message": "1 message enqueued for sending",
    "data": {
        "enqueued": 1,
        "refused": 1,
        "results": [
            {"index": 0, "success": True, "messageId": _MESSAGE_ID},
            {
                "index": 1,
                "success": False,
                "error": {
                    "code": "invalid_input",
                    "message": "the message does not have the expected form",
                    "details": [{"field": "to", "message": f"`to` is missing; {WRITE}"}],
                },
            },
        ],
    },
}
STANDING: Final = {
    "success": True,
    "data": {
        "messageId": _MESSAGE_ID,
        "chatbotId": "shop-bot",
        "state": "accepted",
        "attempts": 1,
        "at": "2026-11-01T09:30:01.250000+00:00",
        "createdAt": "2026-11-01T09:30:01+00:00",
        "wamid": "wamid.HBgMNDkxNTEwMDAwMDAxFQIAERgSRkFLRQA=",
    },
}
CANCELLED: Final = {
    "success": True,
    "data": {
        "messageId": _MESSAGE_ID,
        "chatbotId": "shop-bot",
        "state": "cancelled",
        "attempts": 0,
        "at": "2026-11-01T09:30:01.250000+00:00",
        "createdAt": "2026-11-01T09:30:01.250000+00:00",
    },
}
UPLOADED: Final = {
    "success": True,
    "data": {
        "id": "1037543291543636",
        "expiresAt": "2026-12-01T09:30:00+00:00",
        "mimeType": "image/jpeg",
        "size": 48213,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    },
}
NUMBER: Final = {
    "success": True,
    "data": {
        "phoneNumberId": "106540352242922",
        "chatbotId": "shop-bot",
        "displayPhoneNumber": "4930123456",
        "messagesPerSecond": 80.0,
        "throughputLevel": "STANDARD",
        "qualityRating": "GREEN",
        "messagingLimit": "TIER_1K",
        "at": "2026-11-01T09:30:00+00:00",
    },
}

NO_RECIPIENT: Final = wrong_field("to", f"`to` is missing; {WRITE}")
NO_MESSAGES: Final = Refused(
    "the batch does not have the expected form; `details` names each field",
    "invalid_input",
    "a batch has 1 to 1000 messages, this one has 0",
    [{"field": "messages", "message": "give 1 to 1000 messages", "limit": 1000, "given": 0}],
)
NO_SUCH_CHATBOT_ID: Final = Refused(
    "no chatbot can have this chatbotId",
    "invalid_input",
    "no chatbot can have this chatbotId",
    [{"field": "chatbotId", "message": "letters, digits and . _ : - are allowed", "limit": 128}],
)
REQUEST_TOO_LARGE: Final = Refused(
    "the request is too large", "too_large", "the body is too large; at most 900000 bytes are allowed"
)
BATCH_TOO_LARGE: Final = Refused(
    "the batch is too large", "too_large", "a batch has at most 8000000 bytes, this one has 9000000"
)
BATCHES_UNDER_WAY: Final = Refused(
    "too many batches are under way; repeat after `Retry-After` seconds",
    "too_many_requests",
    "you have too many batches under way; wait for their answers and try again",
)
UNKNOWN_SEND: Final = Refused(
    "no message of this chatbot with this messageId was accepted",
    "unknown_message",
    "no message of `shop-bot` with this messageId was accepted",
)
UNKNOWN_NUMBER: Final = Refused(
    "Meta has not been asked yet",
    "unknown_number",
    "Meta has not been asked about the number of `shop-bot` yet; send a message first",
)
NOT_CANCELLABLE: Final = Refused(
    "the message was sent, or may have been; `details` has its state",
    "not_cancellable",
    "Meta has this message already",
    STANDING["data"],
)
FILE_TOO_LARGE: Final = Refused(
    "the file is larger than WhatsApp allows; `details` has the limit",
    "too_large",
    "size: the file has to be of at most 5,242,880 bytes; given: 6,000,000",
    {"field": "size", "limit": 5242880, "given": 6000000},
)
FILE_OF_ANOTHER_TYPE: Final = Refused(
    "WhatsApp does not support files of this type",
    "unsupported_type",
    f"mimeType: the file has to be one of {KNOWN_TYPES}; given: image/gif",
    {"field": "mimeType", "limit": f"one of {KNOWN_TYPES}", "given": "image/gif"},
)
UPLOADS_UNDER_WAY: Final = Refused(
    "too many uploads are under way; repeat after `Retry-After` seconds",
    "too_many_requests",
    "you have too many uploads under way; wait for their answers and try again",
)
FILE_REFUSED: Final = Refused(
    "Meta refuses the file or the token; `details` has Meta's code",
    "refused_by_meta",
    "Meta refuses the file: invalid_parameter",
    {"code": 100, "reason": "invalid_parameter", "message": "Invalid parameter"},
)
UPLOAD_AWAY: Final = Refused(
    "Meta or accounts is unavailable; repeat after `Retry-After` seconds",
    "meta_unavailable",
    "Meta cannot be reached; try again",
)

_SALE: Final = {"type": "template", "template": {"name": "sale", "language": {"code": "en"}}}

SEND_EXAMPLES: Final = {
    "text": {"chatbotId": "shop-bot", "to": "+491510000001", "message": "Hello!", "metadata": {"orderId": 17}},
    "template": {
        "chatbotId": "shop-bot",
        "to": "+491510000001",
        "messageId": _MESSAGE_ID,
        "message": {
            "type": "template",
            "template": {
                "name": "order_shipped",
                "language": {"code": "en"},
                "components": [{"type": "body", "parameters": [{"type": "text", "text": "17"}]}],
            },
        },
    },
    "image by link": {
        "chatbotId": "shop-bot",
        "to": "+491510000001",
        "message": {"type": "image", "link": "https://shop.example/blue.jpg", "caption": "The blue one"},
    },
}
BATCH_EXAMPLES: Final = {
    "two people": {
        "chatbotId": "shop-bot",
        "batchId": "campaign-2026-11",
        "messages": [
            {"to": "+491510000001", "message": _SALE},
            {"to": "+491510000002", "message": _SALE},
        ],
    },
}
