"""Calls, records and webhooks that name what is another tenant's; and numbers that change hands."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from typing import Final

from demo.client import eventually
from hostile.crosstenant import SECRET, Finding
from hostile.payloads import Json, compact, message, public_journal_id, send, status, value_of, webhook
from hostile.tenants import HEIR, Stage, Tenant
from hostile.topics import Header, read_topic, write
from hostile.ways import Things, every, problem_with

PHONE: Final = "491729000001"
_LATE: Final = "2035-01-01T00:00:00Z"
_FAR: Final = 3


async def things_of(stage: Stage, victim: Tenant) -> Things:
    """Make for a tenant one of everything: conversations, a scheduled send, usage, a file; and name it."""
    tag = f"{SECRET}-{uuid.uuid4().hex[:6]}"
    inbound = await _written(stage, victim, f"{SECRET} hello", PHONE)
    for number in range(_FAR):
        await _written(stage, victim, f"{SECRET} more", f"49172900001{number}")
    for name, more in {"sent": {}, "later": {"sendAt": _LATE}}.items():
        body = send(victim.chatbot_id, PHONE, f"{tag}-{name}", metadata={"canary": SECRET}, **more)
        await stage.call("POST", "/send", victim.key, body)

    async def read() -> Json | None:
        found = await stage.message(victim, f"{tag}-sent")
        waits = (await stage.standing(victim, f"{tag}-later")).get("state")
        return found if found.get("deliveryStatus") == "read" and waits == "scheduled" else None

    stored = await eventually("the victim's sends stand as wanted", read)
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
        media_id=str(upload.json().get("data", {}).get("id")),
    )


async def _written(stage: Stage, tenant: Tenant, words: str, phone: str) -> str:
    """A customer writes, and it is stored; the wamid."""
    wamid = await stage.client.says(phone, tenant.number, words)
    left = await stage.stored([wamid], tenant)
    assert not left, "the victim's customer's message was not stored"
    return wamid


async def picture(stage: Stage, victim: Tenant, their: Things) -> Json:
    """All that the table must leave as it is: thread, messages, account, schedule, and what the phone has."""
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
    events = [
        event["data"].get("status")
        for _, event in await read_topic(stage.kafka, "message-status")
        if event is not None and event["data"].get("journalId") == journal
    ]
    shown = {name: (one.status, one.json().get("data")) for name, one in zip(paths, answers, strict=True)}
    return {**shown, "phone": [entry["wamid"] for entry in ledger], "events": events}


def differences(before: Json, after: Json) -> list[str]:
    """The names of what has changed. Pure."""
    return [name for name in before if before[name] != after[name]]


async def over_the_api(stage: Stage, attacker: Tenant, their: Things) -> list[Finding]:
    """Go through the whole table of ways with the attacker's key."""
    findings = []
    for way in every(attacker.chatbot_id, their):
        answer = await stage.call(way.method, way.path, attacker.key, way.body)
        secrets = (SECRET, *({their.wamid, their.inbound} - set(way.path.split("/"))))
        problem = problem_with(way, answer.status, answer.json(), answer.text, secrets)
        findings.append(Finding(way.name, not problem, problem))
    return findings


def webhooks_naming(attacker: Tenant, their: Things) -> dict[str, bytes]:
    """Webhooks of the attacker's own number that name the victim's messages: reactions, replies, edits, ids. Pure."""
    at, own = int(time.time()), "49173900000"
    named: dict[str, Json] = {
        "reaction": {"type": "reaction", "reaction": {"message_id": their.wamid, "emoji": "x"}},
        "reaction to an inbound": {"type": "reaction", "reaction": {"message_id": their.inbound, "emoji": "x"}},
        "reply": {"context": {"id": their.wamid, "from": attacker.number}, "type": "text", "text": {"body": "r"}},
        "reply to an inbound": {"context": {"id": their.inbound}, "type": "text", "text": {"body": "r"}},
        "edit": {
            "type": "edit",
            "edit": {"original_message_id": their.wamid, "message": {"type": "text", "text": {"body": "e"}}},
        },
        "revoke": {"type": "revoke", "revoke": {"original_message_id": their.inbound}},
        "system": {"type": "system", "system": {"body": "x", "wa_id": their.phone, "type": "user_changed_number"}},
    }
    made = {
        name: message(f"wamid.naming-{uuid.uuid4().hex[:8]}", f"{own}{place}", at, content)
        for place, (name, content) in enumerate(named.items())
    }
    made["an inbound with the id of their send"] = message(their.wamid, f"{own}8", at)
    made["an inbound with the id of their inbound"] = message(their.inbound, f"{own}9", at)
    made["an inbound of their customer with that id"] = message(their.inbound, their.phone, at)
    bodies = {name: value_of(attacker.number, messages=[one]) for name, one in made.items()}
    for word in ("read", "failed"):
        bodies[f"a status `{word}` of their inbound"] = value_of(
            attacker.number, statuses=[status(their.inbound, word, their.phone, at)]
        )
        bodies[f"a status `{word}` of their send"] = value_of(
            attacker.number, statuses=[status(their.wamid, word, their.phone, at)]
        )
    return {name: webhook(attacker.waba, value) for name, value in bodies.items()}


async def by_webhook(stage: Stage, attacker: Tenant, victim: Tenant, their: Things) -> list[Finding]:
    """Deliver each of them, wait for it, and compare everything that the victim has."""
    before, findings = await picture(stage, victim, their), []
    for name, body in webhooks_naming(attacker, their).items():
        answer = await stage.deliver(body)
        # Behind it in its partition, whichever that is.
        fences = [f"wamid.fence-{uuid.uuid4().hex[:10]}" for _ in range(24)]
        told = [message(wamid, f"4917391{n:06d}", int(time.time())) for n, wamid in enumerate(fences)]
        told += [message(f"wamid.fence-{uuid.uuid4().hex[:10]}", their.phone, int(time.time()))]
        fences.append(told[-1]["id"])
        await stage.deliver(webhook(attacker.waba, value_of(attacker.number, messages=told)))
        left = await stage.stored(fences, attacker)
        after = await picture(stage, victim, their)
        changed = differences(before, after) if answer.status == 200 and not left else [f"answered {answer.status}"]
        findings.append(Finding(name, not changed, ", ".join(changed)))
        before = after
    shown = await stage.everything(attacker)
    return [*findings, Finding("threads of the attacker", SECRET not in shown, "show the victim's words")]


async def id_taken_before(stage: Stage, attacker: Tenant, victim: Tenant) -> Finding:
    """The attacker's number has had a message with an id that the victim's message comes with later."""
    wamid, at = f"wamid.taken-{uuid.uuid4().hex[:10]}", int(time.time())
    await stage.deliver(
        webhook(attacker.waba, value_of(attacker.number, messages=[message(wamid, "491739200001", at)]))
    )
    await stage.stored([wamid], attacker)
    await stage.deliver(webhook(victim.waba, value_of(victim.number, messages=[message(wamid, "491739200002", at)])))
    left = await stage.stored([wamid], victim, seconds=8)
    return Finding("the victim's message whose id came on the attacker's number before", not left, "was lost")


def records_naming(attacker: Tenant, their: Things) -> dict[str, tuple[bytes, bytes, Sequence[Header]]]:
    """Records of the attacker's chatbot on `whatsapp-cloud-send`, with every header that means something to us, and with
    the victim's ids in all of them. Pure."""
    journal = public_journal_id(their.chatbot_id, their.message_id).encode()
    plain = {"chatbotId": attacker.chatbot_id, "to": f"+{their.phone}", "message": "forged"}
    headers: dict[str, Sequence[Header]] = {
        "replay": [("replay", b"1"), ("message-id", their.message_id.encode())],
        "rekeyed": [("rekeyed-from", b"whatsapp-cloud-send/0/0"), ("message-id", their.message_id.encode())],
        "released": [("released-from", b"whatsapp-cloud-send/0/0"), ("message-id", their.waiting_id.encode())],
        "attempts": [("attempts", b"4"), ("not-before-ms", b"99999999999999")],
        "origin": [
            ("origin-topic", b"whatsapp-cloud-send-retry-2s"),
            ("origin-partition", b"0"),
            ("origin-offset", b"0"),
        ],
        "event id": [("event-id", journal), ("correlation-id", journal), ("event-type", b"send.accepted")],
        "huge": [("correlation-id", b"x" * 100_000), ("replay", b"9" * 4_000), ("attempts", b"-1")],
    }
    records = {
        f"{name}, with their messageId": (
            their.chatbot_id.encode(),
            compact({**plain, "messageId": their.message_id}),
            told,
        )
        for name, told in headers.items()
    }
    return records | {
        f"{name}, with their messageId in the header alone": (their.chatbot_id.encode(), compact(plain), told)
        for name, told in headers.items()
    }


async def by_topic(stage: Stage, attacker: Tenant, victim: Tenant, their: Things) -> list[Finding]:
    """Write the records, wait until a send behind them has gone, and compare."""
    before = await picture(stage, victim, their)
    records = records_naming(attacker, their)
    await write(stage.kafka, "whatsapp-cloud-send", list(records.values()))
    for tenant in (attacker, victim):
        fence = f"fence-{uuid.uuid4().hex[:8]}"
        await stage.call("POST", "/send", tenant.key, send(tenant.chatbot_id, "491739300001", fence))

        async def accepted(tenant: Tenant = tenant, fence: str = fence) -> bool:
            return (await stage.message(tenant, fence)).get("deliveryStatus") == "read"

        await eventually(f"a send of {tenant.name} behind the records is read", accepted)
    changed = differences(before, await picture(stage, victim, their))
    return [Finding("records with the victim's ids", not changed, ", ".join(changed))]


async def number_changes_hands(stage: Stage, victim: Tenant) -> list[Finding]:
    """The victim's second account gives up its number; the operator gives it to another tenant."""
    number, phone = "106540352290001", "491729500001"
    old = await stage.onboard(victim.name, number, place=1)
    earlier = await _written(stage, old, f"{SECRET} before", phone)
    conversation = (await stage.call("GET", f"/messages/{earlier}", old.key)).json()["data"]["conversationId"]
    await stage.operator("POST", f"/account/{old.chatbot_id}/deactivate")
    new = await stage.onboard(HEIR, number)
    later = await _written(stage, new, "good morning", phone)
    findings = []
    for name, path in {
        "the earlier message": f"/messages/{earlier}",
        "the earlier conversation": f"/conversations/{conversation}",
        "the earlier thread": f"/conversations/{conversation}/messages",
    }.items():
        answer = await stage.call("GET", path, new.key)
        held = SECRET not in answer.text and earlier not in answer.text
        findings.append(Finding(f"{name} is hidden from the new owner", held, answer.text[:120]))
    shown = await stage.everything(new)
    findings.append(Finding("nothing else shows it to the new owner", SECRET not in shown, "it does"))
    findings.append(Finding("the new owner sees its own", later in shown, "it does not"))
    kept = await stage.call("GET", f"/messages/{earlier}", old.key)
    findings.append(Finding("the previous owner keeps it", kept.status == 200 and SECRET in kept.text, kept.text[:120]))
    after = await stage.everything(old)
    findings.append(Finding("the previous owner does not see what came later", later not in after, "it does"))
    return findings


async def claiming(stage: Stage, attacker: Tenant, victim: Tenant) -> list[Finding]:
    """The attacker registers numbers of its own accord: a deactivated account's, and one that its token reaches."""
    number = "106540352290002"
    gone = await stage.onboard(victim.name, number, place=2)
    await _written(stage, gone, f"{SECRET} before", "491729500002")
    await stage.operator("POST", f"/account/{gone.chatbot_id}/deactivate")
    body = {"chatbotId": f"{attacker.chatbot_id}-3", "phoneNumberId": number, "webhookVerifyToken": "fake"}
    findings = []
    own = {"phoneNumberId": "106540352290003", "wabaId": attacker.waba}
    token = (await stage.client.control("POST", "businesses", own))["token"]
    for path in ("/account", "/account?verify=true"):
        answer = await stage.call("POST", path, attacker.key, {**body, "accessToken": token})
        taken = f"answered {answer.status}: {answer.text[:120]}"
        findings.append(Finding(f"a deactivated account's number by {path}", answer.status in {400, 403, 409}, taken))
    shown = await stage.everything(attacker)
    findings.append(Finding("and nothing of it is shown", SECRET not in shown, "it is"))
    mine = {"chatbotId": f"{attacker.chatbot_id}-4", **own, "accessToken": token, "webhookVerifyToken": "fake"}
    answer = await stage.call("POST", "/account?verify=true", attacker.key, mine)
    findings.append(Finding("a number that its token reaches", answer.status == 200, answer.text[:120]))
    return findings
