"""`whatsapp-cloud-dlq-audit`: who put which dead letter back, when and why."""

from datetime import datetime

from common.contracts.envelope import Contract


class LetterReplayed(Contract, frozen=True, kw_only=True):
    """One dead letter that went back to `toTopic`, written in the same Kafka transaction as the record itself.

    `letter` is its position (topic/partition/offset), which is the record's key too. No words of people are in it.
    """

    at: datetime
    by: str
    letter: str
    to_topic: str
    reason: str
    because: str | None = None
    event_id: str | None = None
    code: str | None = None
    message_id: str | None = None
    chatbot_id: str | None = None
