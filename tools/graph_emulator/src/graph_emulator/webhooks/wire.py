"""The webhook wire: values of the field `messages`, the envelope around them, its bytes and its signature.

Shapes follow Meta's pages on the `messages` webhook and on business-scoped user ids (2026): `wa_id`, `from` and
`recipient_id` are left out, not empty, for people whose phone number Meta withholds; `contacts` comes with sent,
delivered and read, and neither with failed nor with system messages; `username` does not come with sent.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graph_emulator.graph_errors import webhook_error
from graph_emulator.state.directory import Business, Customer
from graph_emulator.state.ledger import Trace

Json = dict[str, Any]

_ENCODER = json.JSONEncoder(separators=(",", ":"))

UNLIMITED = "TIER_UNLIMITED"
UPDATES_MAX = 1_000
"""Most updates in one POST."""
SHAPES = ("items", "changes", "entries")
"""How updates of one batch are laid out: merged arrays, one change each, or one entry each."""


@dataclass(slots=True, eq=False)
class Update:
    """One message, status or other change on its way to the callback URL."""

    waba_id: str
    phone_number_id: str
    field: str
    value: Json
    lane: str
    """Updates of one lane are delivered in order."""
    contacts: tuple[str, ...]
    """Phone number and BSUID of the customer; empty when the update is about none."""
    kind: str
    """Message type of an inbound message, else the status or the field: what fault rules match as `type`."""
    trace: Trace


def message_value(business: Business, customer: Customer, message: Json) -> Json:
    """The value of an inbound message; `message` has id, timestamp, type and its object."""
    sender: Json = {} if customer.withhold_phone else {"from": customer.wa_id}
    value = _value(business)
    if message["type"] != "system":
        value["contacts"] = [_contact(customer, customer.withhold_phone, with_username=True)]
    value["messages"] = [sender | {"from_user_id": customer.user_id} | message]
    return value


def throughput_upgrade(business: Business) -> Json:
    """The value of `phone_number_quality_update` for a number that may carry 1,000 messages per second from now on.

    Meta's reference of that webhook: only portfolios with the unlimited messaging limit are upgraded.
    """
    return {
        "display_phone_number": business.display_phone_number,
        "event": "THROUGHPUT_UPGRADE",
        "max_daily_conversations_per_business": UNLIMITED,
    }


@dataclass(frozen=True, slots=True)
class StatusFacts:
    """The status object of a message. `billed` is (pricing type, category), or None when pricing stays out."""

    wamid: str
    status: str
    at_s: int
    to_user_id: bool
    callback_data: str | None
    billed: tuple[str, str] | None
    code: int


def status_value(business: Business, customer: Customer, facts: StatusFacts) -> Json:
    """The value of a status webhook."""
    failed = facts.status == "failed"
    withheld = facts.to_user_id and customer.withhold_phone
    status: Json = {"id": facts.wamid, "status": facts.status, "timestamp": str(facts.at_s)}
    if not withheld:
        status["recipient_id"] = customer.wa_id
    if customer.is_group:
        status["recipient_type"] = "group"
    elif not failed or facts.to_user_id:
        status["recipient_user_id"] = customer.user_id
    if facts.callback_data is not None:
        status["biz_opaque_callback_data"] = facts.callback_data
    if facts.billed is not None:
        kind, category = facts.billed
        status["pricing"] = {"billable": True, "pricing_model": "PMP", "type": kind, "category": category}
    value = _value(business)
    if failed:
        status["errors"] = [webhook_error(facts.code)]
    elif not customer.is_group:
        value["contacts"] = [_contact(customer, withheld, with_username=facts.status != "sent")]
    value["statuses"] = [status]
    return value


def envelope(updates: Sequence[Update], shape: str = "items") -> Json:
    """One body for `updates`, in their order, laid out as `shape` says (see SHAPES)."""
    entries: list[Json] = []
    for update in updates:
        last = entries[-1] if entries else None
        if shape == "entries" or last is None or last["id"] != update.waba_id:
            last = {"id": update.waba_id, "changes": []}
            entries.append(last)
        if shape != "items" or not _merged(last["changes"], update):
            last["changes"].append({"value": update.value, "field": update.field})
    return {"object": "whatsapp_business_account", "entry": entries}


def encode(body: Json) -> bytes:
    r"""The bytes as Meta writes them: ASCII, other characters as lowercase \uXXXX, slashes as \/."""
    return _ENCODER.encode(body).replace("/", "\\/").encode("ascii")


def signature(app_secret: str, body: bytes) -> str:
    """The value of `X-Hub-Signature-256` for exactly these bytes."""
    return "sha256=" + hmac.digest(app_secret.encode(), body, hashlib.sha256).hex()


def _merged(changes: list[Json], update: Update) -> bool:
    """Put the update's arrays into the last change, if it is about the same number; False when it is not."""
    if not changes or changes[-1]["field"] != "messages" or update.field != "messages":
        return False
    value = changes[-1]["value"]
    if value.get("metadata") != update.value.get("metadata"):
        return False
    merged = dict(value)
    for key in ("contacts", "messages", "statuses"):
        fresh = update.value.get(key, [])
        known = value.get(key, [])
        if fresh:
            merged[key] = known + [item for item in fresh if key != "contacts" or item not in known]
    changes[-1]["value"] = merged
    return True


def _value(business: Business) -> Json:
    metadata = {
        "display_phone_number": business.display_phone_number,
        "phone_number_id": business.phone_number_id,
    }
    return {"messaging_product": "whatsapp", "metadata": metadata}


def _contact(customer: Customer, withheld: bool, *, with_username: bool) -> Json:
    profile: Json = {"name": customer.profile_name}
    if customer.username and with_username:
        profile["username"] = customer.username
    contact: Json = {"profile": profile}
    if not withheld:
        contact["wa_id"] = customer.wa_id
    contact["user_id"] = customer.user_id
    if customer.identity_key_hash:
        contact["identity_key_hash"] = customer.identity_key_hash
    return contact
