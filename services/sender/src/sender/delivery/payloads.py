"""A send request as the JSON of `POST /<phone number id>/messages`. Pure."""

from functools import cache
from typing import Any, Final

import msgspec
from pydantic import BaseModel

from common.contracts.contacts import contact_of_recipient
from common.contracts.outbound import Contacts, Interactive, MarkAsRead, Pin, Template, Text, TypedMessage
from common.contracts.outbound.envelope import ENVELOPE
from common.contracts.sends import SendRequest

_BESIDE: Final = ("recipient_identity_key_hash", "product_policy", "message_activity_sharing")
_AROUND: Final = {*ENVELOPE, *_BESIDE, "type", "upload"}


def payload(request: SendRequest, callback_data: str) -> bytes:
    """Meta's JSON. `callback_data` names the send and comes back in every status (`common.security.callbacks`)."""
    message = request.message
    if isinstance(message, MarkAsRead):
        return msgspec.json.encode(_read(message))
    body: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **recipient(request.to),
        "type": request.kind,
        request.kind: {"body": message, "preview_url": False} if isinstance(message, str) else _content(message),
        **({} if isinstance(message, str) else _beside(message)),
        "biz_opaque_callback_data": callback_data,
    }
    if request.quoted is not None:
        body["context"] = {"message_id": request.quoted}
    return msgspec.json.encode(body)


def edge_of(request: SendRequest) -> str:
    """The endpoint for the request: marketing templates may use the Marketing Messages API."""
    message = request.message
    return "marketing_messages" if isinstance(message, Template) and message.is_marketing else "messages"


def recipient(to: str) -> dict[str, str]:
    """`recipient` for a BSUID, `to` for a phone number or a group; never both: Meta would ignore `recipient`."""
    contact = contact_of_recipient(to)
    if contact.group_id:
        return {"recipient_type": "group", "to": contact.group_id}
    if contact.user_id:
        return {"recipient": contact.user_id}
    # Without the `+` Meta may prepend the country code of the business.
    return {"to": f"+{contact.wa_id}"}


def _read(message: MarkAsRead) -> dict[str, Any]:
    body: dict[str, Any] = {"messaging_product": "whatsapp", "status": "read", "message_id": message.message_id}
    if message.typing:
        body["typing_indicator"] = {"type": "text"}
    return body


def _beside(message: TypedMessage) -> dict[str, Any]:
    """The fields that Meta expects beside the content."""
    given = message.model_fields_set
    fields = {name: getattr(message, name) for name in _BESIDE if name in given}
    return {name: value for name, value in fields.items() if value is not None}


def _content(message: TypedMessage) -> object:
    """The content as given; fields that were left out are left to Meta."""
    match message:
        case Interactive():
            return message.interactive.model_dump(exclude_none=True)
        case Template():
            return message.template.model_dump(exclude_none=True)
        case Pin():
            return message.pin.model_dump(exclude_none=True)
        case Contacts():
            return [card.model_dump(exclude_none=True) for card in message.contacts]
    given = message.model_fields_set
    fields = {name: getattr(message, name) for name in _content_of(type(message)) if name in given}
    content = {name: value for name, value in fields.items() if value is not None}
    return {**content, "preview_url": message.preview_url} if isinstance(message, Text) else content


@cache
def _content_of(kind: type[BaseModel]) -> tuple[str, ...]:
    """The fields of a kind that are its content, in order."""
    return tuple(name for name in kind.model_fields if name not in _AROUND)
