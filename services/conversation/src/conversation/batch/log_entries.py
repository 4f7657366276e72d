"""The webhook log and the usage log: documents that are written once. Pure."""

from datetime import datetime
from typing import Any, Final

from common.contracts.ids import derive_id, ordered_id
from common.contracts.webhooks import WebhookData, original_of
from common.meta.broken_text import kept_text
from common.meta.payloads import read_json
from conversation.batch.absorbing import STOOD_IN, stand_in_id
from conversation.batch.documents import present
from conversation.batch.facts import ChangeSeen, Inbound, Result, StatusSeen
from conversation.batch.plan import Plan
from conversation.batch.working_set import Document, Message

PRICED: Final = "priced"
"""Set on the entry of a message's history whose status brought the pricing that is logged; earlier versions did not."""

_DAY = "%Y-%m-%d"


def webhook_entry(fact: Inbound | StatusSeen | ChangeSeen, dated_since: datetime | None = None) -> Document:
    """One entry of `webhook_events` per record: Meta's repetitions are there, with the same `recordId`.

    A message's JSON is kept with the message; the others keep theirs here. The id of what came in since `dated_since`
    has its time beside its place, because the same place on a new Kafka had another record before.
    """
    data, received = fact.event.data, fact.event.recorded_at
    dated = dated_since is not None and received >= dated_since
    return present(
        _id=f"{fact.origin}@{int(received.timestamp()):x}" if dated else fact.origin,
        recordId=fact.event.id,
        type=fact.event.type,
        field=data.field,
        accountId=data.account_id,
        phoneNumberId=data.phone_number_id,
        wamid=data.wamid,
        status=fact.status.status if isinstance(fact, StatusSeen) else None,
        reason=data.reason,
        raw=None if isinstance(fact, Inbound) else _raw(data),
        receivedAt=received,
    )


def log_pricing(result: Plan, fact: StatusSeen, message: Message) -> bool:
    """Log Meta's `pricing` of a message, once: it comes with `sent` and again with the first of delivered and read.

    Returns whether this status brings it, and nothing in the message's history says that it is logged (`PRICED`).
    """
    wamid = fact.status.id
    before = message.entries_of(f"{wamid}|")
    if any(PRICED in entry for entry in before):
        return False
    pricing = read_json(fact.status.pricing)
    if not pricing:
        return False
    priced, created = _priced_as(message, wamid)
    document = present(
        _id=_usage_id(result, created, "pricing", f"{priced}|{wamid}"),
        **_usage("pricing", message, fact.at),
        wamid=wamid,
        category=_text(pricing.get("category")),
        pricingType=_text(pricing.get("type")),
        pricingModel=_text(pricing.get("pricing_model")),
        billable=pricing.get("billable") if isinstance(pricing.get("billable"), bool) else None,
    )
    result.log_usage(document, new=not before)
    return True


def log_send(result: Plan, fact: Result, message: Message) -> None:
    """Log one send that Meta has accepted."""
    data = fact.event.data
    document = present(
        _id=_usage_id(result, message.document.get("createdAt"), "send", data.journal_id),
        **_usage("send", message, data.at),
        wamid=data.wamid,
        messageId=data.message_id,
        messageType=message.document.get("type"),
    )
    result.log_usage(document, new=not message.entries_of(f"{fact.event.type}|"))


def _priced_as(message: Message, wamid: str) -> tuple[str, Any]:
    """Under which message a price is logged, and when that was created: a stand-in may have been told it before."""
    stood_in = message.document.get(STOOD_IN)
    if stood_in:
        return stand_in_id(message, wamid), stood_in
    return message.document["_id"], message.document.get("createdAt")


def _usage_id(result: Plan, created: Any, kind: str, about: str) -> str:
    """The id of an entry about a message that was created then.

    Ids in order of time keep the pages of their index few (docs/decisions/0039). What was created before all processes
    knew them keeps ids without order, by which every version finds its entry.
    """
    if result.ordered_since is None or not isinstance(created, datetime) or created < result.ordered_since:
        return derive_id("usage", kind, about)
    return ordered_id(created, "usage", kind, about)


def _usage(kind: str, message: Message, at: Any) -> Document:
    return present(
        kind=kind,
        chatbotId=message.document.get("chatbotId"),
        phoneNumberId=message.document.get("phoneNumberId"),
        conversationId=message.conversation_id,
        at=at,
        day=at.strftime(_DAY),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _raw(data: WebhookData) -> str | None:
    """The part as text, with nothing lost: JSON as it came, other bytes escaped (`kept_text`)."""
    original = original_of(data)
    return kept_text(original) if original or data.raw_base64 is not None else None
