"""Telling the others: every change of an account reaches the compacted topic, and never an older state last."""

import logging
from contextlib import suppress
from datetime import UTC, datetime

from accounts.core import event_of
from accounts.renewal import Renewal
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
    """Publishes accounts, at once when asked, and in the background what was left over.

    `renewal` finds accounts that need another digest; they are announced as any other change.
    `told` is the topic as a table. It is compared with the store once, after the start: a process that was killed
    between two concurrent changes may have left the older one there as the last, with nothing noted as unpublished.
    """

    def __init__(
        self,
        store: AccountStore,
        publisher: Publisher,
        told: Table[AccountData],
        *,
        reconcile_seconds: float,
        renewal: Renewal | None = None,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._told = told
        self._renewal = renewal
        self._compared = False
        self._reconciling = Periodic(self._reconcile, reconcile_seconds, name="announce accounts")

    async def start(self) -> None:
        """Begin to look for what Kafka does not have yet."""
        await self._told.start()
        await self._reconciling.start()

    async def stop(self) -> None:
        """Stop looking."""
        await self._reconciling.stop()
        await self._told.stop()

    async def announce(self, chatbot_id: str) -> None:
        """Publish the account as it stands, and again while it changes meanwhile.

        The repeat keeps an older state from being the last: who publishes one finds that it is older, and publishes
        the present one. Raises `Unavailable`; the change itself is stored, and published in the background.
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
        with suppress(Unavailable):  # logged where it was raised; the next round comes
            for chatbot_id in [*await self._store.unpublished(), *await self._outdated()]:
                await self._announce_left_over(chatbot_id)
            for chatbot_id in await self._renewal.round() if self._renewal else ():
                await self._announce_left_over(chatbot_id)

    async def _outdated(self) -> list[str]:
        """Once, when the topic has been read: the accounts of which it has another state, or none."""
        if self._compared or not self._told.ready:
            return []
        found = []
        async for document in self._store.all():
            row = self._told.get(document["_id"])
            # Newer than the store: that was restored to an earlier moment, and is what counts all the same.
            if row is None or row.revision != document.get("revision", 0):
                found.append(document["_id"])
        self._compared = True
        await self._told.stop()
        return found

    async def _announce_left_over(self, chatbot_id: str) -> None:
        """One account that cannot be told of (changed by hand, say) keeps neither the others nor the next rounds."""
        try:
            await self.announce(chatbot_id)
        except Unavailable:
            raise
        except Exception:
            log.exception("a change cannot be published", extra={"chatbot_id": chatbot_id})
        else:
            log.info("published a change that was left over", extra={"chatbot_id": chatbot_id})
