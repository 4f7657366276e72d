"""Calls, records and webhooks that name things of another tenant."""

import time
import uuid
from collections.abc import Sequence

from hostile.crosstenant.claims import Finding
from hostile.crosstenant.things import differences, picture
from hostile.crosstenant.ways import Things, every, problem_with
from hostile.payloads import Json, compact, message, public_journal_id, send, status, value_of, webhook
from hostile.tenants import Stage, Tenant
from hostile.topics import Header, write
from testbed.client import eventually


async def over_the_api(stage: Stage, attacker: Tenant, their: Things) -> list[Finding]:
    """Try the whole table of ways with the attacker's key."""
    findings = []
    for way in every(attacker.chatbot_id, their):
        answer = await stage.call(way.method, way.path, attacker.key, way.body)
        # Ids that contain the word are in the path, and an error may repeat them.
        secrets = (
            f"{their.canary} hello",
            f'"{their.canary}"',
            *({their.wamid, their.inbound} - set(way.path.split("/"))),
        )
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
    """Deliver each of them, wait until it is processed, and compare everything that the victim has."""
    before, findings = await picture(stage, victim, their), []
    for name, body in webhooks_naming(attacker, their).items():
        answer = await stage.deliver(body)
        # Marker messages for all partitions: when they are stored, the webhook before them has been processed.
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
    return [*findings, Finding("threads of the attacker", their.canary not in shown, "show the victim's words")]


async def id_taken_before(stage: Stage, attacker: Tenant, victim: Tenant) -> Finding:
    """The attacker's number receives a message with the id that the victim's message has later."""
    wamid, at = f"wamid.taken-{uuid.uuid4().hex[:10]}", int(time.time())
    await stage.deliver(
        webhook(attacker.waba, value_of(attacker.number, messages=[message(wamid, "491739200001", at)]))
    )
    await stage.stored([wamid], attacker)
    await stage.deliver(webhook(victim.waba, value_of(victim.number, messages=[message(wamid, "491739200002", at)])))
    left = await stage.stored([wamid], victim, seconds=8)
    return Finding("the victim's message whose id came on the attacker's number before", not left, "was lost")


def records_naming(attacker: Tenant, their: Things) -> dict[str, tuple[bytes, bytes, Sequence[Header]]]:
    """Records of the attacker's chatbot on `whatsapp-cloud-send`, with all known headers and the victim's ids. Pure."""
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
    """Write the records, wait until a later send is sent, and compare."""
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
