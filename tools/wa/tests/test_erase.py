"""`wa erase`: a person leaves every collection, no other person does, and the promises about what is left hold."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from conversation_builders import NOW, message, result, status
from erase_world import (
    ADA,
    ADA_NAME,
    ADA_PHONE,
    ADA_USER,
    ADAS_WORDS,
    BOB,
    NUMBER,
    OTHER_NUMBER,
    ada_in,
    adas,
    filled_world,
    texts_of,
    wamid,
)

from common.contracts import sends
from common.contracts.contacts import Contact
from common.contracts.ids import journal_id
from common.contracts.journal import FIELDS, State, from_document
from common.contracts.messages import MetaError
from common.mongo import schema
from conversation.batch import working_set
from conversation.upkeep import moving
from sender.delivery.transitions import cancel
from sender.outcomes import InDoubt
from wa.__main__ import main
from wa.erase import changes, commands
from wa.erase.erasing import Eraser
from wa.erase.finding import Finder
from wa.erase.person import Person


@pytest.fixture
async def world(mongodb_uri, monkeypatch):
    async with filled_world(mongodb_uri, monkeypatch) as world:
        yield world


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
async def test_no_document_of_any_collection_has_the_person_afterwards_and_no_other_person_is_touched(
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


@integration
async def test_an_erasure_that_a_copy_has_yet_to_follow_is_not_called_done(world, erase, monkeypatch):
    behind = ["m1:27017", "m2:27017"]

    async def copies(*_given):
        return behind

    monkeypatch.setattr(commands, "await_copies", copies)
    code, said, complaint = await erase()
    assert adas(await world.documents()) == {}
    assert code == 1
    assert "erased, but not yet on m1:27017, m2:27017: " in said
    assert "m1:27017, m2:27017 have not told" in complaint
    behind.clear()
    code, said, _ = await erase()
    assert (code, "\nerased: " in said) == (0, True)


@integration
async def test_nothing_is_waited_for_where_nothing_is_erased(world, erase, monkeypatch):
    monkeypatch.delattr(commands, "await_copies")
    assert (await erase("--dry-run"))[0] == 0


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
    counters = await world.database[schema.USAGE_DAYS.name].find().sort("_id").to_list()
    assert counters
    await erase()
    assert await world.database[schema.USAGE_DAYS.name].find().sort("_id").to_list() == counters
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


@pytest.fixture
def by_hand(world):
    """The command in two steps: find, and then erase, as it does."""
    finder = Finder(world.database, print)

    async def find():
        return await finder.find(Person.named(f"+{ADA_PHONE}"), None)

    async def finish(found):
        await Eraser(world.database, datetime.now(UTC), print).erase(found, finder)

    return find, finish


@integration
async def test_what_the_services_write_meanwhile_into_her_conversation_is_erased_too(world, by_hand):
    find, finish = by_hand
    found = await find()
    late = wamid(ADA_PHONE, "LATE")
    await world.hears(message(late, ADAS_WORDS[0], ADA), status("read", late, "m1", ADA, recipient_id=ADA_PHONE))
    await finish(found)
    assert adas(await world.documents()) == {}


@integration
async def test_what_is_written_just_before_her_conversation_goes_is_erased_too(world, by_hand, monkeypatch):
    find, finish = by_hand
    remove = Eraser._remove

    async def late(eraser, collection, keys):
        if collection is schema.CONVERSATIONS:
            await world.hears(message(wamid(ADA_PHONE, "LATE"), ADAS_WORDS[0], ADA))
        await remove(eraser, collection, keys)

    monkeypatch.setattr(Eraser, "_remove", late)
    await finish(await find())
    assert adas(await world.documents()) == {}


OTHER_PHONE = "491510007009"


async def merging(world, monkeypatch, name=ADA_USER):
    """A large conversation of a number that turns out to be hers; its messages have yet to follow."""
    monkeypatch.setattr(working_set, "MOVED_AT_ONCE", 3)
    monkeypatch.setattr(moving, "SLICE", 2)
    other = Contact(wa_id=OTHER_PHONE, name=ADA_NAME)
    await world.hears(*(message(wamid(OTHER_PHONE, f"O{n}"), ADAS_WORDS[0], other) for n in range(8)))
    yield
    await world.hears(message("wamid.both", ADAS_WORDS[0], Contact(user_id=name, wa_id=OTHER_PHONE, name=ADA_NAME)))
    (winner,) = await world.database[schema.CONVERSATIONS.name].find({"absorbs": {"$exists": True}}).to_list()
    yield winner


@integration
async def test_a_person_whose_conversation_is_being_merged_is_erased_from_both(world, erase, monkeypatch):
    async for _ in merging(world, monkeypatch):
        pass
    assert (await erase())[0] == 0
    await nothing_is_left(world)


@integration
async def test_a_conversation_that_is_merged_into_hers_meanwhile_is_erased_too(world, by_hand, monkeypatch):
    find, finish = by_hand
    steps = merging(world, monkeypatch)
    await anext(steps)
    found = await find()
    await anext(steps)
    await finish(found)
    await nothing_is_left(world)


@integration
async def test_messages_that_move_while_they_are_erased_are_erased(world, erase, monkeypatch):
    async for _ in merging(world, monkeypatch):
        pass
    mover, over = moving.Moving(world.mongo, world.conversation), asyncio.Event()

    async def move():
        while not over.is_set():
            await mover.run()

    moving_on = asyncio.create_task(move())
    try:
        assert (await erase())[0] == 0
    finally:
        over.set()
        await moving_on
    await nothing_is_left(world)


async def nothing_is_left(world):
    documents = await world.documents()
    assert adas(documents) == {}
    assert [key for key, document in documents.items() if OTHER_PHONE in texts_of(document)] == []
    of_bob = {"conversationId": {"$in": await world.database["conversations"].distinct("_id")}}
    assert (
        await world.database["messages"].count_documents({"conversationId": {"$exists": True}, "$nor": [of_bob]}) == 0
    )
    assert await world.database["conversations"].count_documents({"absorbs": {"$exists": True}}) == 0
    await moving.Moving(world.mongo, world.conversation).run()
    assert await world.documents() == documents


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
async def test_a_collection_that_is_not_declared_is_not_passed_over_in_silence(world, erase):
    await world.database["notes"].insert_one({"_id": "n", "about": ADA_PHONE})
    code, _, complaint = await erase()
    assert code == 3
    assert "does not know the collections notes" in complaint


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


def test_an_entry_of_a_send_that_never_was_can_be_read_by_the_sender():
    now = datetime.now(UTC)
    entry = from_document(changes.never_sent("j", "bot", "t", now))
    assert (entry.id, entry.state, entry.chatbot_id, entry.to, entry.at) == ("j", State.CANCELLED, "bot", "erased", now)


def test_an_erasure_touches_only_fields_that_the_journal_has():
    touched = set(changes.never_sent("j", "bot", "t", datetime.now(UTC)))
    for step in changes.send_cancelled("t", datetime.now(UTC)):
        for fields in step.values():
            touched |= {name.partition(".")[0] for name in fields}
    assert touched <= FIELDS
