"""`wa erase`: a person leaves every collection, nobody else does, and the promises about what is left hold."""

import asyncio
import base64
import json
import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
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
from sender.delivery.transitions import cancel, claim, fail_later, new_entry, record
from sender.journal.entry import State
from sender.journal.store import JournalStore
from sender.media.store import CachedUpload, MediaStore, key_of
from sender.outcomes import Dead, Defer, InDoubt, Sent
from sender.records.job import lane_of
from sender.waiting.parked_store import Parked, ParkStore
from sender.waiting.scheduled_store import Scheduled, ScheduleStore
from sender.waiting.stored_record import StoredRecord
from wa.__main__ import main
from wa.erase import changes, reach
from wa.erase.erasing import Eraser
from wa.erase.person import Person

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


def wamid(contact, tail):
    """With the phone number inside, as Meta's are."""
    return "wamid." + base64.b64encode(b"\x1c\x18\x0c" + contact.encode() + tail.encode()).decode()


def stored(request, offset, headers):
    value = json.dumps(request).encode()
    return StoredRecord(partition=0, topic="whatsapp-cloud-send", offset=offset, headers=headers, value=value)


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
    """A change that nobody takes apart: its JSON is in the log."""
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


@pytest.fixture
async def world(mongodb_uri, monkeypatch):
    database = f"erase_{uuid.uuid4().hex[:10]}"
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("MONGODB_DATABASE", database)
    world = World(MongoSettings(mongodb_uri=mongodb_uri, mongodb_database=database))
    await world.fill()
    yield world
    await world.mongo.client.drop_database(database)
    await world.mongo.close()


@pytest.fixture
def erase(capsys):
    """Runs `wa erase …` as the program does; (exit code, output, complaints)."""

    async def run(*arguments, contact=f"+{ADA_PHONE}", sure=True):
        given = ["erase", "--contact", contact, "--by", "ann", "--because", "request 17", *arguments]
        code = await asyncio.to_thread(main, [*given, *(["--yes"] if sure else [])])
        return (code, *capsys.readouterr())

    return run


integration = pytest.mark.integration


@integration
async def test_the_world_of_these_tests_has_the_person_in_every_collection_that_has_people(world):
    with_her = {name for name, _ in adas(await world.documents())}
    hidden_by_id = {schema.USAGE_LOGS.name}  # its wamid has her number inside
    assert with_her | hidden_by_id == {collection.name for collection in schema.ALL if collection.people}


@integration
@pytest.mark.feature("erase a person on request")
@pytest.mark.parametrize("contact", [f"+{ADA_PHONE}", "+49 151 0007001", ADA_USER])
async def test_no_document_of_any_collection_has_the_person_afterwards_and_nobody_else_is_touched(
    world, erase, contact
):
    before = await world.documents()
    code, said, _ = await erase(contact=contact)
    after = await world.documents()
    assert adas(after) == {}
    untouched = {key: document for key, document in before.items() if key not in adas(before) and not hers(document)}
    assert {key: after.get(key) for key in untouched} == untouched
    assert code == 0
    assert f"known as {ADA_USER}, +{ADA_PHONE} at all chatbots" in said


def hers(document):
    """A document without her name that is about her: of a message of hers, of which it has a derived id alone."""
    return "erasedAt" in document


@integration
async def test_what_accounting_needs_stays_without_the_person(world, erase):
    usage = world.database[schema.USAGE_LOGS.name]
    groups = [
        {"$group": {"_id": ["$kind", "$chatbotId", "$day", "$category"], "count": {"$sum": 1}}},
        {"$sort": {"_id": 1}},
    ]
    before = await (await usage.aggregate(groups)).to_list()
    await erase()
    assert await (await usage.aggregate(groups)).to_list() == before
    assert await usage.count_documents({"erasedAt": {"$exists": True}}) == 2


@integration
async def test_it_leaves_a_record_of_who_why_and_how_much_but_not_of_whom(world, erase):
    await erase()
    (entry,) = await world.database[schema.ERASURES.name].find().to_list()
    assert (entry["by"], entry["because"]) == ("ann", "request 17")
    assert entry["counts"]["messages"] == 4
    assert entry["counts"]["conversations"] == 2
    assert entry["begunAt"] <= entry["endedAt"]
    assert ada_in(entry) == []


@integration
async def test_what_waits_is_never_sent_and_its_journal_says_so(world, erase):
    await erase()
    scheduled, parked = journal_id("bot", f"scheduled-{ADA_USER}"), journal_id("bot", f"parked-+{ADA_PHONE}")
    entries = await world.journal.load([scheduled, parked, journal_id("bot", "queued"), journal_id("bot", "m1")])
    assert [entry.state for entry in entries] == [State.CANCELLED] * 3 + [State.ACCEPTED]
    assert [one.id for one in await world.parked.first(0, f"bot|p:{BOB.wa_id}", -1, 9)] != []
    assert await world.scheduled.due_of(scheduled) is None
    # Its record, read again: the journal knows that it has ended.
    move = cancel(entries[0], entries[0], token="t", now=NOW)
    assert move is None


@integration
async def test_a_send_that_meta_may_have_is_left_and_told(world, erase):
    await world.sent("calling")
    await world.sent("doubtful", InDoubt(NOW + timedelta(seconds=30), MetaError(reason="timeout")))
    await world.park("doubtful")
    code, _, complaint = await erase()
    assert code == 1
    assert "2 sends to the person are under way" in complaint
    assert set(adas(await world.documents())) == {
        (schema.SEND_JOURNAL.name, journal_id("bot", "calling")),
        (schema.SEND_JOURNAL.name, journal_id("bot", "doubtful")),
        (schema.SEND_PARKED.name, journal_id("bot", "doubtful")),
    }


@integration
async def test_metas_repetition_of_an_erased_message_is_still_a_repetition(world, erase):
    await erase()
    repeated = message(wamid(ADA_PHONE, "IN1"), ADAS_WORDS[0], ADA)
    assert await world.hears(repeated) == []
    assert await world.database[schema.CONVERSATIONS.name].count_documents({"contact.name": ADA_NAME}) == 0


@integration
async def test_a_late_status_is_told_makes_no_conversation_and_goes_with_the_next_run(world, erase):
    await erase()
    late = status("read", wamid(ADA_PHONE, f"OUT-{ADA_PHONE}"), f"m1-{ADA_PHONE}", ADA, recipient_id=ADA_PHONE)
    (event,) = await world.hears(late)
    assert event.topic == "message-status"
    assert {name for name, _ in adas(await world.documents())} == {"messages", "webhook_events"}
    assert await world.database[schema.CONVERSATIONS.name].count_documents({"contact.name": ADA_NAME}) == 0
    assert (await erase())[0] == 0
    assert adas(await world.documents()) == {}


@integration
async def test_a_second_run_finds_nothing(world, erase):
    await erase()
    before = await world.documents()
    code, said, _ = await erase()
    assert code == 0
    assert "to erase: nothing" in said
    after = await world.documents()
    assert {key: one for key, one in after.items() if key in before} == before


@integration
@pytest.mark.parametrize("step", range(10))
async def test_a_run_that_was_cut_off_anywhere_is_finished_by_the_next(world, erase, monkeypatch, step):
    steps = iter(range(99))

    def cut_off(patch, name):
        whole = getattr(Eraser, name)

        async def until_then(self, *arguments):
            if next(steps) == step:
                raise OSError("killed")
            return await whole(self, *arguments)

        patch.setattr(Eraser, name, until_then)

    with monkeypatch.context() as patch:
        cut_off(patch, "_update")
        cut_off(patch, "_remove")
        assert (await erase())[0] == 1
        assert adas(await world.documents()) != {}
    assert (await erase())[0] == 0
    assert adas(await world.documents()) == {}


@integration
async def test_a_dry_run_changes_nothing_and_tells_what_would_be(world, erase):
    before = await world.documents()
    code, said, _ = await erase("--dry-run")
    assert (code, await world.documents()) == (0, before)
    assert "2 conversations" in said
    assert "4 messages" in said
    assert "whatsapp-cloud-send-dlq          30 days" in said


@integration
async def test_one_chatbot_alone(world, erase):
    log = world.database[schema.WEBHOOK_EVENTS.name]
    of_the_other = await log.find({"phoneNumberId": NUMBER}).sort("_id").to_list()
    assert any(ada_in(entry) for entry in of_the_other)
    await erase("--chatbot", "other-bot")
    assert await log.find({"phoneNumberId": NUMBER}).sort("_id").to_list() == of_the_other
    assert [ada_in(entry) async for entry in log.find({"phoneNumberId": OTHER_NUMBER}) if ada_in(entry)] == []
    left = adas(await world.documents())
    assert {name for name, _ in left} >= {"conversations", "messages", "send_journal", "send_parked", "send_scheduled"}
    assert await world.database["messages"].count_documents({"chatbotId": "other-bot", "text": {"$exists": True}}) == 0
    assert await world.database["conversations"].count_documents({"chatbotId": "other-bot"}) == 0
    assert (await erase("--chatbot", "nobody"))[0] == 2


@integration
async def test_in_a_group_the_others_stay(world, erase):
    group = Contact(group_id="120363041234567890", user_id=ADA_USER, name=ADA_NAME)
    other = Contact(group_id="120363041234567890", user_id=BOB.user_id, name="Bob")
    await world.hears(message("wamid.G1", "hello all", other), message("wamid.G2", ADAS_WORDS[0], group))
    sent = result(sends.ACCEPTED, "to-all", "wamid.G3", to="491510009999", contact=Contact(group_id=group.group_id))
    seen = [status("read", "wamid.G3", "to-all", other, recipient_participant_id=name) for name in (ADA_USER, "x")]
    await world.hears(sent, *seen)
    code, _, _ = await erase()
    assert code == 0
    assert adas(await world.documents()) == {}
    groups = world.database["conversations"]
    assert await groups.count_documents({"aliases": f"{NUMBER}|g:{group.group_id}"}) == 1
    assert await world.database["messages"].count_documents({"text": "hello all"}) == 1


@integration
async def test_two_conversations_that_were_merged_are_both_erased(world, erase):
    by_number = Contact(wa_id="491510007009", name=ADA_NAME)
    by_user = Contact(user_id="DE.30000000000000000003", name=ADA_NAME)
    both = Contact(user_id=by_user.user_id, wa_id=by_number.wa_id, name=ADA_NAME)
    for index, contact in enumerate((by_number, by_user, both)):
        await world.hears(message(f"wamid.M{index}", "merged", contact))
    assert await world.database["conversations"].count_documents({"mergedInto": {"$exists": True}}) == 1
    await erase(contact=by_user.user_id)
    said = "\n".join(texts_of(document) for document in (await world.documents()).values())
    assert by_number.wa_id not in said
    assert by_user.user_id not in said


@integration
async def test_a_collection_that_nobody_declared_is_not_passed_over_in_silence(world, erase):
    await world.database["notes"].insert_one({"_id": "n", "about": ADA_PHONE})
    code, _, complaint = await erase()
    assert code == 3
    assert "does not know what is in notes" in complaint


@integration
async def test_nothing_is_erased_that_was_not_confirmed(world, erase, monkeypatch):
    before = await world.documents()
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert (await erase(sure=False))[0] == 3
    assert await world.documents() == before


@integration
async def test_the_person_is_not_named_in_the_record_by_mistake(world, erase):
    code, _, complaint = await erase("--because", f"call of +49 151 0007001 on {NOW:%A}")
    assert code == 2
    assert "must not name the person" in complaint


@integration
async def test_nor_under_a_name_that_was_found_only_then(world, erase):
    before = await world.documents()
    code, _, complaint = await erase("--because", f"call of +{ADA_PHONE}", contact=ADA_USER)
    assert (code, "must not name the person" in complaint) == (2, True)
    assert await world.documents() == before


@pytest.mark.parametrize("contact", ["", "ann", "12345", "DE.1", "+49 151 zero", "0151 0007001", "+0151 0007001"])
def test_who_could_not_be_found_safely_or_at_all_is_refused(contact):
    with pytest.raises(ValueError, match="neither a phone number"):
        Person.named(contact)


@pytest.mark.parametrize("to", ["+49 (0)151 0007001", "0049 151 000-7001", "491510007001", "+491510007001"])
def test_a_send_is_found_in_the_notations_that_it_may_be_written_in(to):
    assert Person.named("0049 151 0007001").is_recipient(to)
    assert not Person.named("+491510007002").is_recipient(to)


def test_a_phone_with_two_notations_is_found_under_both():
    person = Person.named("+5215512345678")
    assert person.is_recipient("+52 55 1234 5678")
    assert all(re.search(person.as_alias, f"b|p:{digits}") for digits in ("5215512345678", "525512345678"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f'{{"recipient_id":"{ADA_PHONE}"}}', True),
        ("+49 151 000-7001", True),
        (f"u:{ADA_USER}", True),
        (f"{ADA_PHONE}9", False),
        (f"1{ADA_PHONE}", False),
        (ADA_USER.replace(".", "x"), False),
    ],
)
def test_names_are_found_in_texts_however_they_are_written_and_not_inside_others(text, found):
    assert Person(frozenset({ADA_USER}), frozenset({ADA_PHONE})).is_named_in(text) is found


def test_the_states_are_those_of_the_senders_journal():
    assert {*changes.UNDER_WAY, *changes.WAITING} == {str(state) for state in State} - {
        "accepted", "failed", "expired", "cancelled"
    }  # fmt: skip


def test_every_topic_with_people_is_named_with_its_retention():
    told = "\n".join(reach.out_of_reach())
    for name in ("whatsapp-cloud-webhooks", "incoming-messages", "whatsapp-cloud-send-results"):
        assert re.search(rf"{name} +7 days", told)
    assert "whatsapp-cloud-accounts" not in told


def test_an_entry_of_a_send_that_never_was_can_be_read_by_the_sender():
    entry = changes.never_sent("bot", "t", datetime.now(UTC))
    assert {"state", "attempt", "token", "owner", "at", "createdAt", "chatbotId", "messageId", "to"} <= entry.keys()
