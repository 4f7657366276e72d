"""A send request as read from Kafka, its position, and its conversation (lane). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.contracts.contacts import contact_of_recipient
from common.contracts.messages import MetaError
from common.contracts.phone_numbers.notations import canonical
from common.contracts.send_headers import RELEASED_FROM
from common.contracts.sends import SendRequest
from common.telemetry.trace_context import Trace


@dataclass(frozen=True, slots=True)
class Position:
    """The place of a record in Kafka."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Job:
    """One send request as read from Kafka, with its position and headers.

    - `request` is a `MetaError` when the request is invalid.
    - `body` is the request as given, with its `messageId`, and with its message in the form that is kept. None: it
      cannot be stored, so its result does not carry it. `value` has the bytes as given.
    - `attempts` is what the record says was spent; the journal knows better.
    - `due` and `written_at` (when the record was written; 0: not known) are in Unix seconds.
    - `dated_at` is the time in its message id (ms since 1970), where that was made of its place and a time.
    - `trace` is the span of our work on it.
    - `position` is the record's own, `origin` that of the first record of the send.
    - `headers` are those that go on with it (`carried`).
    - `replay` counts how often operators sent it again after it had ended as a dead letter.
    """

    journal_id: str
    chatbot_id: str
    message_id: str
    to: str
    request: SendRequest | MetaError
    body: dict[str, Any] | None
    value: bytes
    trace: Trace
    origin: Position
    position: Position
    headers: Mapping[str, str]
    attempts: int = 0
    due: float = 0.0
    first_failed_at: str | None = None
    replay: int = 0
    written_at: float = 0.0
    dated_at: int | None = None

    @property
    def item_id(self) -> str:
        """The same for all records of this send. A replay has another one than the send that has ended."""
        return f"{self.journal_id}/{self.replay}" if self.replay else self.journal_id

    @property
    def send_at(self) -> float:
        """When to send it, in Unix seconds; 0: at once, because it has no `sendAt` or was released."""
        at = self.request.send_at if isinstance(self.request, SendRequest) else None
        return at.timestamp() if at is not None and RELEASED_FROM not in self.headers else 0.0

    @property
    def lane(self) -> str:
        """The conversation: a chatbot has one number, and `to` names one recipient."""
        return lane_of(self.chatbot_id, self.to)


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A record that cannot be parsed, on its way to the dead-letter queue."""

    value: bytes
    origin: Position
    error: MetaError
    trace: Trace


def lane_of(chatbot_id: str, to: str) -> str:
    """The conversation of a chatbot with the recipient `to`: the same for all notations of a phone number."""
    contact = contact_of_recipient(to)
    if contact.wa_id:
        return lane_of_phone(chatbot_id, contact.wa_id)
    aliases = contact.aliases()
    return f"{chatbot_id}|{aliases[0] if aliases else to}"


def lane_of_phone(chatbot_id: str, digits: str) -> str:
    """The conversation of a chatbot with the phone that has this number."""
    return f"{chatbot_id}|p:{canonical(digits)}"


def lane_today(lane: str) -> str:
    """The current name of a lane. Earlier versions had one lane for each notation of a number."""
    chatbot_id, _, phone = lane.partition("|p:")
    return lane_of_phone(chatbot_id, phone) if phone.isdigit() else lane
