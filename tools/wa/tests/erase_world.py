"""A database with two people in every collection, for the tests of `wa erase`."""

import base64
import json
import re
import uuid
from contextlib import asynccontextmanager
from datetime import timedelta

from bson import json_util
from conversation_builders import NOW, again, message, result, status, webhook

from common.contracts import sends, webhooks
from common.contracts.contacts import Contact
from common.contracts.ids import journal_id
from common.contracts.messages import MetaError
from common.mongo import Mongo, MongoSettings, schema
from common.security.callbacks import Callbacks
from common.security.digests import DigestKeys
from conversation.batch.core import keys_of, plan
from conversation.batch.facts import read
from conversation.store import ConversationStore
from sender.delivery.transitions import claim, fail_later, new_entry, record
from sender.journal.store import JournalStore
from sender.media.store import CachedUpload, MediaStore, key_of
from sender.outcomes import Dead, Defer, Sent
from sender.records.job import lane_of
from sender.waiting.parked_store import Parked, ParkStore
from sender.waiting.scheduled_store import Scheduled, ScheduleStore
from sender.waiting.stored_record import StoredRecord

ADA_PHONE, ADA_USER, ADA_NAME = "491510007001", "DE.13491208655302741918", "Ada Lovelace"
ADA = Contact(user_id=ADA_USER, wa_id=ADA_PHONE, name=ADA_NAME, username="countess.ada")
BOB = Contact(user_id="DE.20000000000000000002", wa_id="491510007002", name="Bob")
ADAS_WORDS = ("my heart is weak", "the doctor says rest", "your results, dear patient", "see you on Monday")
NUMBERS = {"106540352242922": "bot", "206540352242922": "other-bot"}
NUMBER, OTHER_NUMBER = NUMBERS
CALLBACKS = Callbacks(DigestKeys({"test": b"c" * 32}, "test"))


def request_to(name, to, chatbot):
    words = "bye" if to == f"+{BOB.wa_id}" else ADAS_WORDS[3]
    return {"chatbotId": chatbot, "to": to, "message": words, "messageId": name}


def stored(request, offset, headers):
    value = json.dumps(request).encode()
    return StoredRecord(partition=0, topic="whatsapp-cloud-send", offset=offset, headers=headers, value=value)


def wamid(contact, tail):
    """With the phone number inside, as Meta's are."""
    return "wamid." + base64.b64encode(b"\x1c\x18\x0c" + contact.encode() + tail.encode()).decode()


class World:
    """A database, written to by the stores of the services themselves."""

    def __init__(self, settings):
        self.mongo = Mongo(settings)
        self.database = self.mongo.database
        self.conversation = ConversationStore(self.mongo)
        self.journal = JournalStore(self.database, retention=timedelta(days=30))
        self.parked, self.scheduled = ParkStore(self.database), ScheduleStore(self.database)

    async def hears(self, *records):
        """Have conversation apply records of ingress and sender; the events that it would publish."""
        facts = [read(one, CALLBACKS) for one in records]
        async with self.conversation.owned_by("test") as owned:
            done = await self.conversation.apply(
                owned, keys_of(facts, NUMBERS), lambda known: plan(facts, known, NUMBERS, NOW)
            )
        return [pending.record(NOW) for pending in done.events]

    async def sent(self, name, *outcomes, to=f"+{ADA_PHONE}", chatbot="bot"):
        """A send in the journal: claimed, and then what became of it."""
        fresh = new_entry(journal_id(chatbot, name), chatbot, name, to, NOW, NUMBER, template="offer")
        steps = {"owner": "me", "now": NOW}
        move = claim(None, fresh, 1, phone_number_id=NUMBER, token=uuid.uuid4().hex, **steps)
        (entry,) = await self.journal.write([move])
        for outcome in outcomes:
            (entry,) = await self.journal.write([record(entry, fresh, outcome, token=uuid.uuid4().hex, **steps)])
        return entry

    async def park(self, name, to=f"+{ADA_PHONE}", chatbot="bot"):
        request = request_to(name, to, chatbot)
        sent = Parked(
            id=journal_id(chatbot, name), token="t", lane=lane_of(chatbot, to), group=chatbot, order=7,
            due=1.0, in_doubt=False, strikes=0, record=stored(request, 7, {"message-id": name}),
        )  # fmt: skip
        await self.parked.park([sent])

    async def schedule(self, name, to=f"+{ADA_PHONE}", chatbot="bot"):
        request = request_to(name, to, chatbot)
        sent = Scheduled(id=journal_id(chatbot, name), token="t", due=9e9, record=stored(request, 8, {}))
        await self.scheduled.put([sent])

    async def fill(self):
        """Everything that the services write, about Ada and about Bob."""
        await self.conversation.ensure_indexes()
        for person, words in ((ADA, ADAS_WORDS), (BOB, ("hi", "hello", "well", "bye"))):
            await self._converse(person, words)
        await self.hears(message(wamid(ADA_PHONE, "OTHER"), ADAS_WORDS[0], ADA, OTHER_NUMBER))
        await self.sent("opted out", Dead(MetaError(code=131050)))
        for name in ("m1", "m2", "parked", "queued"):
            to = "+49 (151) 000-7001" if name == "m2" else f"+{ADA_PHONE}"
            outcome = Sent(wamid(ADA_PHONE, name), ADA) if name.startswith("m") else Defer(NOW, MetaError(details=to))
            sent = await self.sent(name, outcome, to=to)
            if name == "m1":
                said = MetaError(code=131026, title=ADA_PHONE, details=to)
                await self.journal.write([fail_later(sent, sent.wamid, said, token="f", failed_at=NOW)])
        await self.sent("bobs", Sent("wamid.BOBS", BOB), to=f"+{BOB.wa_id}")
        for to in (f"+{ADA_PHONE}", ADA_USER, f"+{BOB.wa_id}"):
            await self.park(f"parked-{to}", to)
            await self.schedule(f"scheduled-{to}", to)
        media = MediaStore(self.database)
        await media.put(key_of(NUMBER, "https://example.org/a.png"), CachedUpload("900", "image/png", NOW, NOW))
        account = {"_id": "bot", "phoneNumberId": NUMBER, "status": "active"}
        await self.database[schema.ACCOUNTS.name].insert_one(account)

    async def _converse(self, person, words):
        phone = person.wa_id
        card = {"context": {"from": phone, "id": "wamid.BEFORE"}, "from": phone}
        out = wamid(phone, f"OUT-{phone}")
        name = f"m1-{phone}"
        recipient = {"recipient_id": phone, "recipient_user_id": person.user_id}
        price = {"pricing": {"billable": True, "pricing_model": "PMP", "category": "service", "type": "regular"}}
        await self.hears(
            message(wamid(phone, "IN1"), words[0], person, **card),
            message(wamid(phone, "IN2"), words[1], person, **card),
            result(sends.ACCEPTED, name, out, to=f"+{phone}", body=words[2], contact=person),
            status("sent", out, name, person, **recipient, **price),
            status("failed", out, name, person, errors=[{"code": 1, "error_data": {"details": phone}}], **recipient),
            again(message(wamid(phone, "IN1"), words[0], person, **card)),
            webhook_of(person),
        )

    async def documents(self):
        return {
            (name, document["_id"]): document
            for name in await self.database.list_collection_names()
            async for document in self.database[name].find()
        }


def webhook_of(person):
    """A change that is not split into facts: its JSON is in the log."""
    raw = {"contacts": [{"wa_id": person.wa_id, "profile": {"name": person.name}}]}
    return webhook(webhooks.CHANGE, raw, contact=person)


def texts_of(document):
    """A document as text: bytes as what they say, and what base64 hides, too."""
    plain = json_util.dumps(
        document, default=lambda value: value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    )
    hidden = [base64.b64decode(word + "===") for word in re.findall(r"[A-Za-z0-9+/]{16,}", plain)]
    binary = list(_bytes_in(document))
    return "\n".join([plain, *(word.decode("latin-1") for word in (*hidden, *binary))])


def _bytes_in(value):
    if isinstance(value, bytes):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _bytes_in(inner)


def ada_in(document):
    said = texts_of(document)
    return [name for name in (ADA_PHONE, "151) 000-7001", ADA_USER, ADA_NAME, "countess", *ADAS_WORDS) if name in said]


def adas(documents):
    return {key: found for key, document in documents.items() if (found := ada_in(document))}


@asynccontextmanager
async def filled_world(mongodb_uri, monkeypatch):
    """A world of its own, to which `wa` is set."""
    database = f"erase_{uuid.uuid4().hex[:10]}"
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("MONGODB_DATABASE", database)
    world = World(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=database))
    await world.fill()
    yield world
    await world.mongo.client.drop_database(database)
    await world.mongo.close()
