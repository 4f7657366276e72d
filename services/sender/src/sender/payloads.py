"""A send request as the JSON that `POST /<phone number id>/messages` takes: pure."""

from typing import Any

import msgspec

from common.contracts.outbound import Contacts, MarkAsRead, Template, TypedMessage
from common.contracts.people import contact_of_recipient
from common.contracts.sends import SendRequest


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
        "biz_opaque_callback_data": callback_data,
    }
    if request.reply_to is not None:
        body["context"] = {"message_id": request.reply_to}
    return msgspec.json.encode(body)


def edge_of(request: SendRequest) -> str:
    """Where it is posted: marketing templates may go by the Marketing Messages API."""
    message = request.message
    return "marketing_messages" if isinstance(message, Template) and message.marketing_lite else "messages"


def recipient(to: str) -> dict[str, str]:
    """`recipient` for a BSUID, `to` for a phone number or a group; never both, for `to` silently wins."""
    contact = contact_of_recipient(to)
    if contact.group_id:
        return {"recipient_type": "group", "to": contact.group_id}
    if contact.user_id:
        return {"recipient": contact.user_id}
    # Without the `+` Meta may put the business's own country code in front.
    return {"to": f"+{contact.wa_id}"}


def _read(message: MarkAsRead) -> dict[str, Any]:
    body: dict[str, Any] = {"messaging_product": "whatsapp", "status": "read", "message_id": message.message_id}
    if message.typing:
        body["typing_indicator"] = {"type": "text"}
    return body


def _content(message: TypedMessage) -> object:
    if isinstance(message, Contacts):
        return [card.model_dump(exclude_none=True) for card in message.contacts]
    fields = message.model_dump(exclude={"type"}, exclude_none=True)
    # Interactive and template objects are Meta's own already; they are nested under their type by name.
    nested = fields.get(message.type)
    return nested if isinstance(nested, dict) else fields
