"""What a batch does: the result of applying its facts. Pure."""

from dataclasses import dataclass, field
from datetime import datetime

from conversation.batch.events import PendingEvent
from conversation.batch.working_set import Document, WorkingSet


@dataclass(slots=True)
class Plan:
    """What a batch does: documents by collection, and the events to publish in the order of their records.

    `origins` are the origins of its facts. `usage_again` are entries of the usage log that may be there already.
    Messages that were created since `ordered_since` have usage entries with ordered ids, and what came in since
    `dated_since` has an entry of the webhook log with a time in its id.
    """

    working: WorkingSet
    origins: frozenset[str] = frozenset()
    ordered_since: datetime | None = None
    dated_since: datetime | None = None
    webhook_events: list[Document] = field(default_factory=list)
    usage: list[Document] = field(default_factory=list)
    usage_again: list[Document] = field(default_factory=list)
    events: list[PendingEvent] = field(default_factory=list)

    def log_usage(self, document: Document, *, new: bool) -> None:
        """Add an entry to the usage log. `new`: nothing that is known says that it may be there already."""
        (self.usage if new else self.usage_again).append(document)
