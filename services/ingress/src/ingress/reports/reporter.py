"""Reports to the sender every two seconds whether this ingress accepts webhooks."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from common.contracts.ids import random_id
from common.contracts.reports import EVERY_SECONDS, ReportData
from common.errors import Unavailable
from common.kafka.records import Outgoing
from common.tasks import Periodic
from common.telemetry.outages import KAFKA
from ingress.reports.refusals import RefusedWebhooks, report

log = logging.getLogger(__name__)


class Reporter:
    """Reports from `start` to `stop`, as a replica with an id of its own.

    `takes` says whether it can accept webhooks. While Kafka is unavailable there is no report, and the sender counts
    that as an outage.
    """

    def __init__(
        self,
        refused: RefusedWebhooks,
        publish: Callable[[Sequence[Outgoing]], Awaitable[None]],
        *,
        takes: bool,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._refused = refused
        self._publish = publish
        self._takes = takes
        self._replica = random_id()
        self._reporting = Periodic(self._run, every_seconds, name="report to the sender")

    async def start(self) -> None:
        """Begin to report; returns at once."""
        await self._reporting.start()

    async def stop(self) -> None:
        """Report that this replica leaves, so that the sender does not take its silence for an outage."""
        await self._reporting.stop()
        with suppress(Unavailable):
            await self._report(leaving=True)

    async def _run(self) -> None:
        try:
            await self._report()
        except Unavailable as error:  # webhooks are refused meanwhile, too
            KAFKA.failed(log, "could not write the report for the sender", error=error.message)

    async def _report(self, *, leaving: bool = False) -> None:
        now = datetime.now(UTC)
        refusals = self._refused.take(now)
        data = ReportData(replica=self._replica, takes=self._takes, leaving=leaving, refusals=refusals)
        try:
            await self._publish([report(data, now)])
        except Unavailable:
            self._refused.put_back(refusals)
            raise
