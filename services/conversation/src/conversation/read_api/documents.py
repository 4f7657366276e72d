"""The collections that the read API reads, of one source: the primary, or a secondary's copies."""

from datetime import date

from common.contracts.stored.usage import COUNTED, whole_from
from common.mongo import Document, or_unavailable, schema
from common.mongo.failover.waited_reads import Source


class Documents:
    """All of one answer are read from the same source."""

    def __init__(self, source: Source) -> None:
        self._forms = source[schema.STORED_FORMS.name]
        self.conversations = source[schema.CONVERSATIONS.name]
        self.messages = source[schema.MESSAGES.name]
        self.webhook_events = source[schema.WEBHOOK_EVENTS.name]
        self.usage_logs = source[schema.USAGE_LOGS.name]
        self.usage_days = source[schema.USAGE_DAYS.name]

    async def counted_since(self) -> date:
        """The first day whose whole usage is in the counters; of earlier days the log has to be counted.

        The last day of the calendar where no process has yet written since when it counts.
        """
        with or_unavailable():
            known: Document | None = await self._forms.find_one({"_id": COUNTED})
        return date.max if known is None else whole_from(known["since"])
