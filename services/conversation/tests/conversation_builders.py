"""Records as ingress and sender write them, and a MongoDB that is a dictionary, for tests."""

import base64
import itertools
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
from msgspec.structs import replace

from common.contracts import sends, topics, webhooks
from common.contracts.contacts import Contact
from common.contracts.envelope import decode, decoder, encode
from common.contracts.ids import derive_id, journal_id
from common.contracts.messages import MetaError
from common.meta.broken_text import readable
from common.security.callbacks import CallbackSettings
from conversation.batch.core import plan
from conversation.batch.facts import read as read_fact
from conversation.batch.working_set import Known

CALLBACK_KEYS = {"test": base64.b64encode(b"c" * 32).decode()}
CALLBACKS = CallbackSettings(callback_keys=CALLBACK_KEYS).callbacks()
NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
NUMBER = "106540352242922"
BOT = {NUMBER: "bot"}
ADA = Contact(user_id="DE.1001", wa_id="491510000001", name="Ada")
_offsets = itertools.count()


@dataclass
class FakeRecord:
    """A consumed record."""

    value: bytes | None
    topic: str = topics.WEBHOOKS.name
    partition: int = 0
    offset: int = field(default_factory=lambda: next(_offsets))
    key: bytes | None = b"k"
    headers: tuple = ()
    timestamp: int = 0


def read(record):
    """What a record says, to a service with the keys of these tests."""
    return read_fact(record, CALLBACKS)


def webhook(kind, raw, contact=None, wamid=None, number=NUMBER, at=NOW, received=None, **data):
    event = webhooks.WebhookReceived(
        id=derive_id(kind, json.dumps(raw, sort_keys=True)),
        type=kind,
        version=1,
        occurred_at=at,
        recorded_at=received or at,
        correlation_id="c1",
        data=webhooks.WebhookData(
            arrival=webhooks.Arrival(body_id="b", body_bytes=1, position=0, count=1),
            field="messages",
            phone_number_id=number,
            contact=contact,
            wamid=wamid,
            raw=msgspec.Raw(json.dumps(raw).encode()),
            **data,
        ),
    )
    return FakeRecord(encode(event))


def message(wamid="wamid.IN1", text="Hello", contact=ADA, number=NUMBER, at=NOW, received=None, **more):
    raw = {"id": wamid, "type": "text", "timestamp": str(int(at.timestamp())), "text": {"body": text}, **more}
    return webhook(webhooks.MESSAGE, raw, contact=contact, wamid=wamid, number=number, at=at, received=received)


def torn(raw, kind=webhooks.MESSAGE, contact=ADA):
    """A record of a fragment that is no Unicode, as ingress writes it."""
    wamid = msgspec.json.decode(readable(raw)).get("id")
    event = decode(decoder(webhooks.WebhookReceived), webhook(kind, {}, contact=contact, wamid=wamid).value)
    both = {"raw": msgspec.Raw(readable(raw)), "raw_base64": base64.b64encode(raw).decode()}
    return FakeRecord(encode(replace(event, data=replace(event.data, **both))))


def status(word, wamid="wamid.OUT1", message_id="m1", contact=ADA, at=NOW, number=NUMBER, ours=True, **more):
    raw = {"id": wamid, "status": word, "timestamp": str(int(at.timestamp())), **more}
    if ours:
        raw["biz_opaque_callback_data"] = CALLBACKS.data_of(journal_id("bot", message_id), number)
    return webhook(webhooks.STATUS, raw, contact=contact, wamid=wamid, number=number, at=at)


def result(kind=sends.ACCEPTED, message_id="m1", wamid="wamid.OUT1", attempts=1, to="+491510000001", body="Hi", **more):
    journal = journal_id("bot", message_id)
    event = sends.SendResult(
        id=derive_id(kind, journal, str(attempts)),
        type=kind,
        version=1,
        occurred_at=NOW,
        recorded_at=NOW,
        correlation_id="c1",
        data=sends.SendResultData(
            journal_id=journal,
            chatbot_id="bot",
            message_id=message_id,
            to=to,
            attempts=attempts,
            phone_number_id=NUMBER,
            wamid=wamid if kind == sends.ACCEPTED else None,
            request={"chatbotId": "bot", "to": to, "message": body, "metadata": {"orderId": 17}},
            **{
                "at": NOW,
                "error": None if kind == sends.ACCEPTED else MetaError(code=131026, title="Undeliverable"),
                **more,
            },
        ),
    )
    return FakeRecord(encode(event), topic=topics.SEND_RESULTS.name)


def again(record):
    """The same record, come again from Meta: another place on Kafka."""
    return FakeRecord(record.value, topic=record.topic)


class Memory:
    """MongoDB as far as a plan needs it: documents that a plan has written are known to the next.

    `test_store.py` holds it against the real store, batch by batch.
    """

    def __init__(self):
        self.messages, self.conversations = {}, {}
        self.ordered_since = None

    def run(self, *records, chatbots=BOT, deactivated=frozenset(), now=NOW):
        known = Known(
            {k: self.copy(v) for k, v in self.messages.items()},
            [self.copy(c) for c in self.conversations.values() if "mergedInto" not in c],
            self.ordered_since,
        )
        done = plan([read(record) for record in records], known, chatbots, now, deactivated)
        for m in done.working.messages.values():
            if m.conversation_id is not None:  # absent rather than null, as the store has it
                m.document["conversationId"] = m.conversation_id
            self.messages[m.document["_id"]] = m.document
        for m in done.working.absorbed:
            self.messages.pop(m.document["_id"], None)
        for c in done.working.conversations.values():
            self.conversations[c.document["_id"]] = c.document | ({"mergedInto": c.id} if c.merged_into else {})
        return [pending.record(NOW) for pending in done.events], done

    @staticmethod
    def copy(document):
        return {k: [*v] if isinstance(v, list) else v for k, v in document.items()}
