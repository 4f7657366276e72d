"""Webhook bodies as Meta sends them, signed; and the records that ingress makes of them."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from common.contracts import topics
from common.contracts.ids import random_id
from common.kafka.records import Outgoing
from ingress.records import records
from ingress.telemetry import begin

SECRET: Final = "bench-app-secret"  # noqa: S105  # only for benchmarks
NUMBERS: Final = 24
BUSINESS: Final = "102290129340398"
"""The id of the WhatsApp Business Account."""

_FOLLOWED: Final = b"00-%032x-00f067aa0ba902b7-01"
_TIME: Final = 1_767_225_600


def body(number: int, *, customers: int, numbers: int = NUMBERS, text: str = "") -> bytes:
    """A body with one text message, about 900 bytes; message `number` of `customers`, who write in turn."""
    customer = number % customers
    wa_id = f"4915{customer:09}"
    phone = f"1065403522{customer % numbers:05}"
    message = {
        "from": wa_id,
        "from_user_id": f"DE.{1_349_000_000_000 + customer}",
        "id": f"wamid.HBgNNDkxNTEwMDAwMDAwMRUCABIYFjNFQjA{number:012}",
        "timestamp": str(_TIME + number // 1000),
        "type": "text",
        "text": {"body": text or f"Hello, where is my order number {number}? I have been waiting for it since Monday."},
    }
    return _envelope(phone, {"contacts": [_contact(customer, wa_id)], "messages": [message]})


def _contact(customer: int, wa_id: str) -> dict[str, Any]:
    user_id = f"DE.{1_349_000_000_000 + customer}"
    return {"profile": {"name": f"Customer {customer}"}, "wa_id": wa_id, "user_id": user_id}


def _envelope(phone: str, content: dict[str, Any]) -> bytes:
    metadata = {"display_phone_number": f"1555{phone[-7:]}", "phone_number_id": phone}
    value = {"messaging_product": "whatsapp", "metadata": metadata, **content}
    changes = [{"field": "messages", "value": value}]
    entry = {"id": BUSINESS, "changes": changes}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}, indent=1).encode()


def signature(content: bytes) -> str:
    """The header `x-hub-signature-256`."""
    return "sha256=" + hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest()


def request(content: bytes, host: str = "127.0.0.1") -> bytes:
    """A whole HTTP/1.1 request, as Meta's servers write it."""
    head = (
        "POST /whatsapp-cloud/webhook HTTP/1.1\r\n"
        f"Host: {host}\r\nUser-Agent: facebookexternalua\r\nAccept: */*\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nX-Hub-Signature-256: {signature(content)}\r\n\r\n"
    )
    return head.encode() + content


def written_at(number: int) -> datetime:
    """When a message was written, as its body says."""
    return datetime.fromtimestamp(_TIME + number // 1000, UTC)


def webhook_records(
    count: int, *, customers: int, first: int = 0, followed: float = 0.0, now: datetime | None = None
) -> Iterator[Outgoing]:
    """The records that ingress writes for that many messages, received `now`. A share of them is traced."""
    now, every = now or datetime.now(UTC), round(1 / followed) if followed else 0
    for number in range(first, first + count):
        caller = _FOLLOWED % (number + 1) if every and number % every == 0 else None
        yield from records(body(number, customers=customers), begin(random_id(), caller), now=now)


def topic_records(count: int, *, customers: int) -> Iterator[Outgoing]:
    """The bodies themselves, for sides that parse them, with the same keys as our records."""
    for record in webhook_records(count, customers=customers):
        yield Outgoing(topics.WEBHOOKS.name, record.key, record.value, record.headers)
