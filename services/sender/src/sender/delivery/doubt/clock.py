"""The doubt clock: counts how long Meta has been silent, while every part of the path of a status works.

The path is Meta, ingress, `whatsapp-cloud-webhooks`, conversation, `message-status`, and the sender's reading of it.
Ingress reports what it takes. For the other parts the clock asks Kafka, and only while a send is in doubt: it notes the
ends of the topics, and waits until their groups have read up to there. Then every status from before that moment is
known. This process keeps no state of its own: after a restart it reads the reports and asks the groups again.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from common.contracts import topics
from common.contracts.envelope import decode, decoder
from common.contracts.journal import Entry
from common.contracts.reports import IngressReport
from common.errors import Unavailable
from common.kafka.consume.progress import Progress
from common.kafka.consume.table import Table
from common.kafka.settings import KafkaSettings
from common.tasks import Periodic
from sender.delivery.doubt.silence import WebhookReachability

log = logging.getLogger(__name__)

_REPORT: Final = decoder(IngressReport)
_POLL_SECONDS: Final = 0.5
_WARN_SECONDS: Final = 60.0
_ERROR_SECONDS: Final = 5.0


class DoubtClock:
    """Counts the seconds of silence of each send in doubt, from `start` to `stop`.

    `any_in_doubt` is set while any send is in doubt. `window_seconds` is how long a doubt lasts; Meta may have had the
    message for that long before the doubt began.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        conversation_group: str,
        status_group: str,
        any_in_doubt: asyncio.Event,
        window_seconds: float,
        now: Callable[[], datetime],
    ) -> None:
        self.reports: Table[IngressReport] = Table(
            settings, topics.INGRESS_REPORTS.name, lambda value: decode(_REPORT, value), self._reported
        )
        self._progress = Progress(settings)
        self._stages = ((conversation_group, topics.WEBHOOKS.name), (status_group, topics.MESSAGE_STATUS.name))
        self._any_in_doubt = any_in_doubt
        self._window = timedelta(seconds=window_seconds)
        self._now = now
        self._reachability = WebhookReachability()
        self._known_until: datetime | None = None
        self._warned_at = float("-inf")
        self._looking = Periodic(self._run, _POLL_SECONDS, name="doubt clock")

    async def start(self) -> None:
        """Begin to listen; returns at once."""
        await self.reports.start()
        await self._looking.start()

    async def stop(self) -> None:
        """Stop."""
        await self._looking.stop()
        await self.reports.stop()
        await self._progress.close()

    def silence(self, entry: Entry) -> float:
        """The seconds since the doubt began in which a status would have reached us, and none did.

        If a status did come, it has changed the journal's entry, and a compare-and-set that relies on this value fails.
        """
        if self._known_until is None:
            return 0.0
        since = entry.doubted_at or entry.at
        number = entry.phone_number_id
        return self._reachability.silence(since, self._known_until, phone_number_id=number, slack=self._window)

    def _reported(self, _: str, report: IngressReport | None) -> None:
        if report is not None:
            self._reachability.note(report, self._now())

    async def _run(self) -> None:
        if not self._any_in_doubt.is_set():
            await self._progress.close()
            await self._any_in_doubt.wait()
        try:
            await self._look()
        except Unavailable as error:
            self._warn(error.message)
        except Exception:
            log.exception("could not ask how far statuses have been read; trying again")
            await asyncio.sleep(_ERROR_SECONDS)

    async def _look(self) -> None:
        """Wait until every webhook that ingress had taken at this moment has been read."""
        at = self._now()
        for group, topic in self._stages:
            ends = await self._progress.ends(topic)
            while not await self._progress.has_read(group, ends):
                if not self._any_in_doubt.is_set():
                    return
                if self._now() - at > timedelta(seconds=_WARN_SECONDS):
                    self._warn(f"{group} is behind on {topic}")
                await asyncio.sleep(_POLL_SECONDS)
        self._known_until = at

    def _warn(self, why: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._warned_at >= _WARN_SECONDS:
            self._warned_at = now
            log.warning("sends in doubt wait: their statuses may be on the way", extra={"reason": why})
