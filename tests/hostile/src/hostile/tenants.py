"""Two tenants of one system, and calls that go directly to each service, without the gateway."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout

from hostile.payloads import Json, compact
from testbed.client import Client, eventually
from testbed.gateway import targets_of
from testbed.plan import PATHS, PREFIX
from testbed.system import System

ATTACKER, VICTIM, HEIR = "mallory", "bob", "carol"
CHATBOTS: Final = {
    name: [f"{name}-bot", *(f"{name}-bot-{n}" for n in range(2, 8))] for name in (ATTACKER, VICTIM, HEIR)
}
"""The chatbots that each tenant's key reaches."""

_SECONDS: Final = ClientTimeout(total=60)


@dataclass(frozen=True, slots=True)
class Tenant:
    """One account: its chatbot, its number, and the API key that reaches its chatbots alone."""

    name: str
    chatbot_id: str
    number: str
    waba: str
    key: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `status` 0: there was none. `ms` is how long it took."""

    status: int
    text: str = ""
    ms: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Json:
        """The body as an object; empty when it is none."""
        try:
            found = json.loads(self.text)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class Stage:
    """A system and the two sides on it. `answers` counts every answer of our services by status;
    `errors` are those of 5xx, but for 503."""

    def __init__(self, system: System, session: ClientSession) -> None:
        self.system = system
        self.session = session
        self.client = Client(session, system.urls, system.secret)
        self.routes = {f"{PREFIX}{path}": [system.urls[name]] for name, paths in PATHS.items() for path in paths}
        self.answers: dict[int, int] = {}
        self.errors: list[str] = []

    @property
    def kafka(self) -> str:
        """The bootstrap servers."""
        return self.system.stack.kafka_bootstrap_servers

    async def onboard(self, name: str, number: str, *, place: int = 0) -> Tenant:
        """The account `place` of a tenant, made by the operator."""
        waba, chatbot = f"30{number}", CHATBOTS[name][place]
        await self.client.onboard(chatbot, number, waba_id=waba)
        return Tenant(name, chatbot, number, waba, self.system.secret.key_of(name))

    def url(self, path: str) -> str:
        """The URL of an API path at its service, without the gateway."""
        whole = f"{PREFIX}{path}"
        return targets_of(whole.partition("?")[0], self.routes)[0] + whole

    async def call(
        self, method: str, path: str, key: str | None, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One call of the API; `body` is JSON, or bytes that are sent unchanged."""
        data = body if isinstance(body, bytes) or body is None else compact(body)
        told = {"content-type": "application/json", **(headers or {})}
        if key is not None:
            told["authorization"] = f"Bearer {key}"
        return await self.request(method, self.url(path), data, told)

    async def operator(self, method: str, path: str, body: Any = None) -> Answer:
        """A call with the operator's key, which reaches every chatbot."""
        return await self.call(method, path, self.system.secret.api_key, body)

    async def deliver(self, body: bytes, *, signature: str | None = None) -> Answer:
        """A webhook, signed as Meta signs it unless a signature is given."""
        headers = {"content-type": "application/json", "x-hub-signature-256": signature or self.sign(body)}
        return await self.request("POST", self.url("/webhook"), body, headers)

    def sign(self, body: bytes) -> str:
        """Meta's signature of a body."""
        return "sha256=" + hmac.new(self.system.secret.app_secret.encode(), body, hashlib.sha256).hexdigest()

    async def request(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Any request. A broken connection counts as an answer with status 0."""
        began = time.monotonic()
        try:
            async with self.session.request(method, url, data=body, headers=headers, timeout=_SECONDS) as answer:
                text = await answer.text(errors="replace")
                made = Answer(answer.status, text, (time.monotonic() - began) * 1000, dict(answer.headers))
        except (ClientError, TimeoutError, OSError) as error:
            made = Answer(0, repr(error), (time.monotonic() - began) * 1000)
        self.answers[made.status] = self.answers.get(made.status, 0) + 1
        if made.status >= 500 and made.status != 503:
            self.errors.append(f"{made.status} {method} {url[:120]}: {made.text[:120]}")
        return made

    async def message(self, tenant: Tenant, message_id: str) -> Json:
        """The stored message of a send, as an operator sees it; empty: there is none."""
        answer = await self.operator("GET", f"/messages/{message_id}?chatbotId={tenant.chatbot_id}")
        return dict(answer.json().get("data") or {})

    async def standing(self, tenant: Tenant, message_id: str) -> Json:
        """The sender's own record of a send."""
        answer = await self.operator("GET", f"/send/{message_id}?chatbotId={tenant.chatbot_id}")
        return dict(answer.json().get("data") or {})

    async def stored(self, wamids: list[str], tenant: Tenant, seconds: float = 30.0) -> list[str]:
        """Wait for the wamids, and return those that are not messages of the tenant."""
        left = list(wamids)

        async def all_there() -> bool:
            found = await asyncio.gather(*(self.call("GET", f"/messages/{wamid}", tenant.key) for wamid in left[:50]))
            there = {wamid for wamid, answer in zip(left, found, strict=False) if answer.status == 200}
            left[:] = [wamid for wamid in left if wamid not in there]
            return not left

        try:
            await eventually("all are stored", all_there, seconds=seconds)
        except Exception:  # noqa: BLE001  # after any error the remaining wamids count as not stored
            return left
        return left

    async def everything(self, tenant: Tenant) -> str:
        """All that a tenant's key can read of conversations, threads and usage, as one text."""
        found, cursor = [], ""
        while True:
            page = await self.call("GET", f"/conversations?limit=100{cursor}", tenant.key)
            found.append(page.text)
            threads = [f"/conversations/{one['id']}/messages" for one in page.json().get("data", [])]
            found += [(await self.call("GET", path, tenant.key)).text for path in threads]
            if not page.json().get("cursor"):
                break
            cursor = f"&cursor={page.json()['cursor']}"
        found.append((await self.call("GET", "/usage?limit=100", tenant.key)).text)
        return "\n".join(found)
