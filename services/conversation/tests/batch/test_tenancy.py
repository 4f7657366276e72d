"""One tenant's webhooks change, show and stop nothing of another's (P8), whatever they name."""

import itertools

import pytest
from conversation_builders import ADA, CALLBACKS, NOW, NUMBER, Memory, again, message, result, status

from common.contracts import sends, topics
from common.contracts.contacts import Contact
from common.contracts.envelope import decode, decoder
from common.contracts.ids import journal_id, outbound_message_id
from common.contracts.messages import IncomingMessage, MessageStatus
from common.security.callbacks import Callbacks
from common.security.digests import DigestKeys
from conversation.batch.core import plan
from conversation.batch.facts import read as read_fact
from conversation.batch.outbound import MAX_OTHER_WAMIDS, MAX_STATUSES
from conversation.batch.working_set import MAX_ALIASES, Known

MALLORY = "106540352249999"
BOTH = {NUMBER: "bot", MALLORY: "mallory"}
OURS = journal_id("bot", "m1")
SIGNED_FOR_US = CALLBACKS.data_of(OURS, NUMBER)
WORDS = ("sent", "delivered", "read", "played", "failed")
incoming_decoder, status_decoder = decoder(IncomingMessage), decoder(MessageStatus)


@pytest.fixture
def memory():
    return Memory()


def forged(word, callback=SIGNED_FOR_US, wamid="wamid.MALLORY", **more):
    """A status that Meta signs for Mallory's number and that names our send."""
    return status(word, wamid=wamid, number=MALLORY, ours=False, biz_opaque_callback_data=callback, **more)


NAMES = {
    "computed": f"wce:{OURS}",
    "made up": f"wce:{OURS}.test.{'0' * 32}",
    "copied": SIGNED_FOR_US,
    "of an own send": CALLBACKS.data_of(journal_id("mallory", "m1"), MALLORY).replace(
        journal_id("mallory", "m1"), OURS
    ),
}


def told(events):
    return [decode(status_decoder, event.value).data for event in events if event.topic == topics.MESSAGE_STATUS.name]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("callback", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("kind", [sends.ACCEPTED, sends.FAILED, sends.IN_DOUBT, sends.CANCELLED])
def test_a_status_on_another_number_changes_nothing_of_a_send(memory, kind, callback, word):
    memory.run(result(kind), chatbots=BOTH)
    before, ours = dict(memory.messages[OURS]), dict(memory.conversations)
    events, _ = memory.run(forged(word, callback), forged(word, callback, wamid="wamid.OUT1"), chatbots=BOTH)
    assert memory.messages[OURS] == before
    assert {key: memory.conversations[key] for key in ours} == ours
    for data in told(events):
        assert (data.chatbot_id, data.phone_number_id) == ("mallory", MALLORY)
        assert (data.journal_id, data.message_id, data.metadata) == (None, None, None)


@pytest.mark.parametrize("callback", NAMES.values(), ids=NAMES)
def test_a_status_that_comes_before_the_send_takes_nothing_of_it(memory, callback):
    memory.run(forged("sent", callback), forged("sent", callback, wamid="wamid.OUT1"), chatbots=BOTH)
    for record, word in ((result(), "accepted"), (status("read"), "read")):
        (data,) = told(memory.run(record, chatbots=BOTH)[0])
        assert (data.chatbot_id, data.message_id, data.delivery_status) == ("bot", "m1", word)
    theirs = [m for m in memory.messages.values() if m["phoneNumberId"] == MALLORY]
    assert {m["chatbotId"] for m in theirs} == {"mallory"}
    assert not any("text" in m or "metadata" in m or "request" in m for m in theirs)
    conversations = {m["conversationId"] for m in theirs}
    assert memory.messages[OURS]["conversationId"] not in conversations


def test_a_genuine_status_still_settles_what_others_have_named(memory):
    memory.run(forged("failed"), chatbots=BOTH)
    memory.run(result(sends.IN_DOUBT), status("sent"), forged("failed"), status("delivered"), chatbots=BOTH)
    assert memory.messages[OURS]["deliveryStatus"] == "delivered"
    assert memory.messages[OURS]["wamid"] == "wamid.OUT1"


def test_one_wamid_on_two_numbers_is_two_messages(memory):
    """Meta's wamids are unique, but a tenant who sees one may have it named on a number of their own, and first."""
    theirs = message("wamid.IN1", text="mine", number=MALLORY, contact=Contact(wa_id="15550001111"))
    first, _ = memory.run(theirs, chatbots=BOTH)
    second, _ = memory.run(message("wamid.IN1"), again(theirs), chatbots=BOTH)
    told_us = [decode(incoming_decoder, event.value) for event in (*first, *second)]
    assert [(event.data.chatbot_id, event.data.text) for event in told_us] == [("mallory", "mine"), ("bot", "Hello")]
    assert len({event.id for event in told_us}) == len({event.data.message_id for event in told_us}) == 2


@pytest.mark.parametrize("order", list(itertools.permutations([NUMBER, MALLORY])))
def test_a_status_of_another_system_s_message_stays_on_its_number(memory, order):
    for number in order:
        memory.run(status("sent", wamid="wamid.X", number=number, ours=False), chatbots=BOTH)
    memory.run(status("failed", wamid="wamid.X", number=MALLORY, ours=False), chatbots=BOTH)
    assert memory.messages[outbound_message_id(NUMBER, "bot", "wamid.X")]["deliveryStatus"] == "sent"
    assert memory.messages[outbound_message_id(MALLORY, "mallory", "wamid.X")]["deliveryStatus"] == "failed"


def test_a_status_never_lands_on_a_customer_s_message(memory):
    memory.run(message("wamid.IN1"), status("failed", wamid="wamid.IN1", ours=False))
    (inbound,) = [m for m in memory.messages.values() if m["direction"] == "inbound"]
    assert "deliveryStatus" not in inbound
    assert len(memory.messages) == 2


def test_a_status_without_callback_data_finds_our_message_by_its_wamid(memory):
    memory.run(result())
    (event,), _ = memory.run(status("read", ours=False))
    assert memory.messages[OURS]["deliveryStatus"] == "read"
    assert len(memory.messages) == 1
    assert told([event])[0].message_id == "m1"
    assert told([event])[0].journal_id is None  # it cannot settle a doubt, because it is not signed


# A number that goes to another account


def test_history_stays_with_the_account_that_had_the_number(memory):
    memory.run(message("wamid.1", text="for bot"), chatbots={NUMBER: "bot"})
    (event,), _ = memory.run(message("wamid.2", text="for heir"), chatbots={NUMBER: "heir"})
    assert decode(incoming_decoder, event.value).data.chatbot_id == "heir"
    owners = {m["text"]: m["chatbotId"] for m in memory.messages.values()}
    assert owners == {"for bot": "bot", "for heir": "heir"}
    threads = {m["chatbotId"]: m["conversationId"] for m in memory.messages.values()}
    assert threads["bot"] != threads["heir"]
    assert {c["_id"]: c["chatbotId"] for c in memory.conversations.values()} == {
        threads["bot"]: "bot",
        threads["heir"]: "heir",
    }


def test_the_first_account_has_its_conversation_again_when_it_has_the_number_again(memory):
    for wamid, owner in (("wamid.1", "bot"), ("wamid.2", "heir"), ("wamid.3", "bot")):
        memory.run(message(wamid), chatbots={NUMBER: owner})
    assert sorted(c["inboundCount"] for c in memory.conversations.values()) == [1, 2]


def test_what_came_before_the_number_had_an_account_belongs_to_no_account(memory):
    memory.run(message("wamid.1"), chatbots={})
    memory.run(message("wamid.2"), chatbots={NUMBER: "bot"})
    assert [m.get("chatbotId") for m in memory.messages.values()] == [None, "bot"]
    assert [c.get("chatbotId") for c in memory.conversations.values()] == [None, "bot"]


def test_meta_s_repetition_after_the_number_has_gone_is_not_told_to_its_heir(memory):
    record = message()
    memory.run(record, chatbots={NUMBER: "bot"})
    events, _ = memory.run(again(record), chatbots={NUMBER: "heir"})
    assert events == []


def test_a_late_status_of_our_send_is_ours_after_the_number_has_gone(memory):
    memory.run(result(), chatbots={NUMBER: "bot"})
    events, _ = memory.run(status("read"), chatbots={NUMBER: "heir"})
    (data,) = told(events)
    assert (data.chatbot_id, data.message_id, data.delivery_status) == ("bot", "m1", "read")
    assert {c["chatbotId"] for c in memory.conversations.values()} == {"bot"}


def test_an_heir_s_status_by_wamid_alone_does_not_reach_what_was_sent_before(memory):
    memory.run(result(), chatbots={NUMBER: "bot"})
    events, _ = memory.run(status("failed", ours=False), chatbots={NUMBER: "heir"})
    assert memory.messages[OURS]["deliveryStatus"] == "accepted"
    assert [(data.chatbot_id, data.message_id) for data in told(events)] == [("heir", None)]


def test_a_message_that_a_status_of_before_put_into_another_s_thread_goes_home(memory):
    """As versions that did not sign left it: a status made the document, and the send filled it."""
    memory.run(forged("sent"), chatbots=BOTH)
    (theirs,) = memory.messages.values()
    memory.messages = {OURS: {**theirs, "_id": OURS}}
    memory.run(result(), chatbots=BOTH)
    stored = memory.messages[OURS]
    assert (stored["chatbotId"], stored["phoneNumberId"], stored["text"]) == ("bot", NUMBER, "Hi")
    assert stored["conversationId"] != theirs["conversationId"]
    (home,) = [c for c in memory.conversations.values() if c["_id"] == stored["conversationId"]]
    assert home["chatbotId"] == "bot"


# What Meta can repeat without end


def test_the_history_of_one_message_ends_and_its_state_goes_on(memory):
    memory.run(result(), *(status(f"word-{number}") for number in range(MAX_STATUSES + 50)))
    assert len(memory.messages[OURS]["statuses"]) == MAX_STATUSES
    events, _ = memory.run(status("read"))
    assert (events, memory.messages[OURS]["deliveryStatus"]) == ([], "read")


def test_the_wamids_of_one_send_end(memory):
    memory.run(result(), *(status("sent", wamid=f"wamid.{number}") for number in range(MAX_OTHER_WAMIDS + 10)))
    assert len(memory.messages[OURS]["otherWamids"]) == MAX_OTHER_WAMIDS


def test_the_aliases_of_one_person_end_with_the_newest(memory):
    for number in range(MAX_ALIASES + 30):
        known = Contact(user_id=ADA.user_id, wa_id=str(491510000000 + number))
        memory.run(message(f"wamid.{number}", contact=known))
    (conversation,) = memory.conversations.values()
    assert len(conversation["aliases"]) == MAX_ALIASES
    assert conversation["aliases"][-1] == f"{NUMBER}|p:{491510000000 + MAX_ALIASES + 29}"


def test_data_that_an_earlier_version_did_not_sign_speaks_of_its_own_number_alone(memory):
    """While an upgrade accepts such data, the number is still compared with that of the message."""
    accepting = Callbacks(DigestKeys({"test": b"c" * 32}, "test"), unsigned=True)
    memory.run(result())
    before = dict(memory.messages[OURS])
    for number, record in (
        (MALLORY, forged("failed", f"wce:{OURS}")),
        (NUMBER, status("read", ours=False, biz_opaque_callback_data=f"wce:{OURS}")),
    ):
        fact = read_fact(record, accepting)
        assert fact.journal_id == OURS
        known = Known({key: memory.copy(message) for key, message in memory.messages.items()})
        working = plan([fact], known, BOTH, NOW).working
        changed = working.messages[OURS].document != before
        assert changed == (number == NUMBER)


def test_conversations_of_two_accounts_have_different_ids_where_neither_knows_of_the_other():
    """Two processes take a number's messages up at one moment, before and after the number has another account."""
    fact = read_fact(message(), CALLBACKS)
    first, second = (
        {*plan([fact], Known(), {NUMBER: owner}, NOW).working.conversations} for owner in ("bot", "mallory")
    )
    assert first
    assert first.isdisjoint(second)
