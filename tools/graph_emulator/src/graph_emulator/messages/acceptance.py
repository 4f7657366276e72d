"""Accepts a message like Meta: its recipient, the answer, and whether it will fail later. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graph_emulator.graph_errors import GraphError
from graph_emulator.state.directory import Business, Customer, Directory
from graph_emulator.validation.media_ids import media_ids
from graph_emulator.validation.message import check_message, is_to_group, recipient_of
from graph_emulator.wa_ids import wa_id_of

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that passed all checks that Meta makes before it answers."""

    type: str
    customer: Customer
    to_user_id: bool
    failure: int
    """Code of the `failed` status that will follow; 0 for none."""
    voice: bool

    @property
    def reached(self) -> bool:
        """Whether the phone will show it."""
        return not self.failure and not self.customer.blocked


def accept(
    body: Json,
    business: Business,
    directory: Directory,
    *,
    has_media: Callable[[str], bool],
    is_message: Callable[[str, str], bool],
) -> Accepted:
    """Check a message as Meta does; GraphError when it is refused at once.

    `has_media` tells whether the number owns a media id, `is_message` whether a wamid belongs to a phone's chats.
    """
    kind = check_message(body)
    customer, to_user_id = _recipient(body, directory)
    if customer.wa_id == wa_id_of(business.display_phone_number):
        raise GraphError(131021, "The recipient is the sending phone number itself.")
    if not business.registered:
        raise GraphError(133010, "Register the phone number before sending from it.")
    if to_user_id and kind == "template" and business.category(body) == "authentication":
        raise GraphError(131062, "Authentication templates need a phone number.")
    for media_id in media_ids(kind, body):
        if not has_media(media_id):
            raise GraphError(131053, f"Media id {media_id} is unknown, expired or of another number.")
    return Accepted(
        type=kind,
        customer=customer,
        to_user_id=to_user_id,
        failure=_later_failure(kind, body, customer, is_message),
        voice=kind == "audio" and body[kind].get("voice") is True,
    )


def answer(body: Json, accepted: Accepted, wamid: str, message_status: str) -> Json:
    """The body of a 200: `user_id` only for a message to a BSUID, `wa_id` unless it is withheld."""
    contact: Json = {"input": str(body["to"] if body.get("to") is not None else body["recipient"])}
    if not (accepted.to_user_id and accepted.customer.withhold_phone):
        contact["wa_id"] = accepted.customer.wa_id
    if accepted.to_user_id:
        contact["user_id"] = accepted.customer.user_id
    message: Json = {"id": wamid}
    if accepted.customer.is_group:
        message["group_id"] = accepted.customer.wa_id
    if accepted.type == "template":
        message["message_status"] = message_status
    return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]}


def _recipient(body: Json, directory: Directory) -> tuple[Customer, bool]:
    name, is_user_id = recipient_of(body)
    if is_to_group(body):
        return directory.group(name), False
    if not is_user_id:
        return directory.customer(name), False
    customer = directory.customer_by_user_id(name)
    if customer is None:
        raise GraphError(131026, "No WhatsApp user has this business-scoped user id.")
    return customer, True


def _later_failure(kind: str, body: Json, customer: Customer, is_message: Callable[[str, str], bool]) -> int:
    if not customer.on_whatsapp:
        return 131026
    wanted = body.get("recipient_identity_key_hash")
    if wanted and customer.identity_key_hash and wanted != customer.identity_key_hash:
        return 137000
    if kind == "reaction" and not is_message(body["reaction"]["message_id"], customer.wa_id):
        return 131009
    return 0
