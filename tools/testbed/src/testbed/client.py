"""A client for tests: onboards, sends and reads through the API, and asks the emulator's control API."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import ClientSession

from testbed.plan import PREFIX, Credentials

Json = dict[str, Any]


class StepFailed(Exception):
    """Something did not happen; the text says what."""


class Client:
    """Calls through the gateway and to the emulator."""

    def __init__(self, session: ClientSession, urls: Mapping[str, str], secret: Credentials) -> None:
        self._session = session
        self._gateway = urls["gateway"]
        self._emulator = urls["emulator"]
        self._secret = secret

    async def api(self, method: str, path: str, body: object = None, *, expect: int | None = 200) -> Json:
        """Call our API with this run's key; raises `StepFailed` for another status than expected."""
        headers = {"authorization": f"Bearer {self._secret.api_key}"}
        async with self._session.request(
            method, f"{self._gateway}{PREFIX}{path}", json=body, headers=headers
        ) as answer:
            data: Json = await answer.json(content_type=None)
            if expect is not None and answer.status != expect:
                raise StepFailed(f"{method} {path} answered {answer.status}: {data}")
            return data

    async def status_of(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> int:
        """Call our API and return only the HTTP status; without a key unless `headers` has one."""
        async with self._session.request(
            method, f"{self._gateway}{PREFIX}{path}", json=body, headers=headers
        ) as answer:
            return answer.status

    async def deliver(self, body: bytes, *, signature: str | None = None) -> tuple[int, Json]:
        """POST a webhook as Meta does; (status, answer)."""
        headers = {"content-type": "application/json", "x-hub-signature-256": signature or self.sign(body)}
        async with self._session.post(f"{self._gateway}{PREFIX}/webhook", data=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def verify(self, token: str, challenge: str = "CHALLENGE") -> tuple[int, str]:
        """Meta's GET check; (status, text)."""
        query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": challenge}
        async with self._session.get(f"{self._gateway}{PREFIX}/webhook", params=query) as answer:
            return answer.status, await answer.text()

    def sign(self, body: bytes) -> str:
        """The header value that Meta would send with this body."""
        return "sha256=" + hmac.new(self._secret.app_secret.encode(), body, hashlib.sha256).hexdigest()

    async def control(self, method: str, path: str, body: object = None, **query: str) -> Json:
        """Call the emulator's control API."""
        url = f"{self._emulator}/_control/{path}"
        async with self._session.request(method, url, json=body, params=query) as answer:
            data: Json = await answer.json()
            if answer.status != 200:
                raise StepFailed(f"the emulator refused {method} {path}: {data}")
            return data

    async def onboard(
        self, chatbot_id: str, phone_number_id: str, *, waba_id: str = "200000000000001", plan: str = "standard"
    ) -> Json:
        """Create the number at the emulator and the account with us."""
        business = {"phoneNumberId": phone_number_id, "wabaId": waba_id}
        token = (await self.control("POST", "businesses", business))["token"]
        account = {
            "chatbotId": chatbot_id,
            "phoneNumberId": phone_number_id,
            "accessToken": token,
            "webhookVerifyToken": f"verify-{chatbot_id}",
            "plan": plan,
        }
        return await self.api("POST", "/account", account)

    async def says(self, phone: str, phone_number_id: str, text: str, name: str = "Ada") -> str:
        """A customer writes; the wamid."""
        message = {"from": phone, "phoneNumberId": phone_number_id, "text": text, "profileName": name}
        return str((await self.control("POST", "inbound", message))["wamid"])

    async def received(self, **query: str) -> list[Json]:
        """What phones received, in order."""
        return list((await self.control("GET", "ledger", **query))["entries"])

    async def sent(self, **query: str) -> list[Json]:
        """What customers sent, in order."""
        return list((await self.control("GET", "outbox", **query))["entries"])

    async def message(self, entry: Json) -> Json | None:
        """Our stored message of a message that a phone received, found by its callback data; None if there is none."""
        journal = str(entry.get("callbackData") or "").removeprefix("wce:").partition(".")[0]
        answer = await self.api("GET", f"/messages/{journal}", expect=None)
        return answer.get("data")


async def eventually(what: str, condition: Any, *, seconds: float = 30.0, pause: float = 0.1) -> Any:
    """Wait until `condition()` returns a true value, and return it. Raises `StepFailed` with `what` after the time."""
    deadline = time.monotonic() + seconds
    while not (found := await condition()):
        if time.monotonic() > deadline:
            raise StepFailed(f"{what}: did not happen within {seconds:.0f} s")
        await asyncio.sleep(pause)
    return found


def webhook_body(phone_number_id: str, wamid: str, text: str, phone: str = "491510000001") -> bytes:
    """A minimal incoming message, as Meta would send it now."""
    message = {"from": phone, "id": wamid, "timestamp": str(int(time.time())), "type": "text", "text": {"body": text}}
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550001111", "phone_number_id": phone_number_id},
        "contacts": [{"profile": {"name": "Ada"}, "wa_id": phone}],
        "messages": [message],
    }
    change = {"field": "messages", "value": value}
    body = {"object": "whatsapp_business_account", "entry": [{"id": "200000000000001", "changes": [change]}]}
    return json.dumps(body, separators=(",", ":")).encode()
