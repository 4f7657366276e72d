"""The victim's data, as snapshots to compare before and after an attack."""

import asyncio
import uuid
from typing import Any, Final

from hostile.crosstenant.claims import SECRET
from hostile.crosstenant.ways import Things
from hostile.payloads import Json, public_journal_id, send
from hostile.tenants import Stage, Tenant
from hostile.topics import read_topic
from testbed.client import eventually

PHONE: Final = "491729000001"
_LATE: Final = "2035-01-01T00:00:00Z"
_FAR: Final = 3


async def things_of(stage: Stage, victim: Tenant) -> Things:
    """Create one of everything for a tenant: conversations, a scheduled send, usage, a file. Returns their names."""
    tag = f"{SECRET}-{uuid.uuid4().hex[:6]}"
    inbound = await written(stage, victim, f"{tag} hello", PHONE)
    for number in range(_FAR):
        await written(stage, victim, f"{tag} more", f"49172900001{number}")
    for name, more in {"sent": {}, "later": {"sendAt": _LATE}}.items():
        body = send(victim.chatbot_id, PHONE, f"{tag}-{name}", metadata={"canary": tag}, **more)
        await stage.call("POST", "/send", victim.key, body)

    async def read() -> Json | None:
        found, later = [await stage.message(victim, f"{tag}-{name}") for name in ("sent", "later")]
        # Statuses may come before the result of their send, which alone has the request.
        reported = "request" in found and "request" in later and later.get("reason") == "scheduled"
        return found if found.get("deliveryStatus") == "read" and reported else None

    async def told() -> bool:
        return "accepted" in await _events_of(stage, public_journal_id(victim.chatbot_id, f"{tag}-sent"))

    stored = await eventually("the victim's sends stand as wanted", read)
    await eventually("the victim's producer is told", told)
    asked = (await stage.call("GET", f"/messages/{inbound}", victim.key)).json()["data"]
    lists = [(await stage.call("GET", f"/{name}?limit=1", victim.key)).json() for name in ("conversations", "usage")]
    upload = await stage.call(
        "POST", f"/media?chatbotId={victim.chatbot_id}", victim.key, b"\x89PNG\r\n\x1a\n", {"content-type": "image/png"}
    )
    return Things(
        chatbot_id=victim.chatbot_id,
        number=victim.number,
        conversation_id=asked["conversationId"],
        message_id=f"{tag}-sent",
        waiting_id=f"{tag}-later",
        wamid=stored["wamid"],
        inbound=inbound,
        inbound_id=asked["id"],
        phone=PHONE,
        cursor=str(lists[0]["cursor"]),
        usage_cursor=str(lists[1]["cursor"]),
        canary=tag,
        media_id=str(upload.json().get("data", {}).get("id")),
    )


async def written(stage: Stage, tenant: Tenant, words: str, phone: str) -> str:
    """A customer writes, and it is stored; the wamid."""
    wamid = await stage.client.says(phone, tenant.number, words)
    left = await stage.stored([wamid], tenant)
    assert not left, "the victim's customer's message was not stored"
    return wamid


async def picture(stage: Stage, victim: Tenant, their: Things) -> Json:
    """Everything that the attacks must not change: thread, messages, account, schedule, and the phone's messages."""
    journal = public_journal_id(their.chatbot_id, their.message_id)
    paths = {
        "thread": f"/conversations/{their.conversation_id}/messages",
        "conversation": f"/conversations/{their.conversation_id}",
        "sent": f"/messages/{journal}",
        "inbound": f"/messages/{their.inbound}",
        "account": f"/account/{their.chatbot_id}",
        "waiting": f"/send/{their.waiting_id}?chatbotId={their.chatbot_id}",
    }
    answers = await asyncio.gather(*(stage.call("GET", path, victim.key) for path in paths.values()))
    ledger = await stage.client.received(phone=their.phone, phoneNumberId=victim.number)
    events = await _events_of(stage, journal)
    shown = {name: (one.status, one.json().get("data")) for name, one in zip(paths, answers, strict=True)}
    return {**shown, "phone": [entry["wamid"] for entry in ledger], "events": events}


async def _events_of(stage: Stage, journal: str) -> list[Any]:
    """The statuses of a send that its producer has been told."""
    read = await read_topic(stage.kafka, "message-status")
    return [event["data"].get("status") for _, event in read if event and event["data"].get("journalId") == journal]


def differences(before: Json, after: Json) -> list[str]:
    """The names of what has changed. Pure."""
    return [name for name in before if before[name] != after[name]]
