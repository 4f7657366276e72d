"""Inbound messages of every type: the caller names the type, and gives only the relevant part of the object."""

import base64
import copy
from typing import Any

Json = dict[str, Any]

_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)

MEDIA: dict[str, tuple[str, bytes]] = {
    "image": ("image/png", _PNG),
    "sticker": ("image/webp", b"RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00/\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88"),
    "audio": ("audio/ogg; codecs=opus", b"OggS\x00\x02emulated voice note"),
    "video": ("video/mp4", b"\x00\x00\x00\x18ftypmp42emulated video"),
    "document": ("application/pdf", b"%PDF-1.4\n% emulated document\n%%EOF\n"),
}
"""Media type → (MIME type, content) of what a customer sends when the caller gives none."""

_OBJECTS: dict[str, Any] = {
    "text": {"body": "Hello"},
    "document": {"filename": "document.pdf"},
    "audio": {"voice": True},
    "sticker": {"animated": False},
    "image": {},
    "video": {},
    "location": {"latitude": 52.5163, "longitude": 13.3777, "name": "Brandenburger Tor", "address": "Berlin"},
    "contacts": [
        {
            "name": {"formatted_name": "Ada Example", "first_name": "Ada", "last_name": "Example"},
            "phones": [{"phone": "+49 1515 0000001", "wa_id": "4915150000001", "type": "CELL"}],
            "origin": "other",
        }
    ],
    "interactive": {"type": "button_reply", "button_reply": {"id": "yes", "title": "Yes"}},
    "button": {"payload": "yes", "text": "Yes"},
    "reaction": {"message_id": "wamid.UNKNOWN", "emoji": "\N{THUMBS UP SIGN}"},
    "order": {
        "catalog_id": "700000000000001",
        "product_items": [
            {"product_retailer_id": "sku-1", "quantity": 2, "item_price": 4.5, "currency": "EUR"},
        ],
    },
    "system": {"type": "user_changed_number", "body": "User changed number"},
    "unsupported": {"type": "poll"},
    "edit": {"original_message_id": "wamid.UNKNOWN", "message": {"type": "text", "text": {"body": "Edited"}}},
    "revoke": {"original_message_id": "wamid.UNKNOWN"},
}
_UNSUPPORTED = {
    "code": 131051,
    "title": "Message type unknown",
    "message": "Message type unknown",
    "error_data": {"details": "Message type is currently not supported."},
}


def complete(message: Json) -> Json:
    """`message`, completed with sample values: `{"type": "order"}` becomes a whole order.

    Unknown types pass as they are. Lists and interactive objects are taken as given when they are given.
    """
    kind = message["type"]
    whole = dict(message)
    if kind in _OBJECTS:
        sample = copy.deepcopy(_OBJECTS[kind])
        given = message.get(kind)
        if isinstance(given, dict) and kind != "interactive":
            whole[kind] = sample | given
        elif given is None:
            whole[kind] = sample
    if kind == "unsupported":
        whole.setdefault("errors", [_UNSUPPORTED])
    return whole
