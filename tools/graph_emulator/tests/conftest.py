"""A rig for every test of the emulator: the emulator itself, a receiver of its webhooks, and a client for both APIs."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from graph_emulator.app import build_app
from graph_emulator.clock import Clock
from graph_emulator.config import Config
from graph_emulator.emulator import Emulator
from graph_emulator.state.directory import Business

SECRET = "fake-app-secret"
TOKEN = "fake-token"
PHONE_ID = "111222333"
WABA_ID = "444555666"
PATIENCE_S = 5


class MovableClock(Clock):
    """The real clocks, plus as much as a test moves them; once stopped, only what it moves them."""

    def __init__(self) -> None:
        self.ahead_ms = 0
        self._stopped: tuple[int, float] | None = None

    def stop(self) -> None:
        """Stand still from now on."""
        self._stopped = super().now_ms(), super().monotonic_ms()

    def now_ms(self) -> int:
        return (self._stopped[0] if self._stopped else super().now_ms()) + self.ahead_ms

    def monotonic_ms(self) -> float:
        return (self._stopped[1] if self._stopped else super().monotonic_ms()) + self.ahead_ms


class Receiver:
    """A webhook receiver: keeps the raw bodies; answers 200, or whatever `answers` holds next."""

    def __init__(self) -> None:
        self.raw: list[tuple[str, bytes]] = []
        self.answers: list[int] = []
        self.paths: list[str] = []
        self.verify_token = "fake-verify-token"

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._post)
        app.router.add_get("/{path:.*}", self._verify)
        return app

    async def _post(self, request: web.Request) -> web.Response:
        self.raw.append((request.headers["X-Hub-Signature-256"], await request.read()))
        self.paths.append(request.path)
        return web.Response(status=self.answers.pop(0) if self.answers else 200)

    async def _verify(self, request: web.Request) -> web.Response:
        if request.query.get("hub.verify_token") != self.verify_token:
            return web.Response(status=403)
        return web.Response(text=request.query["hub.challenge"])

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(raw) for _, raw in self.raw]

    @property
    def values(self) -> list[Any]:
        changes = (change for body in self.bodies for entry in body["entry"] for change in entry["changes"])
        return [change["value"] for change in changes]

    @property
    def statuses(self) -> list[Any]:
        return [status for value in self.values for status in value.get("statuses", [])]

    @property
    def messages(self) -> list[Any]:
        return [message for value in self.values for message in value.get("messages", [])]

    def all_signed(self, secret: str = SECRET) -> bool:
        return all(
            header == "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest() for header, raw in self.raw
        )


class Rig:
    """The emulator behind a client, and the receiver that its webhooks reach."""

    secret, token, phone_id, waba_id = SECRET, TOKEN, PHONE_ID, WABA_ID

    def __init__(self, emulator: Emulator, client: TestClient[Any, Any], receiver: Receiver, hook: TestServer) -> None:
        self.emulator = emulator
        self.client = client
        self.receiver = receiver
        self.hook = hook

    @property
    def clock(self) -> MovableClock:
        assert isinstance(self.emulator.clock, MovableClock)
        return self.emulator.clock

    async def graph(self, method: str, path: str, *, token: str | None = TOKEN, **kwargs: Any) -> tuple[int, Any]:
        """One Graph call: (HTTP status, JSON)."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer: ClientResponse
        async with self.client.request(method, f"/v25.0/{path}", headers=headers, **kwargs) as answer:
            return answer.status, await answer.json()

    async def send(self, **body: Any) -> tuple[int, Any]:
        """Send a message; a text to one phone unless `body` says otherwise."""
        whole = {"messaging_product": "whatsapp", "to": "4915150000001", "type": "text", "text": {"body": "Hello"}}
        whole = {key: value for key, value in (whole | body).items() if value is not None}
        return await self.graph("POST", f"{PHONE_ID}/messages", json=whole)

    async def accepted(self, **body: Any) -> str:
        """The wamid of a message that has to be accepted."""
        status, answer = await self.send(**body)
        assert status == 200, answer
        return str(answer["messages"][0]["id"])

    async def control(self, path: str, body: Any = None, *, method: str = "", expect: int = 200) -> Any:
        """One call of the control API: POST with a body, else GET."""
        verb = method or ("GET" if body is None else "POST")
        async with self.client.request(verb, f"/_control/{path}", json=body) as answer:
            assert answer.status == expect, await answer.text()
            return await answer.json()

    async def inbound(self, text: str = "Hi", *, phone: str = "4915150000001", **body: Any) -> Any:
        """A customer writes."""
        words = {} if "message" in body else {"text": text}
        return await self.control("inbound", {"from": phone, "phoneNumberId": PHONE_ID} | words | body)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, at most `PATIENCE_S`."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true"
            await asyncio.sleep(0.005)

    async def quiet(self) -> None:
        """Wait until no webhook and no status is to come."""
        await self.until(lambda: not any(self.emulator.pending.values()))


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """A fresh emulator with one business, fast statuses, and a receiver that answers 200."""
    receiver = Receiver()
    async with TestServer(receiver.app()) as hook:
        config = Config(
            webhook_url=str(hook.make_url("/hook")),
            app_secret=SECRET,
            verify_token="fake-verify-token",
            sent_after_ms=1,
            delivered_after_ms=1,
            read_after_ms=1,
            retry_delays_ms=(0, 10, 20),
        )
        emulator = Emulator(config, clock=MovableClock())
        emulator.directory.add_business(Business(PHONE_ID, WABA_ID, "15550001111"))
        emulator.directory.grant(TOKEN, WABA_ID)
        async with TestClient(TestServer(build_app(emulator))) as client:
            config.public_url = str(client.make_url("")).rstrip("/")
            yield Rig(emulator, client, receiver, hook)
