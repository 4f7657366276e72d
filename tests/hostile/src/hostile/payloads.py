"""The payloads of a hostile tenant or client: bodies of webhooks and send requests. Pure.

The shapes are Meta's ("Webhooks overview", "messages webhook reference"). A tenant cannot sign webhooks itself, but Meta
signs what that tenant's own number causes: it calls the Graph API with its own token and chooses
`biz_opaque_callback_data`, and its own phone writes, reacts and replies.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

Json = dict[str, Any]

_NAMESPACE: Final = uuid.UUID("6a3ecb56-2f9f-5c1e-9f0e-6f1f6c0c6d0a")
STATUSES: Final = ("sent", "delivered", "read", "played", "failed")
TEMPLATE: Final[Json] = {"type": "template", "template": {"name": "news", "language": {"code": "en"}}}


def public_journal_id(chatbot_id: str, message_id: str) -> str:
    """The id of a send, which any client can compute: a UUIDv5 with a public namespace. Repeated here, because
    an attacker does not use our library."""
    parts = "".join(f"|{len(part)}:{part}" for part in (chatbot_id, message_id))
    return str(uuid.uuid5(_NAMESPACE, f"send{parts}"))


def compact(value: object) -> bytes:
    """JSON as Meta writes it, without spaces."""
    return json.dumps(value, separators=(",", ":")).encode()


def status(wamid: str, word: str, phone: str, at: int, callback: str | None = None) -> Json:
    """One status; `at` in Unix seconds."""
    made: Json = {"id": wamid, "status": word, "timestamp": str(at), "recipient_id": phone}
    if callback is not None:
        made["biz_opaque_callback_data"] = callback
    if word == "failed":
        made["errors"] = [{"code": 131026, "title": "Message undeliverable"}]
    return made


def message(wamid: str, phone: str, at: int, content: Json | None = None) -> Json:
    """One message of a customer; `content` has its type and the part of that type."""
    text: Json = {"type": "text", "text": {"body": "hello"}}
    return {"from": phone, "id": wamid, "timestamp": str(at), **(text if content is None else content)}


def value_of(number: str, *, messages: Iterable[Json] = (), statuses: Iterable[Json] = ()) -> Json:
    """The value of a `messages` change."""
    made: Json = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550001111", "phone_number_id": number},
    }
    told = {"messages": list(messages), "statuses": list(statuses)}
    people = [{"profile": {"name": "M"}, "wa_id": one["from"]} for one in told["messages"] if "from" in one]
    return made | ({"contacts": people} if people else {}) | {name: items for name, items in told.items() if items}


def webhook(waba: str, *values: Json) -> bytes:
    """A body with one entry, and a change for each value."""
    changes = [{"field": "messages", "value": value} for value in values]
    return compact({"object": "whatsapp_business_account", "entry": [{"id": waba, "changes": changes}]})


def many_entries(count: int) -> bytes:
    """A body with empty entries of three bytes each."""
    return b'{"object":"whatsapp_business_account","entry":[' + b",".join([b"{}"] * count) + b"]}"


def long_account(id_bytes: int, facts: int, number: str) -> bytes:
    """A body with a long account id, which every fact would repeat."""
    statuses = [{"id": f"w{n}", "status": "sent", "timestamp": "1", "recipient_id": "4915"} for n in range(facts)]
    return webhook("9" * id_bytes, value_of(number, statuses=statuses))


def long_number(id_bytes: int, facts: int) -> bytes:
    """A body with a long phone number id, which every fact would repeat."""
    statuses = [{"id": f"w{n}", "status": "sent", "timestamp": "1", "recipient_id": "4915"} for n in range(facts)]
    return webhook("2", value_of("9" * id_bytes, statuses=statuses))


def nested(depth: int, inner: object = 0) -> Any:
    """An object in an object in an object…"""
    for _ in range(depth):
        inner = {"a": inner}
    return inner


UNSTORABLE: Final[Mapping[str, Json]] = {
    # BSON: names are C strings, and integers have 64 bits (bsonspec.org).
    "NUL in a name": {"a\x00b": 1},
    "NUL in a nested name": {"a": [{"b\x00": 1}]},
    "2**63": {"n": [2**63]},
    "-2**63-1": {"n": -(2**63) - 1},
}
"""Metadata that is JSON, and that MongoDB cannot store."""

EXTREME: Final[Mapping[str, Json]] = {
    # MongoDB nests at most 100 levels ("MongoDB Limits and Thresholds"), of which our documents use some.
    "10**30": {"n": 10**30},
    "nested 99 levels": nested(99),
    "nested 95 levels": nested(95),
    "a list nested 90 levels": {"l": json.loads("[" * 90 + "]" * 90)},
    "a long name": {"k" * 100_000: 1},
    "a long text": {"t": "x" * 800_000},
    "many names": {f"k{n}": n for n in range(20_000)},
}
"""Metadata at or beyond a limit."""

REFERENCES: Final[Mapping[str, Json]] = {
    # PyMongo decodes such an object as a DBRef, or MongoDB refuses a name that begins with `$`.
    "$ref": {"$ref": "messages", "$id": "1"},
    "$ref nested": {"a": {"$ref": "messages", "$id": 1, "$db": "admin"}},
    "$ref in a list": {"a": [{"$ref": 1, "$id": {"$ref": "x", "$id": 2}}]},
    "a lone $ref": {"$ref": None},
    "$id first": {"$id": 1, "$ref": "x"},
    "$set": {"$set": {"deliveryStatus": "read"}},
    "$where": {"$where": "sleep(1000)"},
    "dots": {"a.b": 1, ".": 2, "": 3},
}
"""Metadata whose names have a meaning for MongoDB or its driver."""


def send(chatbot_id: str, phone: str, message_id: str, **more: Any) -> Json:
    """A send request of a template, which needs no open window."""
    return {"chatbotId": chatbot_id, "to": f"+{phone}", "messageId": message_id, "message": TEMPLATE, **more}


def batch(chatbot_id: str, items: Iterable[Json]) -> Json:
    """A batch of send requests."""
    return {"chatbotId": chatbot_id, "messages": list(items)}


def wrong_fields(messages: int, fields: int, chatbot_id: str) -> bytes:
    """A batch each of whose messages has this many fields that no message has."""
    wrong = {f"x{n}": n for n in range(fields)}
    return compact(batch(chatbot_id, ({"to": "+4915100000001", "message": "x", **wrong} for _ in range(messages))))


def large_batch(size: int, chatbot_id: str) -> bytes:
    """A valid batch of about `size` bytes: a thousand texts with metadata."""
    filler = "x" * max(1, size // 1_000 - 150)
    items = ({"to": f"+49151{n:08d}", "message": TEMPLATE, "metadata": {"f": filler}} for n in range(1_000))
    return compact(batch(chatbot_id, items))


GARBAGE: Final = (
    b"",
    b"\x00\xff\xfe",
    b"not JSON",
    b"[]",
    b"null",
    b'{"chatbotId": 5}',
    b'{"chatbotId": ""}',
    b'{"to": "+4915100000001"}',
    b"[" * 10_000,
    b'{"a":' * 5_000,
    b'"\\ud800"',
)
"""Records of `whatsapp-cloud-send` without a chatbot, or without valid JSON."""


def garbage(count: int) -> list[bytes]:
    """So many of them, each once more and once more."""
    return [GARBAGE[n % len(GARBAGE)] for n in range(count)]
