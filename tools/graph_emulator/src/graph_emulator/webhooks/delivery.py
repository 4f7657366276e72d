"""Delivers webhooks: routes them to a callback, signs them, posts them, and repeats until the answer is 200."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import aiohttp

from graph_emulator.clock import Clock
from graph_emulator.config import Config
from graph_emulator.faults import Event, WebhookDecision
from graph_emulator.ids import Ids
from graph_emulator.state.directory import Directory
from graph_emulator.state.ledger import DELIVERED, DROPPED, GIVEN_UP, UNROUTED, Ledger
from graph_emulator.webhooks.channel import Channel, Post
from graph_emulator.webhooks.wire import Update, signature

Json = dict[str, Any]

# These fields follow an override of the callback; every other goes to the app's own URL.
_OVERRIDABLE = frozenset(
    {
        "messages",
        "message_echoes",
        "calls",
        "consumer_profile",
        "messaging_handovers",
        "smb_message_echoes",
        "smb_app_state_sync",
        "history",
        "account_settings_update",
    }
)
_APP = "app"
_AGENT = {"User-Agent": "facebookexternalua", "Content-Type": "application/json"}


class Delivery:
    """Sends updates to the callback URLs. Start with `open`, end with `close`."""

    def __init__(
        self,
        config: Config,
        directory: Directory,
        ledger: Ledger,
        clock: Clock,
        decide: Callable[[Event], WebhookDecision],
    ) -> None:
        self._config = config
        self._directory = directory
        self._ledger = ledger
        self._clock = clock
        self._decide = decide
        self._channels: dict[str, Channel] = {}
        self._session: aiohttp.ClientSession | None = None

    @property
    def pending(self) -> int:
        """Updates and copies that are neither delivered nor given up."""
        return sum(channel.pending for channel in self._channels.values())

    async def open(self) -> None:
        """Open the connection pool."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Forget waiting updates and close the connections."""
        for channel in self._channels.values():
            await channel.close()
        if self._session is not None:
            await self._session.close()

    def clear(self) -> None:
        """Forget every update that waits or is in flight."""
        for channel in self._channels.values():
            channel.clear()
        self._channels.clear()

    def offer(self, update: Update) -> None:
        """Send an update, with the faults that the plan has for it."""
        owner = self._callback_owner(update)
        if not self._url(owner):
            self._ledger.settle(update.trace, UNROUTED, self._clock.now_ms())
            return
        decision = self._decide(Event(update.phone_number_id, update.contacts, update.kind, "statuses" in update.value))
        if decision.drop:
            self._ledger.settle(update.trace, DROPPED, self._clock.now_ms())
            return
        if owner not in self._channels:
            self._channels[owner] = self._channel(owner)
        self._channels[owner].add(update, decision)

    def _callback_owner(self, update: Update) -> str:
        """Whose callback gets the update: its number's, its WABA's or the app's; empty when the app is not subscribed.

        The first of them that has one, as Meta orders overrides.
        """
        directory = self._directory
        waba = directory.wabas.get(update.waba_id)
        if waba is None or not waba.subscribed:
            return ""
        if update.field not in _OVERRIDABLE and not update.field.startswith("group_"):
            return _APP
        business = directory.businesses.get(update.phone_number_id)
        if business is not None and business.callback:
            return business.phone_number_id
        return waba.id if waba.callback else _APP

    def _url(self, owner: str) -> str:
        """The present callback, so that repeats follow a change; empty when there is none."""
        if owner == _APP:
            return self._config.webhook_url
        business, waba = self._directory.businesses.get(owner), self._directory.wabas.get(owner)
        return (business.callback if business else "") or (waba.callback if waba else "")

    def _channel(self, owner: str) -> Channel:
        async def attempt(post: Post) -> bool:
            return await self._post(self._url(owner) or self._config.webhook_url, post)

        return Channel(self._config, attempt=attempt, settled=self._settled, monotonic_ms=self._clock.monotonic_ms)

    def _settled(self, update: Update, delivered: bool) -> None:
        self._ledger.settle(update.trace, DELIVERED if delivered else GIVEN_UP, self._clock.now_ms())

    async def _post(self, callback: str, post: Post) -> bool:
        if self._session is None:
            raise RuntimeError("Delivery.open() has to come first")
        began = time.perf_counter()
        status, problem = await self._answer(self._session, callback, post.body)
        outcome: Json = {"atMs": self._clock.now_ms(), "tookMs": round((time.perf_counter() - began) * 1000, 1)}
        outcome |= {"status": status} if status else {"error": problem}
        outcome |= {"updates": len(post.updates)} if len(post.updates) > 1 else {}
        outcome |= {"copy": True} if post.is_copy else {}
        for update in post.updates:
            update.trace.attempts.append(outcome)
        self._count(post, status)
        return status == 200

    async def _answer(self, session: aiohttp.ClientSession, callback: str, body: bytes) -> tuple[int, str]:
        headers = _AGENT | {"X-Hub-Signature-256": signature(self._config.app_secret, body)}
        timeout = aiohttp.ClientTimeout(total=self._config.webhook_timeout_ms / 1000)
        try:
            async with session.post(
                callback, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                await answer.read()
                return answer.status, ""
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            return 0, type(error).__name__

    def _count(self, post: Post, status: int) -> None:
        counters = self._ledger.counters
        counters["webhook_posts"] += 1
        counters["webhook_ok" if status == 200 else "webhook_refused"] += 1
        if post.is_copy:
            counters["webhook_copies"] += 1


async def verify_callback(callback: str, verify_token: str, timeout_ms: int, ids: Ids) -> tuple[bool, str]:
    """Meta's check of a callback URL: GET with a challenge, which the body of the answer must repeat; (ok, reason)."""
    challenge = ids.number()
    query = urlencode({"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token})
    url = callback + ("&" if "?" in callback else "?") + query
    timeout = aiohttp.ClientTimeout(total=timeout_ms / 1000)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            body = (await answer.content.read(4096)).decode("utf-8", "replace")
            if answer.status != 200:
                return False, f"HTTP Status Code = {answer.status}; HTTP Message = {answer.reason}"
            return body == challenge, "" if body == challenge else "The challenge was not answered"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return False, f"The URL could not be reached: {type(error).__name__}"
