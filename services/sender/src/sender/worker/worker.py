"""Runs one session for each slot of partitions that this process is given."""

from common.kafka.consume.partition_session import PartitionSession
from sender.worker.parts import WorkerParts
from sender.worker.session import Session


class SenderWorker:
    """`PartitionGroup`'s worker. `sessions` are those that run now; `Readings` looks at them."""

    def __init__(self, parts: WorkerParts) -> None:
        self._parts = parts
        self.sessions: set[Session] = set()

    async def __call__(self, kafka: PartitionSession) -> None:
        """Work until the partitions are revoked or something fails."""
        session = Session(kafka, self._parts)
        self.sessions.add(session)
        try:
            await session.run()
        finally:
            self.sessions.discard(session)

    def account_changed(self, chatbot_id: str) -> None:
        """Try again what was held because of this account."""
        for session in self.sessions:
            session.release(chatbot_id)

    def is_held(self, chatbot_id: str) -> bool:
        """Whether Meta refuses the chatbot's number or token, as far as this process knows."""
        now = self._parts.delivery.now().timestamp()
        return any(session.lanes.holds.is_refused(chatbot_id, now) for session in self.sessions)

    def taken_again(self, chatbot_id: str, subject: str | None) -> None:
        """Meta accepts a template or kind that it had refused (None: perhaps any of the chatbot's)."""
        for session in self.sessions:
            if session.owns(chatbot_id):
                session.retry_subject(chatbot_id, subject)

    def meta_is_back(self) -> None:
        """Let the sends go that were not tried because of an outage."""
        for session in self.sessions:
            session.look_again()
