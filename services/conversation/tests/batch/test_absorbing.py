"""Our own message found by its wamid: one message, with all of its history, in whichever order its facts come."""

import itertools
import random
from datetime import timedelta

import pytest
from conversation_builders import ADA, BOT, NOW, NUMBER, Memory, again, message, read, result, status

from common.contracts import sends
from common.contracts.contacts import Contact
from common.contracts.envelope import decode, decoder
from common.contracts.ids import journal_id
from common.contracts.messages import MessageStatus
from conversation.batch.core import keys_of

OURS = journal_id("bot", "m1")
PRICING = {"pricing_model": "PMP", "type": "regular", "category": "service"}
_status = decoder(MessageStatus)


@pytest.fixture
def memory():
    return Memory()


def unsigned(word, **more):
    return status(word, ours=False, **more)


def told(events):
    return [decode(_status, event.value) for event in events]


def facts():
    return [result(), unsigned("sent"), unsigned("delivered"), unsigned("read")]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
@pytest.mark.parametrize("cut", [(), (1,), (2,), (1, 2, 3)])
def test_in_any_order_and_any_batches_it_is_one_message_with_all_of_its_history_and_events(order, cut):
    memory, records = Memory(), facts()
    ordered = [records[place] for place in order]
    events = []
    for begin, end in itertools.pairwise((0, *cut, 4)):
        made, _ = memory.run(*ordered[begin:end])
        repeated, _ = memory.run(*ordered[begin:end])  # as after a crash before Kafka's commit
        assert [event.value for event in repeated] == [event.value for event in made]
        events += told(made)
    (message,) = memory.messages.values()
    assert (message["_id"], message["wamid"], message["deliveryStatus"]) == (OURS, "wamid.OUT1", "read")
    assert sorted(one["status"] for one in message["statuses"]) == ["accepted", "delivered", "read", "sent"]
    (conversation,) = memory.conversations.values()
    assert conversation["outboundCount"] == 1
    assert message["conversationId"] == conversation["_id"]
    named = [event.data for event in events if event.data.message_id == "m1"]
    assert sorted(data.status for data in named) == ["accepted", "delivered", "read", "sent"]
    assert {data.wamid for data in named} == {"wamid.OUT1"}
    assert all(data.metadata == {"orderId": 17} for data in named)
    assert len({event.id for event in events}) == len(events)
    # Meta repeats itself: nothing is told again.
    assert memory.run(*map(again, ordered))[0] == []


@pytest.mark.parametrize("seed", range(20))
def test_signed_and_unsigned_statuses_of_two_sends_are_two_messages(seed):
    chance = random.Random(seed)
    records = [
        result(),
        result(message_id="m2", wamid="wamid.OUT2", to="+491510000002"),
        *(status(word, ours=chance.random() < 0.5) for word in ("sent", "delivered", "read")),
        *(
            status(word, "wamid.OUT2", "m2", contact=Contact(wa_id="491510000002"), ours=chance.random() < 0.5)
            for word in ("sent", "failed")
        ),
    ]
    chance.shuffle(records)
    memory = Memory()
    while records:
        count = chance.randint(1, 3)
        batch, records = records[:count], records[count:]
        memory.run(*batch)
        if chance.random() < 0.3:
            memory.run(*batch)
    histories = {m["messageId"]: sorted(s["status"] for s in m["statuses"]) for m in memory.messages.values()}
    assert histories == {"m1": ["accepted", "delivered", "read", "sent"], "m2": ["accepted", "failed", "sent"]}
    assert [c["outboundCount"] for c in memory.conversations.values()] == [1, 1]


def test_a_failure_that_came_first_is_the_messages_own(memory):
    memory.run(unsigned("failed", contact=None, errors=[{"code": 131026, "title": "Undeliverable"}]))
    events, _ = memory.run(result())
    message = memory.messages[OURS]
    assert (message["deliveryStatus"], message["error"]["code"]) == ("failed", 131026)
    failed = next(event.data for event in told(events) if event.data.status == "failed")
    assert (failed.message_id, failed.error.code, failed.delivery_status) == ("m1", 131026, "failed")


def test_a_doubt_is_one_message_too(memory):
    memory.run(result(sends.IN_DOUBT))
    memory.run(unsigned("sent"))  # no send has the wamid yet, so it cannot settle the doubt
    assert len(memory.messages) == 2
    memory.run(result(attempts=2))
    assert [one["status"] for one in memory.messages[OURS]["statuses"]] == ["in_doubt", "sent", "accepted"]
    assert [one["outboundCount"] for one in memory.conversations.values()] == [1]
    assert len(memory.messages) == 1


def test_two_that_came_to_be_at_the_same_time_become_one_with_the_next_status(memory):
    other = Memory()
    other.run(unsigned("sent"))
    memory.run(result())
    memory.messages.update(other.messages)
    events, _ = memory.run(unsigned("delivered"))
    assert [event.data.status for event in told(events)] == ["delivered", "sent"]
    assert list(memory.messages) == [OURS]


@pytest.mark.parametrize(
    ("number", "owners"),
    [("555000111222333", BOT | {"555000111222333": "bot"}), (NUMBER, {NUMBER: "heir"}), (NUMBER, {})],
    ids=["another number", "another account", "no account"],
)
def test_what_came_on_another_number_or_for_another_account_is_not_taken(memory, number, owners):
    memory.run(unsigned("read", number=number), chatbots=owners)
    memory.run(result())
    assert len(memory.messages) == 2
    assert memory.messages[OURS]["deliveryStatus"] == "accepted"


def test_a_price_that_was_told_before_and_after_is_one(memory):
    _, before = memory.run(unsigned("sent", pricing=PRICING))
    memory.run(result())
    _, after = memory.run(unsigned("delivered", pricing=PRICING))
    assert [one["kind"] for one in before.usage] == ["pricing"]
    assert not after.usage
    assert not after.usage_again


def test_the_price_of_a_stand_in_is_found_again_by_the_time_at_which_that_was_created(memory):
    memory.ordered_since = NOW
    _, before = memory.run(unsigned("sent", pricing=PRICING), now=NOW + timedelta(seconds=1))
    (stand_in,) = memory.messages.values()
    del stand_in["statuses"][0]["priced"]
    memory.run(result(), now=NOW + timedelta(hours=1))
    _, after = memory.run(unsigned("delivered", pricing=PRICING), now=NOW + timedelta(hours=2))
    assert [one["_id"] for one in after.usage_again] == [one["_id"] for one in before.usage]


def test_a_price_that_an_earlier_version_logged_before_keeps_its_id(memory):
    _, before = memory.run(unsigned("sent", pricing=PRICING))
    (stand_in,) = memory.messages.values()
    del stand_in["statuses"][0]["priced"]
    memory.run(result())
    _, after = memory.run(unsigned("delivered", pricing=PRICING))
    assert not after.usage
    assert [one["_id"] for one in after.usage_again] == [one["_id"] for one in before.usage]


def test_it_costs_no_look_up_of_its_own():
    keys = keys_of([read(result()), read(status("sent"))], BOT)
    assert not keys.wamids
    assert len(keys.message_ids) == 2  # the message, and what may stand in for it
    assert keys_of([read(unsigned("sent"))], BOT).wamids == {"wamid.OUT1"}


class Strict(Memory):
    """Knows no more than the store would look up, and has the store's unique keys."""

    def run(self, *records, chatbots=BOT):
        keys = keys_of([read(record) for record in records], chatbots)
        all_messages, all_conversations = self.messages, self.conversations
        self.messages = {key: one for key, one in all_messages.items() if self.is_wanted(key, one, keys)}
        self.conversations = {
            key: one for key, one in all_conversations.items() if keys.aliases & set(one.get("aliases", ()))
        }
        events, done = super().run(*records, chatbots=chatbots)
        gone = {message.document["_id"] for message in done.working.absorbed}
        new = [message.document["_id"] for message in done.working.messages.values() if message.new]
        assert not (set(new) - gone) & set(all_messages), "a message is written anew that is there"
        made = [one.document["_id"] for one in done.working.conversations.values() if one.new and not one.merged_into]
        assert not set(made) & set(all_conversations), "a conversation is made that is there"
        self.messages = {key: one for key, one in all_messages.items() if key not in gone} | self.messages
        self.conversations = all_conversations | self.conversations
        return events, done

    @staticmethod
    def is_wanted(key, message, keys):
        wamids = {message.get("wamid"), *message.get("otherWamids", ())}
        return key in keys.message_ids or bool(keys.wamids & wamids)


OTHER_NUMBER = "555000111222333"
OWNERS = [{NUMBER: "bot"}, {NUMBER: "bot", OTHER_NUMBER: "bot"}, {}, {NUMBER: "heir"}]
CONTACTS = [ADA, None, Contact(wa_id="491510000001"), Contact(user_id="DE.1001"), Contact(group_id="g1")]


def anything(chance):
    wamid, contact = chance.choice(["wamid.1", "wamid.2", "wamid.3"]), chance.choice(CONTACTS)
    number, message_id = chance.choice([NUMBER, NUMBER, OTHER_NUMBER]), chance.choice(["m1", "m2"])
    match chance.randint(0, 5):
        case 0 | 1:
            kind = chance.choice([sends.ACCEPTED, sends.ACCEPTED, sends.IN_DOUBT, sends.FAILED])
            return result(kind, message_id, wamid, to=chance.choice(["+491510000001", "DE.1001"]), contact=contact)
        case 2:
            return message(wamid, contact=contact or Contact(), number=number)
        case _:
            word, ours = chance.choice(["sent", "delivered", "read", "failed"]), chance.random() < 0.4
            return status(word, wamid, message_id, contact=contact, number=number, ours=ours)


@pytest.mark.parametrize("seed", range(150))
def test_no_batch_writes_anew_what_is_there_whatever_names_whatever(seed):
    """It would meet the key of the store each time it is tried, and fail for good."""
    chance, memory = random.Random(seed), Strict()
    for _ in range(14):
        memory.run(*(anything(chance) for _ in range(chance.randint(1, 3))), chatbots=chance.choice(OWNERS))


def test_a_send_that_meta_took_twice_is_found_by_either_wamid(memory):
    memory.run(status("sent", "wamid.FIRST"))
    memory.run(result(attempts=2))
    for wamid in ("wamid.FIRST", "wamid.OUT1"):
        (event,), _ = memory.run(unsigned("delivered", wamid=wamid))
        assert told([event])[0].data.message_id == "m1"
    assert list(memory.messages) == [OURS]
