"""How many messages per second Meta allows each number that this process sends for: asked, and followed.

Meta is asked when a number is first used, then every hour, and when a webhook says that its limits have changed. Until
Meta has answered, a number has the lowest rate that any number has. So a change of owner exceeds no limit.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from common.contracts.accounts import AccountData
from common.contracts.number_events import TRAFFIC, NumberNews
from common.errors import NotFound, Unavailable
from common.http.clients.accounts import CredentialsClient
from common.kafka.consume.table import Table
from common.meta.numbers import NumberFacts, NumbersClient
from common.tasks import cancel
from sender.limits.numbers import RateLimits
from sender.limits.rates import WINDOW_SECONDS
from sender.limits.store import NumberStore

log = logging.getLogger(__name__)

_HOUR: Final = 3_600.0
_RETRY_SECONDS: Final = 5.0
_TRIES: Final = 3
_AT_ONCE: Final = 8


class Throughput:
    """Sets the limits of `rates`. `default` is the limit of a number for which Meta gives none."""

    def __init__(
        self,
        rates: RateLimits,
        accounts: Table[AccountData],
        credentials: CredentialsClient,
        client: NumbersClient,
        store: NumberStore,
        *,
        default: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._rates = rates
        self._accounts = accounts
        self._credentials = credentials
        self._client = client
        self._store = store
        self._default = default
        self._now = now
        self._due: dict[str, float] = {}
        self._failed: dict[str, int] = {}
        self._displays: dict[str, str] = {}
        self._chatbots: dict[str, str] = {}
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        rates.on_new = self.ask

    async def start(self) -> None:
        """Begin to ask Meta."""
        self._task = asyncio.create_task(self._run(), name="throughput")

    async def stop(self) -> None:
        """Stop asking Meta."""
        await cancel([self._task])
        await self._client.close()

    def ask(self, chatbot_id: str) -> None:
        """Have Meta asked about a chatbot's number now."""
        self._due[chatbot_id] = 0.0
        self._wanted.set()

    def account_changed(self, chatbot_id: str) -> None:
        """Ask again, because the account may have another number now."""
        if chatbot_id in self._due:
            self.ask(chatbot_id)

    def heard(self, news: NumberNews) -> None:
        """Follow an event of a number that conversation has seen."""
        if news.type == TRAFFIC:
            self._count_traffic(news)
            return
        told = _digits(news.data.display_phone_number)
        known = [chatbot for chatbot, display in self._displays.items() if display == told]
        for chatbot in known or list(self._due):
            self.ask(chatbot)

    def _count_traffic(self, news: NumberNews) -> None:
        now, chatbot = self._now(), self._chatbots.get(news.data.phone_number_id or "")
        if chatbot is not None and now - news.recorded_at.timestamp() < WINDOW_SECONDS:
            self._rates.number(chatbot).count(now, news.data.inbound)

    async def _run(self) -> None:
        while True:
            self._wanted.clear()
            now = self._now()
            due = [chatbot for chatbot, at in self._due.items() if at <= now][:_AT_ONCE]
            await asyncio.gather(*map(self._learn, due))
            wait = min(self._due.values(), default=now + _HOUR) - self._now()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, wait)):
                    await self._wanted.wait()

    async def _learn(self, chatbot_id: str) -> None:
        self._due[chatbot_id] = self._now() + _HOUR
        account = self._accounts.get(chatbot_id)
        if account is None:
            return
        try:
            found = await self._credentials.get(chatbot_id, revision=account.revision)
            facts = await self._client.ask(found.phone_number_id, found.token.get_secret_value())
        except (Unavailable, NotFound) as error:
            self._failed_to_ask(chatbot_id, error.message)
            return
        self._failed.pop(chatbot_id, None)
        facts = facts or NumberFacts()
        rate, at = facts.rate(self._default), datetime.fromtimestamp(self._now(), UTC)
        self._chatbots[found.phone_number_id] = chatbot_id
        self._set(chatbot_id, facts, rate)
        with suppress(Unavailable):  # operators read it, and the next answer is stored again
            await self._store.put(chatbot_id, found.phone_number_id, facts, rate, at)

    def _set(self, chatbot_id: str, facts: NumberFacts, rate: float) -> None:
        number = self._rates.number(chatbot_id)
        if number.limit != rate:
            told = {"chatbot_id": chatbot_id, "messages_per_second": rate, "throughput_level": facts.level}
            log.info("throughput", extra=told)
        number.set_limit(rate, self._now())
        self._displays[chatbot_id] = _digits(facts.display_phone_number)

    def _failed_to_ask(self, chatbot_id: str, message: str) -> None:
        """Try again soon. After some tries the default counts, so that the number is not slow forever."""
        failures = self._failed[chatbot_id] = self._failed.get(chatbot_id, 0) + 1
        self._due[chatbot_id] = self._now() + _RETRY_SECONDS * failures
        log.warning("could not read the throughput limit", extra={"chatbot_id": chatbot_id, "error": message})
        if failures >= _TRIES:
            self._rates.number(chatbot_id).set_limit(self._default, self._now())
            self._due[chatbot_id] = self._now() + _HOUR


def _digits(text: str | None) -> str:
    return "".join(filter(str.isdigit, text or ""))
