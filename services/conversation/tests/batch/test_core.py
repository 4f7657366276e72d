"""The plan of a batch: what is written, what is published."""

import itertools
from datetime import timedelta

import msgspec
import pytest
from conversation_builders import ADA, NOW, NUMBER, FakeRecord, Memory, again, message, read, result, status, webhook
from hypothesis import given
from hypothesis import strategies as st

from common.contracts import sends, topics, webhooks
from common.contracts.contacts import Contact
from common.contracts.envelope import decode, decoder
from common.contracts.ids import derive_id, journal_id, outbound_message_id
from common.contracts.messages import IncomingMessage, MessageStatus
from common.kafka.wire.unreadable import Unreadable
from conversation.batch.facts import Poison
from conversation.batch.statuses import RANKS, advance

OURS = journal_id("bot", "m1")
incoming_decoder, status_decoder = decoder(IncomingMessage), decoder(MessageStatus)


@pytest.fixture
def memory():
    return Memory()


@pytest.mark.feature("incoming")
def test_a_message_is_stored_and_published_with_its_words(memory):
    (event,), done = memory.run(message(text="Hello", context={"id": "wamid.BEFORE"}))
    data = decode(incoming_decoder, event.value).data
    assert (data.text, data.reply_to, data.chatbot_id) == ("Hello", "wamid.BEFORE", "bot")
    assert event.key == data.conversation_id
    assert msgspec.json.decode(data.message)["text"] == {"body": "Hello"}
    (stored,) = memory.messages.values()
    assert (stored["wamid"], stored["direction"], stored["conversationId"]) == (
        "wamid.IN1",
        "inbound",
        data.conversation_id,
    )
    assert done.webhook_events[0]["wamid"] == "wamid.IN1"


def test_a_replay_publishes_again_with_the_same_id_and_meta_s_repetition_does_not(memory):
    record = message()
    (first,), _ = memory.run(record)
    (replayed,), _ = memory.run(record)
    repeated, done = memory.run(again(record))
    assert decode(incoming_decoder, replayed.value).id == decode(incoming_decoder, first.value).id
    assert repeated == []
    assert len(done.webhook_events) == 1  # the repetition is in the webhook log all the same
    (conversation,) = memory.conversations.values()
    assert conversation["inboundCount"] == 1


def test_two_deliveries_in_one_batch_publish_once(memory):
    record = message()
    events, _ = memory.run(record, again(record))
    assert len(events) == 1


@pytest.mark.feature("automatic conversation")
def test_messages_of_one_person_make_one_conversation(memory):
    events, _ = memory.run(message("wamid.1"), message("wamid.2"), message("wamid.3", contact=Contact(wa_id="49151")))
    keys = [event.key for event in events]
    assert keys[0] == keys[1] != keys[2]
    assert sorted(c["inboundCount"] for c in memory.conversations.values()) == [1, 2]


def test_a_phone_number_and_a_bsuid_that_turn_out_to_be_one_person_are_merged(memory):
    memory.run(message("wamid.1", contact=Contact(wa_id="491510000001")))
    memory.run(message("wamid.2", contact=Contact(user_id="DE.1001")))
    assert len(memory.conversations) == 2
    (event,), done = memory.run(message("wamid.3"))
    ((winner, loser),) = done.working.merges
    assert f"{NUMBER}|u:DE.1001" in winner.document["aliases"]
    assert f"{NUMBER}|p:491510000001" in winner.document["aliases"]
    assert event.key == winner.id == loser.id
    assert winner.document["inboundCount"] == 3


def test_a_changed_user_id_stays_in_its_conversation(memory):
    (before,), _ = memory.run(message("wamid.1", contact=Contact(user_id="DE.1")))
    system = {"type": "user_changed_user_id", "body": "changed", "user_id": "DE.2", "previous_user_id": "DE.1"}
    raw = {"id": "wamid.2", "type": "system", "timestamp": "1793525400", "system": system}
    memory.run(webhook(webhooks.MESSAGE, raw, contact=Contact(user_id="DE.1"), wamid="wamid.2"))
    (after,), _ = memory.run(message("wamid.3", contact=Contact(user_id="DE.2")))
    assert after.key == before.key


def test_a_number_without_an_account_still_has_its_messages_published(memory):
    (event,), _ = memory.run(message(), chatbots={})
    assert decode(incoming_decoder, event.value).data.chatbot_id is None


@pytest.mark.feature("incoming")
def test_what_comes_in_for_a_deactivated_account_is_kept_and_not_published_even_after_it_is_active_again(memory):
    record = message("wamid.1", text="Anybody?")
    assert memory.run(record, deactivated={NUMBER})[0] == []
    (kept,) = memory.messages.values()
    assert (kept["text"], kept["published"], kept["chatbotId"]) == ("Anybody?", False, "bot")
    assert memory.run(record)[0] == []  # a replay, after a crash, with the account active again
    assert memory.run(again(record))[0] == []
    assert len(memory.run(message("wamid.2"))[0]) == 1
    assert len(memory.run(status("sent"), deactivated={NUMBER})[0]) == 1  # producers are told of what they have sent


def test_what_was_taken_before_a_deactivation_is_published_by_its_replay(memory):
    record = message()
    memory.run(record)
    assert len(memory.run(record, deactivated={NUMBER})[0]) == 1
    assert len(memory.run(message("wamid.2"), deactivated={"another number"})[0]) == 1


WORDS = ("sent", "delivered", "read", "played", "failed")


@pytest.mark.feature("status tracking")
@pytest.mark.parametrize("order", list(itertools.permutations(["accepted", "sent", "delivered", "read", "failed"])))
def test_every_order_of_arrival_ends_the_same(order):
    memory = Memory()
    for word in order:
        memory.run(result() if word == "accepted" else status(word))
    document = memory.messages[OURS]
    assert document["deliveryStatus"] == "read"
    assert document["wamid"] == "wamid.OUT1"
    assert document["text"] == "Hi"
    assert len(document["statuses"]) == len(order)
    assert len(memory.conversations) == 1


@st.composite
def arrivals(draw):
    """All facts about three messages (ours, one that another system sent, one to a group), some of them several times,
    in any order, cut into batches anywhere."""
    ours = [result(), *(status(word) for word in WORDS)]
    theirs = [status(word, wamid="wamid.THEIRS", ours=False) for word in WORDS]
    group = [
        status(word, wamid="wamid.GROUP", message_id="g1", recipient_participant_user_id=who)
        for word in ("sent", "delivered", "read")
        for who in ("DE.1", "DE.2", "DE.3")
    ]
    facts = [*ours, *theirs, *group]
    repeated = draw(st.lists(st.sampled_from(facts), max_size=10))
    records = draw(st.permutations([*facts, *map(again, repeated)]))
    cuts = sorted(draw(st.sets(st.integers(1, len(records) - 1), max_size=6)))
    return [records[start:end] for start, end in itertools.pairwise([0, *cuts, len(records)])]


@pytest.mark.feature("status tracking")
@given(arrivals())
def test_whatever_order_statuses_come_in_the_end_is_the_same_and_each_is_told_once_by_its_name(batches):
    memory, told = Memory(), []
    for batch in batches:
        events, _ = memory.run(*batch)
        told += [decode(status_decoder, event.value) for event in events]
    ours = memory.messages[OURS]
    theirs = memory.messages[outbound_message_id(NUMBER, "bot", "wamid.THEIRS")]
    group = memory.messages[journal_id("bot", "g1")]
    assert [m["deliveryStatus"] for m in (ours, theirs, group)] == ["played", "played", "read"]
    assert [len(m["statuses"]) for m in (ours, theirs, group)] == [6, 5, 9]
    assert (ours["wamid"], ours["text"]) == ("wamid.OUT1", "Hi")
    assert len({event.id for event in told}) == len(told)
    # Of ours, what was told before the result had its `messageId` is told once more with it.
    named = [event.data.status for event in told if event.data.message_id == "m1"]
    assert sorted(named) == sorted(["accepted", *WORDS])
    assert len({(e.data.journal_id, e.data.wamid, e.data.status) for e in told if e.data.wamid != "wamid.GROUP"}) == 11
    assert sum(event.data.wamid == "wamid.GROUP" for event in told) == 9


@given(st.lists(st.sampled_from([*WORDS, "deleted", "warning"]), min_size=1, max_size=8))
def test_delivery_status_never_goes_backwards_whatever_comes(words):
    memory, state = Memory(), 0
    for word in words:
        memory.run(status(word))
        rank = RANKS.get(memory.messages[OURS]["deliveryStatus"], 0)
        assert rank >= state
        state = rank
    assert state == max(RANKS.get(word, 0) for word in words)


def test_advance_trusts_delivered_over_failed_and_ignores_unknown_words():
    assert advance("failed", "delivered") == "delivered"
    assert advance("delivered", "failed") == "delivered"
    assert advance("sent", "deleted") == "sent"
    assert advance(None, "deleted") == "unknown"


def test_a_repeated_status_is_published_once_and_a_replayed_one_again(memory):
    record = status("sent")
    (first,), _ = memory.run(record)
    (replayed,), _ = memory.run(record)
    repeated, _ = memory.run(again(record))
    assert decode(status_decoder, first.value).id == decode(status_decoder, replayed.value).id
    assert repeated == []


def test_a_status_before_its_message_is_published_at_once_with_the_journal_id(memory):
    (event,), _ = memory.run(status("sent"))
    data = decode(status_decoder, event.value).data
    assert (data.journal_id, data.status, data.wamid) == (OURS, "sent", "wamid.OUT1")
    events, _ = memory.run(result())
    for event, word in zip(events, ("accepted", "sent"), strict=True):
        data = decode(status_decoder, event.value).data
        assert (data.status, data.delivery_status, data.message_id) == (word, "sent", "m1")
        assert data.metadata == {"orderId": 17}


def test_a_status_of_a_message_that_another_system_sent_is_kept(memory):
    memory.run(status("delivered", wamid="wamid.THEIRS", ours=False, biz_opaque_callback_data="their-own"))
    document = memory.messages[outbound_message_id(NUMBER, "bot", "wamid.THEIRS")]
    assert (document["deliveryStatus"], document["direction"]) == ("delivered", "outbound")


def test_a_failed_status_without_a_contact_finds_its_message(memory):
    memory.run(result())
    error = {"code": 131026, "title": "Undeliverable", "error_data": {"details": "no WhatsApp"}}
    (event,), _ = memory.run(status("failed", contact=None, errors=[error]))
    data = decode(status_decoder, event.value).data
    assert (data.error.code, data.error.details, data.delivery_status) == (131026, "no WhatsApp", "failed")
    assert data.conversation_id == memory.messages[OURS]["conversationId"]


def test_group_statuses_are_kept_for_each_participant(memory):
    events, _ = memory.run(
        status("delivered", recipient_participant_user_id="DE.1"),
        status("delivered", recipient_participant_user_id="DE.2"),
    )
    assert len(events) == 2
    assert {entry["participant"] for entry in memory.messages[OURS]["statuses"]} == {"DE.1", "DE.2"}


def test_a_second_wamid_of_one_send_is_noted(memory):
    memory.run(result(), status("sent", wamid="wamid.LATE"))
    assert memory.messages[OURS]["wamid"] == "wamid.OUT1"
    assert memory.messages[OURS]["otherWamids"] == ["wamid.LATE"]


@pytest.mark.parametrize(
    ("kind", "word"), [(sends.FAILED, "failed"), (sends.EXPIRED, "expired"), (sends.IN_DOUBT, "in_doubt")]
)
def test_results_that_are_not_success_are_told(memory, kind, word):
    (event,), _ = memory.run(result(kind))
    data = decode(status_decoder, event.value).data
    assert (data.status, data.delivery_status, data.error.code) == (word, word, 131026)


def test_what_waits_is_told_each_time_that_it_is_put_off_and_accepted_in_the_end(memory):
    waits = [result(sends.QUEUED, attempts=0, due=NOW + timedelta(minutes=n)) for n in (1, 2)]
    events, _ = memory.run(*waits, again(waits[0]), result(sends.IN_DOUBT), result())
    told = [decode(status_decoder, event.value).data for event in events]
    assert [data.status for data in told] == ["queued", "queued", "in_doubt", "accepted"]
    assert [data.due for data in told[:2]] == [NOW + timedelta(minutes=n) for n in (1, 2)]
    assert told[0].error.code == 131026
    assert memory.messages[OURS]["deliveryStatus"] == "accepted"


def test_meta_s_reason_has_our_name_too(memory):
    (event,), _ = memory.run(status("failed", errors=[{"code": 131026, "title": "Message undeliverable"}]))
    error = decode(status_decoder, event.value).data.error
    assert (error.code, error.reason, error.title) == (131026, "undeliverable", "Message undeliverable")
    (event,), _ = memory.run(status("failed", wamid="wamid.OTHER", errors=[{"code": 7, "title": "New"}]))
    assert decode(status_decoder, event.value).data.error.reason is None


def test_in_doubt_is_settled_by_a_status(memory):
    memory.run(result(sends.IN_DOUBT), status("sent"), result(attempts=2))
    assert memory.messages[OURS]["deliveryStatus"] == "sent"


def test_a_read_mark_is_told_and_not_kept(memory):
    (event,), _ = memory.run(result(body={"type": "read", "message_id": "wamid.IN1"}))
    assert decode(status_decoder, event.value).data.status == "accepted"
    assert memory.messages == {}


@pytest.mark.feature("usage log")
def test_usage_is_logged_per_send_and_per_pricing(memory):
    pricing = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "service"}
    _, sent = memory.run(result(), status("sent", pricing=pricing))
    _, read_ = memory.run(status("read", pricing=pricing))
    assert [u["kind"] for u in sent.usage] == ["send", "pricing"]
    assert (sent.usage[1]["category"], sent.usage[1]["day"]) == ("service", "2026-11-01")
    assert not sent.usage_again
    assert not read_.usage_again
    assert not read_.usage  # Meta repeats the pricing: the history says that it is logged


def test_what_an_earlier_version_may_have_logged_is_logged_with_the_same_ids_again(memory):
    pricing = {"category": "service"}
    accepted = result()
    _, sent = memory.run(accepted, status("sent", pricing=pricing))
    for entry in memory.messages[OURS]["statuses"]:
        entry.pop("priced", None)
    _, later = memory.run(accepted, status("read", pricing=pricing))
    assert not later.usage
    assert [one["_id"] for one in later.usage_again] == [one["_id"] for one in sent.usage]
    _, last = memory.run(status("played", pricing=pricing))
    assert not last.usage
    assert not last.usage_again


def test_usage_of_what_is_created_later_has_ids_in_order(memory):
    pricing = {"category": "service"}
    memory.ordered_since = NOW
    batch = [result(), status("sent", pricing=pricing)]
    _, done = memory.run(*batch, now=NOW + timedelta(seconds=1))
    first = [one["_id"] for one in done.usage]
    _, later = memory.run(result(message_id="m2", wamid="wamid.OUT2"), now=NOW + timedelta(minutes=5))
    assert [one[14] for one in first] == ["8", "8"]
    assert max(first) < later.usage[0]["_id"]
    earlier = Memory()
    earlier.ordered_since = NOW
    _, before = earlier.run(*batch, now=NOW - timedelta(seconds=1))
    assert [one["_id"] for one in before.usage] == [
        derive_id("usage", "send", OURS),
        derive_id("usage", "pricing", f"{OURS}|wamid.OUT1"),
    ]


def test_a_price_is_found_again_by_the_time_at_which_its_message_was_created(memory):
    memory.ordered_since = NOW
    _, sent = memory.run(result(), status("sent", pricing={"category": "service"}), now=NOW + timedelta(seconds=1))
    for entry in memory.messages[OURS]["statuses"]:
        entry.pop("priced", None)
    _, later = memory.run(status("read", pricing={"category": "service"}), now=NOW + timedelta(hours=1))
    assert [one["_id"] for one in later.usage_again] == [sent.usage[1]["_id"]]


def test_a_price_that_comes_late_is_logged(memory):
    memory.run(result(), status("sent"))
    _, later = memory.run(status("delivered", pricing={"category": "service"}))
    assert [one["kind"] for one in later.usage_again] == ["pricing"]


@pytest.mark.feature("webhook log")
def test_every_record_of_meta_is_in_the_webhook_log(memory):
    change = webhook(webhooks.CHANGE, {"event": "PIN_CHANGED"})
    _, done = memory.run(message(), status("sent"), change)
    assert [entry["type"] for entry in done.webhook_events] == [webhooks.MESSAGE, webhooks.STATUS, webhooks.CHANGE]
    assert "PIN_CHANGED" in done.webhook_events[2]["raw"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        b"not json",
        b"\xff",
        message().value.replace(b"webhook.message", b"webhook.telegram"),
        webhook(webhooks.MESSAGE, {"type": "text"}).value,  # no id
        webhook(webhooks.MESSAGE, ["not", "an", "object"]).value,
    ],
)
def test_a_record_that_is_not_understood_is_poison_with_a_reason(value):
    poison = read(FakeRecord(value))
    assert isinstance(poison, Poison)
    assert poison.reason
    assert poison.code


@pytest.mark.parametrize("topic", [topics.WEBHOOKS.name, topics.SEND_RESULTS.name])
def test_what_cannot_be_read_is_poison_with_its_batch_and_the_reason(topic):
    good = message("wamid.1").value
    lost = Unreadable(topic, 3, 9, 0, 0, None, good, None, -1, len(good), (), 7, "BadGzipFile: no")
    poison = read(lost)
    assert isinstance(poison, Poison)
    assert (poison.record.value, poison.code) == (good, "unreadable")
    assert poison.reason == "records 7 to 9 cannot be read: BadGzipFile: no"


def test_a_message_of_a_shape_we_do_not_know_has_no_words_and_goes_on(memory):
    raw = {"id": "wamid.N", "type": "hologram", "timestamp": "1793525400", "text": "not an object", "hologram": {}}
    (event,), _ = memory.run(webhook(webhooks.MESSAGE, raw, contact=ADA, wamid="wamid.N"))
    data = decode(incoming_decoder, event.value).data
    assert (data.message_type, data.text) == ("hologram", None)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({"type": "image", "image": {"id": "1", "caption": "A dog"}}, "A dog"),
        ({"type": "audio", "audio": {"id": "1"}}, None),
        ({"type": "button", "button": {"payload": "p", "text": "Yes"}}, "Yes"),
        (
            {
                "type": "interactive",
                "interactive": {"type": "button_reply", "button_reply": {"id": "1", "title": "OK"}},
            },
            "OK",
        ),
        (
            {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": {"id": "1", "title": "Row"}}},
            "Row",
        ),
        ({"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": {"body": "Sent"}}}, "Sent"),
        ({"type": "reaction", "reaction": {"message_id": "wamid.X", "emoji": "👍"}}, "👍"),
        ({"type": "reaction", "reaction": {"message_id": "wamid.X"}}, None),
        ({"type": "location", "location": {"latitude": 1, "longitude": 2, "name": "Home"}}, "Home"),
        ({"type": "order", "order": {"catalog_id": "1", "text": "Two please", "product_items": []}}, "Two please"),
        ({"type": "system", "system": {"body": "Ada changed", "type": "user_changed_number"}}, "Ada changed"),
        ({"type": "unsupported", "errors": [{"code": 131051}]}, None),
        ({"type": "text", "text": {"body": "caf\u00e9 👋"}}, "café 👋"),
    ],
)
def test_the_words_of_every_type(memory, raw, text):
    (event,), _ = memory.run(webhook(webhooks.MESSAGE, {"id": "wamid.T", **raw}, contact=ADA, wamid="wamid.T"))
    assert decode(incoming_decoder, event.value).data.text == text


def test_what_meta_does_with_a_message_that_it_accepted_is_told_and_kept(memory):
    (event,), _ = memory.run(result(message_status="held_for_quality_assessment"))
    assert decode(status_decoder, event.value).data.message_status == "held_for_quality_assessment"
    (event,), _ = memory.run(status("delivered"))
    assert decode(status_decoder, event.value).data.message_status is None  # it is on its way now
    assert memory.messages[OURS]["messageStatus"] == "held_for_quality_assessment"


def test_another_content_under_the_id_of_a_send_is_told_and_changes_no_message(memory):
    memory.run(result(message_id="m1"))
    (before,) = [memory.copy(document) for document in memory.messages.values()]
    events, _ = memory.run(result(sends.DUPLICATE, "m1", body="another text", to="+491519999999"))
    (after,) = memory.messages.values()
    (told,) = [msgspec.json.decode(event.value)["data"] for event in events]
    assert (told["status"], told["deliveryStatus"], told["messageId"]) == ("duplicate", "accepted", "m1")
    assert {name for name in after if after[name] != before.get(name)} == {"statuses"}
    assert len(memory.conversations) == 1
    assert memory.run(result(sends.DUPLICATE, "unheard-of"))[0] == []
