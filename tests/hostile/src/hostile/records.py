"""Bad records of one tenant: sends that cannot be stored, names that mean something to MongoDB, garbage."""

import asyncio
import uuid
from collections.abc import Sequence
from itertools import cycle, islice
from typing import Any, Final

from hostile.payloads import REFERENCES, UNSTORABLE, Json, batch, compact, garbage, message, send, value_of, webhook
from hostile.tenants import Stage, Tenant
from hostile.topics import write

SEND: Final = "whatsapp-cloud-send"
_AT_ONCE: Final = 20
_BATCH: Final = 500


def bad_sends(chatbot_id: str, kinds: Sequence[Json], count: int, tag: str) -> list[Json]:
    """Sends with each of these metadata in turn. Pure."""
    return [
        send(chatbot_id, f"49176{number % 100:07d}", f"bad-{tag}-{number}", metadata=metadata)
        for number, metadata in enumerate(islice(cycle(kinds), count))
    ]


async def over_http(stage: Stage, tenant: Tenant, bodies: Sequence[Json]) -> dict[int, int]:
    """Each by `POST /send`, some at once; the answers by status."""
    gate, found = asyncio.Semaphore(_AT_ONCE), dict[int, int]()

    async def one(body: Json) -> None:
        async with gate:
            status = (await stage.call("POST", "/send", tenant.key, body)).status
            found[status] = found.get(status, 0) + 1

    await asyncio.gather(*(one(body) for body in bodies))
    return found


async def in_batches(stage: Stage, tenant: Tenant, bodies: Sequence[Json]) -> dict[str, int]:
    """By `POST /send/batch`; how many were enqueued and refused."""
    found = {"enqueued": 0, "refused": 0}
    for start in range(0, len(bodies), _BATCH):
        answer = await stage.call(
            "POST", "/send/batch", tenant.key, batch(tenant.chatbot_id, bodies[start : start + _BATCH])
        )
        data: Json = answer.json().get("data", {})
        for name in found:
            found[name] += data.get(name, 0)
    return found


async def by_topic(stage: Stage, tenant: Tenant, bodies: Sequence[Json]) -> None:
    """As records of the tenant's own producer."""
    await write(stage.kafka, SEND, [(tenant.chatbot_id.encode(), compact(body), ()) for body in bodies])


async def unstorable(stage: Stage, attacker: Tenant, count: int) -> str:
    """Sends whose metadata BSON cannot store: `count` in each of the three ways."""
    kinds, tag = list(UNSTORABLE.values()), uuid.uuid4().hex[:6]
    answers = await over_http(stage, attacker, bad_sends(attacker.chatbot_id, kinds, count, f"{tag}h"))
    batched = await in_batches(stage, attacker, bad_sends(attacker.chatbot_id, kinds, count, f"{tag}b"))
    await by_topic(stage, attacker, bad_sends(attacker.chatbot_id, kinds, count, f"{tag}t"))
    return f"HTTP {answers}; batch {batched}"


async def references(stage: Stage, attacker: Tenant, count: int) -> str:
    """Metadata with `$ref` and its like, in the three ways, then statuses and messages about those sends."""
    kinds, tag = list(REFERENCES.values()), uuid.uuid4().hex[:6]
    answers = await over_http(stage, attacker, bad_sends(attacker.chatbot_id, kinds, count, f"{tag}h"))
    batched = await in_batches(stage, attacker, bad_sends(attacker.chatbot_id, kinds, count, f"{tag}b"))
    await by_topic(stage, attacker, bad_sends(attacker.chatbot_id, kinds, count, f"{tag}t"))
    return f"HTTP {answers}; batch {batched}"


async def garbage_records(stage: Stage, attacker: Tenant, count: int) -> str:
    """What is no send at all, under the attacker's key and without one."""
    keys = (attacker.chatbot_id.encode(), None, b"\xff")
    await write(stage.kafka, SEND, [(keys[n % len(keys)], value, ()) for n, value in enumerate(garbage(count))])
    # Of these the chatbot is known, and the rest is wrong: they end as failed sends of that chatbot.
    wrong: list[Any] = [{"chatbotId": attacker.chatbot_id, "to": n, "message": {"type": "none"}} for n in range(count)]
    await by_topic(stage, attacker, wrong)
    return f"{count} of no chatbot, {count} of the attacker's"


async def strange_webhooks(stage: Stage, attacker: Tenant, count: int) -> str:
    """Signed webhooks of the attacker's number whose fragments MongoDB cannot store as documents, or nothing can read."""
    kinds = [*UNSTORABLE.values(), *REFERENCES.values()]
    answers: dict[int, int] = {}
    for number, kind in enumerate(islice(cycle(kinds), count)):
        odd = message(
            f"wamid.odd-{uuid.uuid4().hex[:10]}", f"49177{number:07d}", 10**11 * number, {"type": "odd", "odd": kind}
        )
        lone = {**odd, "id": f"wamid.\ud800{number}", "type": "\ud800"}
        body = webhook(attacker.waba, value_of(attacker.number, messages=[odd, lone], statuses=[kind]))
        status = (await stage.deliver(body)).status
        answers[status] = answers.get(status, 0) + 1
    return f"HTTP {answers}"
