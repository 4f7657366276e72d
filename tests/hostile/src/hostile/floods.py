"""Large requests and many requests, all valid HTTP."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final
from urllib.parse import quote

from hostile import sockets
from hostile.payloads import compact, large_batch, long_account, long_number, many_entries, send, wrong_fields
from hostile.tenants import Answer, Stage, Tenant

_LARGEST: Final = 3 * 1024 * 1024
_BOUNDARY: Final = "hostile-boundary"


async def counted(calls: Iterable[Callable[[], Awaitable[Answer]]], *, at_once: int) -> dict[int, int]:
    """Make all calls with limited concurrency; the answers by status."""
    gate, found = asyncio.Semaphore(at_once), dict[int, int]()

    async def one(call: Callable[[], Awaitable[Answer]]) -> None:
        async with gate:
            status = (await call()).status
            found[status] = found.get(status, 0) + 1

    await asyncio.gather(*(one(call) for call in calls))
    return dict(sorted(found.items()))


async def unsigned_bodies(stage: Stage, count: int) -> str:
    """Bodies of 2.8 MB without a signature, held just before their end."""
    address = sockets.Address.of(stage.system.urls["ingress"])
    head = sockets.HEAD % sockets.WEBHOOK
    return str(await sockets.held(address, head, b"x" * 2_800_000, count=count, hold_seconds=5))


async def signed_bodies(stage: Stage, attacker: Tenant, *, rounds: int, facts: int) -> str:
    """Signed bodies that grow when parsed: empty entries, and ids of a megabyte that every fact repeats."""
    bodies = [
        many_entries(100_000),
        b'{"entry":[' + b",".join([b"0"] * 100_000) + b"]}",
        long_account(1_000_000, facts, attacker.number),
        long_number(1_000_000, facts),
        b"[" * (_LARGEST - 1),
        b'{"a":' * 500_000,
        b'{"entry":[{"id":"1","changes":[' + b",".join([b'{"field":"x","value":{}}'] * 20_000) + b"]}]}",
    ]
    return str(await counted((partial(stage.deliver, body) for body in bodies * rounds), at_once=4))


async def large_batches(stage: Stage, attacker: Tenant, count: int) -> str:
    """Batches of 7.7 MB at once."""
    body = large_batch(7_700_000, attacker.chatbot_id)
    calls = [lambda: stage.call("POST", "/send/batch", attacker.key, body)] * count
    return str(await counted(calls, at_once=count))


async def wrong_batches(stage: Stage, attacker: Tenant, count: int) -> str:
    """A thousand messages with six hundred unknown fields each, and one send with very many."""
    body = wrong_fields(1_000, 600, attacker.chatbot_id)
    answers = [await stage.call("POST", "/send/batch", attacker.key, body) for _ in range(count)]
    fields = {f"x{n}": n for n in range(60_000)}
    one = await stage.call("POST", "/send", attacker.key, {**send(attacker.chatbot_id, "4917", "x"), **fields})
    largest = max(len(answer.text) for answer in [*answers, one])
    return f"answers {sorted({answer.status for answer in [*answers, one]})}, the largest {largest / 1e6:.1f} MB"


async def verifications(stage: Stage, count: int) -> str:
    """Meta's check of the endpoint, with tokens that do not exist."""
    url = stage.url("/webhook")

    def call() -> Awaitable[Answer]:
        query = f"hub.mode=subscribe&hub.challenge=1&hub.verify_token={quote(secrets.token_hex(16))}"
        return stage.request("GET", f"{url}?{query}", None, {})

    return str(await counted([call] * count, at_once=50))


async def uploads(stage: Stage, attacker: Tenant, *, count: int, size: int) -> str:
    """Concurrent multipart uploads, held just before their end. Uploads without a length wait on disk."""
    address = sockets.Address.of(stage.system.urls["sender"])
    path = f"/whatsapp-cloud/media?chatbotId={attacker.chatbot_id}".encode()
    part = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\nContent-Type: application/pdf\r\n\r\n'
    body = part.encode() + b"x" * size + f"\r\n--{_BOUNDARY}--\r\n".encode()
    head = (sockets.HEAD % path) + (
        f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\nAuthorization: Bearer {attacker.key}\r\n"
    ).encode()
    return str(await sockets.held(address, head, body, count=count, hold_seconds=8))


async def large_headers(stage: Stage, attacker: Tenant) -> str:
    """A correlation id and a key of a megabyte, over HTTP."""
    body, found = compact(send(attacker.chatbot_id, "491780000001", "h")), {}
    for name in ("correlation-id", "traceparent", "tracestate", "authorization", "x-hub-signature-256", "cookie"):
        for size in (10_000, 60_000, 1_000_000):
            answer = await stage.call("POST", "/send", attacker.key, body, {name: "a" * size})
            found[f"{name} {size}"] = answer.status
    return str({status: list(found.values()).count(status) for status in sorted(set(found.values()))})
