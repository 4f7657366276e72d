"""The turns of conversations: a message, the bot's send with its result, and three statuses. Pure.

Every name has a fixed width, so that the documents of one turn can be made from those of another by replacing bytes.
Wamids are built as Meta's: the person's number, and digits without order behind it.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import gcd
from typing import Any, Final

from common.contracts import sends, topics
from common.contracts.contacts import Contact
from common.contracts.envelope import encode
from common.contracts.ids import derive_id, journal_id, random_id
from common.kafka.records import Outgoing
from common.security.callbacks import Callbacks
from common.security.digests import DigestKeys
from ingress.records import records
from ingress.telemetry import begin

NUMBERS: Final = 24
CALLBACKS: Final = Callbacks(DigestKeys({"bench": bytes(32)}, "bench"))
STATUSES: Final = ("sent", "delivered", "read")
FAILED: Final = ("sent", "failed")
"""What Meta tells of an answer that did not arrive."""

TURNS_EACH: Final = 5
_GOLDEN: Final = 0.618
_BETWEEN: Final = timedelta(milliseconds=100)
_AFTER: Final = timedelta(milliseconds=1_023)


@dataclass(frozen=True, slots=True)
class People:
    """Those who write: `count` customers, who take turns in an order in which neighbours are far apart.

    Turns come one after the other since `began`, with the time `between` them.
    """

    count: int
    began: datetime
    between: timedelta = _BETWEEN

    @classmethod
    def of(cls, turns: int, until: datetime, between: timedelta = _BETWEEN) -> "People":
        """As many that each has had five of these turns; the last of them was at `until`."""
        return cls(max(1, turns // TURNS_EACH), until.replace(microsecond=0) - turns * between, between)

    def turn(self, number: int) -> "Turn":
        """Turn `number` of all."""
        stride = max(1, int(self.count * _GOLDEN))
        while gcd(stride, self.count) > 1:
            stride += 1
        return Turn(number, number * stride % self.count, self.began + number * self.between)


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: a customer writes, the bot answers, and Meta tells how the answer fares."""

    number: int
    customer: int
    moment: datetime

    @property
    def phone_number_id(self) -> str:
        """The business number."""
        return f"1065403522{self.customer % NUMBERS:05}"

    @property
    def chatbot(self) -> str:
        """The account of the number."""
        return f"bench-{self.customer % NUMBERS:05}"

    @property
    def contact(self) -> Contact:
        """The customer as Meta names them."""
        return Contact(
            user_id=f"DE.{1_349_000_000_000 + self.customer}",
            wa_id=f"4915{self.customer:09}",
            name=f"Customer {self.customer:09}",
        )

    @property
    def message_id(self) -> str:
        """The producer's id of the answer."""
        return f"order-{self.number:09}"

    @property
    def journal_id(self) -> str:
        """Our id of the answer."""
        return journal_id(self.chatbot, self.message_id)

    @property
    def wamid_in(self) -> str:
        """Of the customer's message."""
        return self._wamid("in", b"\x15\x02\x00\x12\x18\x16")

    @property
    def wamid_out(self) -> str:
        """Of the answer."""
        return self._wamid("out", b"\x15\x02\x00\x11\x18\x16")

    @property
    def at(self) -> datetime:
        """When it was, in whole seconds."""
        return self.moment.replace(microsecond=0)

    @property
    def timestamp(self) -> str:
        """The same as Meta writes it."""
        return f"{self.at.timestamp():.0f}"

    @property
    def received(self) -> datetime:
        """When we have received it."""
        return self.moment + _AFTER

    @property
    def question(self) -> str:
        """What the customer writes."""
        return f"Hello, where is my order number {self.number:09}? I have been waiting for it since Monday."

    @property
    def answer(self) -> str:
        """What the bot writes."""
        return f"Your order number {self.number:09} has left our house, and will be with you on Thursday."

    @property
    def content(self) -> dict[str, Any]:
        """What the customer's message says, in Meta's form."""
        return {"type": "text", "text": {"body": self.question}}

    def inbound(self, now: datetime) -> Outgoing:
        """The record of the customer's message, as ingress writes it."""
        message = {
            "from": self.contact.wa_id,
            "from_user_id": self.contact.user_id,
            "id": self.wamid_in,
            "timestamp": self.timestamp,
            **self.content,
        }
        return self._webhook({"messages": [message]}, now)

    def status(self, word: str, now: datetime, *, signed: bool = True) -> Outgoing:
        """The record of a status of the answer. `signed`: it names our send."""
        status: dict[str, Any] = {
            "id": self.wamid_out,
            "status": word,
            "timestamp": self.timestamp,
            "recipient_id": self.contact.wa_id,
            "recipient_user_id": self.contact.user_id,
            "pricing": {"billable": True, "pricing_model": "PMP", "category": "service", "type": "regular"},
        }
        if signed:
            status["biz_opaque_callback_data"] = CALLBACKS.data_of(self.journal_id, self.phone_number_id)
        if word == "failed":
            status["errors"] = [{"code": 131026, "title": "Message undeliverable"}]
        return self._webhook({"statuses": [status]}, now)

    def result(self, now: datetime) -> Outgoing:
        """The record of the sender's result."""
        request = {
            "chatbotId": self.chatbot,
            "to": f"+{self.contact.wa_id}",
            "message": self.answer,
            "messageId": self.message_id,
        }
        event = sends.SendResult(
            id=derive_id("send-result", self.journal_id),
            type=sends.ACCEPTED,
            version=sends.VERSION,
            occurred_at=now,
            recorded_at=now,
            correlation_id=random_id(),
            data=sends.SendResultData(
                journal_id=self.journal_id,
                chatbot_id=self.chatbot,
                message_id=self.message_id,
                to=request["to"],
                attempts=1,
                at=now,
                phone_number_id=self.phone_number_id,
                contact=self.contact,
                wamid=self.wamid_out,
                request=request,
            ),
        )
        return Outgoing(topics.SEND_RESULTS.name, self.chatbot, encode(event))

    def records(self, now: datetime, words: Sequence[str] = STATUSES) -> Iterable[Outgoing]:
        """All records, in their order, with these statuses."""
        yield self.inbound(now)
        yield self.result(now)
        for word in words:
            yield self.status(word, now)

    def _wamid(self, way: str, head: bytes) -> str:
        digits = hashlib.sha256(f"{way} {self.number}".encode()).hexdigest()[:18].upper()
        packed = b"\x1c\x18\x0d" + self.contact.wa_id.encode() + head + b"3EB0" + digits.encode() + b"\x00"  # type: ignore[union-attr]  # it has one
        return "wamid." + base64.b64encode(packed).decode()

    def _webhook(self, content: dict[str, Any], now: datetime) -> Outgoing:
        return webhook(self.phone_number_id, self.contact, content, now)


def webhook(number: str, contact: Contact, content: dict[str, Any], now: datetime) -> Outgoing:
    """The record of one message or status with this person, as ingress writes it."""
    ids = {"wa_id": contact.wa_id, "user_id": contact.user_id}
    person = {"profile": {"name": contact.name}, **{name: value for name, value in ids.items() if value is not None}}
    metadata = {"display_phone_number": f"1555{number[-7:]}", "phone_number_id": number}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "contacts": [person], **content}
    entry = {"id": "102290129340398", "changes": [{"field": "messages", "value": value}]}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
    (record,) = records(body, begin(random_id(), None), now=now)
    return record
