"""A send request as the JSON that `POST /<phone number id>/messages` takes: pure."""

from typing import Any, Final

import msgspec

from common.contracts.outbound import MarkAsRead, Template, Text, TypedMessage
from common.contracts.outbound.envelope import ENVELOPE
from common.contracts.people import contact_of_recipient
from common.contracts.sends import SendRequest

_BESIDE: Final = ("recipient_identity_key_hash", "product_policy", "message_activity_sharing")
_AROUND: Final = {*ENVELOPE, *_BESIDE, "type", "marketing_lite"}


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
        **_beside(message),
        "biz_opaque_callback_data": callback_data,
    }
    if request.quoted is not None:
        body["context"] = {"message_id": request.quoted}
    return msgspec.json.encode(body)


def edge_of(request: SendRequest) -> str:
    """Where it is posted: marketing templates may go by the Marketing Messages API."""
    message = request.message
    return "marketing_messages" if isinstance(message, Template) and message.is_marketing else "messages"


def recipient(to: str) -> dict[str, str]:
    """`recipient` for a BSUID, `to` for a phone number; never both, for `to` silently wins."""
    contact = contact_of_recipient(to)
    if contact.user_id:
        return {"recipient": contact.user_id}
    # Without the `+` Meta may put the business's own country code in front.
    return {"to": f"+{contact.wa_id}"}


def _read(message: MarkAsRead) -> dict[str, Any]:
    body: dict[str, Any] = {"messaging_product": "whatsapp", "status": "read", "message_id": message.message_id}
    if message.typing:
        body["typing_indicator"] = {"type": "text"}
    return body


def _beside(message: str | TypedMessage) -> dict[str, Any]:
    """What Meta has beside the content."""
    given = {} if isinstance(message, str) else {name: getattr(message, name, None) for name in _BESIDE}
    return {name: value for name, value in given.items() if value is not None}


def _content(message: TypedMessage) -> object:
    """The content as it was given: what was left out is left to Meta."""
    fields = message.model_dump(exclude=_AROUND, exclude_none=True, exclude_unset=True)
    if isinstance(message, Text):
        return {**fields, "preview_url": message.preview_url}
    # Cards, interactive and template objects stand under their own name already.
    return fields.get(message.type, fields)
