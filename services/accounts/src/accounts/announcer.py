"""Publishes accounts: every change reaches the compacted topic, where the newest state is the last one."""

import logging
from contextlib import suppress
from datetime import UTC, datetime

from accounts.core import event_of
from accounts.renewal import DigestRenewal
from accounts.store import AccountStore
from common.contracts.accounts import AccountData
from common.contracts.envelope import encode
from common.contracts.topics import ACCOUNTS
from common.errors import Unavailable
from common.kafka.consume.table import Table
from common.kafka.produce.publisher import Publisher
from common.kafka.records import Outgoing, headers_for
from common.tasks import Periodic
from common.telemetry.metrics import ACCOUNT_CHANGES
from common.telemetry.trace_context import new_trace

log = logging.getLogger(__name__)


class Announcer:
    """Publishes an account at once when asked, and in the background what was left over.

    `renewal` finds accounts that need another digest; they are published as any other change.
    `topic` is the topic as a table. It is compared with the store once, after the start, because a process that was
    killed between two concurrent changes may have left the older one as the last, with nothing noted as unpublished.
    """

    def __init__(
        self,
        store: AccountStore,
        publisher: Publisher,
        topic: Table[AccountData],
        *,
        reconcile_seconds: float,
        renewal: DigestRenewal | None = None,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._topic = topic
        self._renewal = renewal
        self._compared = False
        self._reconciling = Periodic(self._reconcile, reconcile_seconds, name="announce accounts")

    async def start(self) -> None:
        """Begin to publish what Kafka does not have yet."""
        await self._topic.start()
        await self._reconciling.start()

    async def stop(self) -> None:
        """Stop publishing."""
        await self._reconciling.stop()
        await self._topic.stop()

    async def announce(self, chatbot_id: str) -> None:
        """Publish the account as it is, and again if it changes meanwhile.

        The repetition keeps an older state from being the last: a caller that has published one sees the new revision,
        and publishes again. Raises `Unavailable`; the change is stored, and published in the background.
        """
        while True:
            document = await self._store.get(chatbot_id)
            event = event_of(document, datetime.now(UTC))
            headers = headers_for(new_trace(event.correlation_id), event_id=event.id, event_type=event.type)
            await self._publisher.publish([Outgoing(ACCOUNTS.name, chatbot_id, encode(event), headers)])
            ACCOUNT_CHANGES.inc()
            if await self._store.published(chatbot_id, document["revision"]):
                return

    async def _reconcile(self) -> None:
        with suppress(Unavailable):  # the client that is unavailable logs it; the next round tries again
            for chatbot_id in [*await self._store.unpublished(), *await self._outdated()]:
                await self._announce_left_over(chatbot_id)
            for chatbot_id in await self._renewal.round() if self._renewal else ():
                await self._announce_left_over(chatbot_id)

    async def _outdated(self) -> list[str]:
        """Once, when the topic has been read: the accounts of which the topic has another state, or none."""
        if self._compared or not self._topic.ready:
            return []
        found = []
        async for document in self._store.all():
            row = self._topic.get(document["_id"])
            # A newer row counts, too: then the store was restored to an earlier time, and the store is right.
            if row is None or row.revision != document.get("revision", 0):
                found.append(document["_id"])
        self._compared = True
        await self._topic.stop()
        return found

    async def _announce_left_over(self, chatbot_id: str) -> None:
        """Publish one account. If that fails (it was changed by hand, say), the others and the next rounds go on."""
        try:
            await self.announce(chatbot_id)
        except Unavailable:
            raise
        except Exception:
            log.exception("a change cannot be published", extra={"chatbot_id": chatbot_id})
        else:
            log.info("published a change that was left over", extra={"chatbot_id": chatbot_id})
