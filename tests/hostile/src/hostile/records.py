"""Bad records of one tenant: sends that cannot be stored, names that mean something to MongoDB, garbage."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import cycle, islice
from typing import Any, Final

from hostile.payloads import (
    EXTREME,
    REFERENCES,
    UNSTORABLE,
    Json,
    batch,
    compact,
    garbage,
    message,
    send,
    status,
    value_of,
    webhook,
)
from hostile.tenants import Answer, Stage, Tenant
from hostile.topics import write

SEND: Final = "whatsapp-cloud-send"
_A_SECOND: Final = 13
"""Slow enough that nearly each record is read alone, and most records of a consumer are bad."""

_PHONES: Final = "49176"
_TAKEN_SECONDS: Final = 3.0


def bad_sends(chatbot_id: str, kinds: Sequence[Json], count: int, tag: str, **more: Any) -> list[Json]:
    """Sends with each of these metadata in turn. Pure."""
    return [
        send(chatbot_id, f"{_PHONES}{number % 100:07d}", f"bad-{tag}-{number}", metadata=metadata, **more)
        for number, metadata in enumerate(islice(cycle(kinds), count))
    ]


async def paced(calls: Sequence[Callable[[], Awaitable[Answer]]]) -> dict[int, int]:
    """Make calls at a steady pace, so that each record comes alone; the answers by status."""
    found: dict[int, int] = {}
    began = time.monotonic()

    async def one(call: Callable[[], Awaitable[Answer]]) -> None:
        status = (await call()).status
        found[status] = found.get(status, 0) + 1

    async with asyncio.TaskGroup() as group:
        for number, call in enumerate(calls):
            await asyncio.sleep(max(0.0, began + number / _A_SECOND - time.monotonic()))
            group.create_task(one(call))
    return found


async def over_http(stage: Stage, tenant: Tenant, bodies: Sequence[Json]) -> dict[int, int]:
    """Each by `POST /send`."""
    return await paced([partial(stage.call, "POST", "/send", tenant.key, body) for body in bodies])


async def in_batches(stage: Stage, tenant: Tenant, bodies: Sequence[Json]) -> dict[str, int]:
    """By `POST /send/batch`, each kind by itself; how many items were enqueued and refused, and batches by status."""
    found: dict[str, int] = {}
    for body in bodies:
        path, whole = "/send/batch", batch(tenant.chatbot_id, [body, {**body, "messageId": f"{body['messageId']}-2"}])
        answer = await stage.call("POST", path, tenant.key, whole)
        data: Json = answer.json().get("data", {})
        for name, count in {
            "enqueued": data.get("enqueued", 0),
            "refused": data.get("refused", 0),
            str(answer.status): 1,
        }.items():
            found[name] = found.get(name, 0) + count
    return found


async def by_topic(stage: Stage, tenant: Tenant, bodies: Sequence[Json]) -> None:
    """Write them as records of the tenant's own producer."""
    await write(stage.kafka, SEND, [(tenant.chatbot_id.encode(), compact(body), ()) for body in bodies])


async def unstorable(stage: Stage, attacker: Tenant, count: int) -> str:
    """`count` sends whose metadata BSON cannot store over HTTP, as many on the topic; others in batches.

    They expire at once, so that Meta sends no statuses of them.
    """
    kinds, tag, past = list(UNSTORABLE.values()), uuid.uuid4().hex[:6], {"expiresAt": "2020-01-01T00:00:00Z"}
    answers = await over_http(stage, attacker, bad_sends(attacker.chatbot_id, kinds, count, f"{tag}h", **past))
    await by_topic(stage, attacker, bad_sends(attacker.chatbot_id, kinds, count, f"{tag}t", **past))
    more = [*kinds, *EXTREME.values()]
    batched = await in_batches(stage, attacker, bad_sends(attacker.chatbot_id, more, len(more), f"{tag}b"))
    single = await over_http(stage, attacker, bad_sends(attacker.chatbot_id, more, len(more), f"{tag}s"))
    return f"HTTP {answers}; batch {batched}; others {single}"


async def references(stage: Stage, attacker: Tenant, count: int, statuses: int) -> str:
    """`count` sends with `$ref` and its like in each of three ways, then `statuses` of Meta about what it took of them."""
    kinds, tag = [kind for name, kind in REFERENCES.items() if name.startswith("$ref")], uuid.uuid4().hex[:6]
    answers = await over_http(stage, attacker, bad_sends(attacker.chatbot_id, kinds, count, f"{tag}h"))
    batched = await in_batches(stage, attacker, bad_sends(attacker.chatbot_id, kinds, count, f"{tag}b"))
    await by_topic(stage, attacker, bad_sends(attacker.chatbot_id, kinds, count, f"{tag}t"))
    await asyncio.sleep(_TAKEN_SECONDS)  # refused items never arrive, so there is nothing to wait for
    ledger = await stage.client.received(phoneNumberId=attacker.number)
    taken = [entry for entry in ledger if entry["phone"].startswith(_PHONES)]
    told = [
        status(entry["wamid"], "sent", entry["phone"], 1_700_000_000 + number, entry["callbackData"])
        for number, entry in enumerate(islice(cycle(taken[-3 * count :]), statuses if taken else 0))
    ]
    bodies = [webhook(attacker.waba, value_of(attacker.number, statuses=[one])) for one in told]
    delivered = await paced([partial(stage.deliver, body) for body in bodies])
    return f"HTTP {answers}; batch {batched}; Meta took {len(taken)}; statuses {delivered}"


async def garbage_records(stage: Stage, attacker: Tenant, count: int) -> str:
    """Records that are not sends, with the attacker's key and without a key."""
    keys = (attacker.chatbot_id.encode(), None, b"\xff")
    await write(stage.kafka, SEND, [(keys[n % len(keys)], value, ()) for n, value in enumerate(garbage(count))])
    # These have a known chatbot and are wrong otherwise, so they end as failed sends of that chatbot.
    wrong: list[Any] = [{"chatbotId": attacker.chatbot_id, "to": n, "message": {"type": "none"}} for n in range(count)]
    await by_topic(stage, attacker, wrong)
    return f"{count} of no chatbot, {count} of the attacker's"


async def strange_webhooks(stage: Stage, attacker: Tenant, count: int) -> str:
    """Signed webhooks of the attacker's number whose fragments MongoDB cannot store as documents, or nothing can read."""
    kinds = [*UNSTORABLE.values(), *EXTREME.values(), *REFERENCES.values()]
    bodies = []
    for number, kind in enumerate(islice(cycle(kinds), count)):
        wamid, phone = f"wamid.odd-{uuid.uuid4().hex[:10]}", f"49177{number:07d}"
        odd = message(wamid, phone, 10**11 * number, {"type": "odd", "odd": kind})
        lone = {**odd, "id": f"wamid.\ud800{number}", "type": "\ud800"}
        named = {**odd, "id": f"{wamid}-2", "from": 5, "profile": kind}
        bodies.append(webhook(attacker.waba, value_of(attacker.number, messages=[odd, lone, named], statuses=[kind])))
    return f"HTTP {await paced([partial(stage.deliver, body) for body in bodies])}"
