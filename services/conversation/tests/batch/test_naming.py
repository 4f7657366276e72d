"""A status that overtakes the results of its send is told once more when a result has named the send."""

import itertools

import pytest
from conversation_builders import BOT, NUMBER, Memory, again, result, status
from hypothesis import given
from hypothesis import strategies as st

from common.contracts import sends
from common.contracts.envelope import decode, decoder
from common.contracts.ids import journal_id
from common.contracts.messages import MessageStatus
from conversation.batch.outbound import MAX_STATUSES
from conversation.read_api.views import message_view

OURS = journal_id("bot", "m1")
FAILURE = {"errors": [{"code": 131026, "title": "Undeliverable"}]}
_status = decoder(MessageStatus)

pytestmark = pytest.mark.feature("status tracking")


@pytest.fixture
def memory():
    return Memory()


def told(events):
    return [decode(_status, event.value) for event in events]


def seen(word, **more):
    return status(word, **(FAILURE if word == "failed" else {}), **more)


@pytest.mark.parametrize("word", ["sent", "delivered", "read", "failed"])
def test_a_status_before_the_result_is_told_again_with_the_names_of_its_send(memory, word):
    (first,) = told(memory.run(seen(word))[0])
    assert (first.data.journal_id, first.data.message_id, first.data.metadata) == (OURS, None, None)
    accepted, second = told(memory.run(result())[0])
    assert (accepted.data.status, accepted.data.message_id) == ("accepted", "m1")
    data = second.data
    assert (data.status, data.delivery_status, data.wamid) == (word, word, "wamid.OUT1")
    assert (data.journal_id, data.message_id, data.metadata) == (OURS, "m1", {"orderId": 17})
    assert (data.timestamp, data.error) == (first.data.timestamp, first.data.error)
    assert second.occurred_at == first.occurred_at
    # Who knows events by their ids takes both.
    assert len({first.id, accepted.id, second.id}) == 3


def test_all_that_came_before_are_told_again_in_their_order(memory):
    memory.run(seen("sent"), seen("delivered"))
    memory.run(seen("read"))
    events = told(memory.run(result())[0])
    assert [event.data.status for event in events] == ["accepted", "sent", "delivered", "read"]
    assert {event.data.message_id for event in events} == {"m1"}
    assert {event.data.delivery_status for event in events} == {"read"}
    assert len({event.id for event in events}) == 4


def test_a_replay_of_the_result_tells_the_same_and_another_result_nothing(memory):
    record = result()
    memory.run(seen("sent"))
    made, _ = memory.run(record)
    memory.run(seen("delivered"))
    replayed, _ = memory.run(record)
    ids = [(event.id, event.data.status) for event in told(made)]
    assert ids == [(event.id, event.data.status) for event in told(replayed)]
    assert len(ids) == 2
    assert memory.run(again(record))[0] == []
    assert [event.data.status for event in told(memory.run(result(sends.FAILED, attempts=2))[0])] == ["failed"]


def test_a_status_whose_result_never_comes_is_told_once(memory):
    record = seen("failed")
    assert len(memory.run(record)[0]) == 1
    assert memory.run(again(record))[0] == []
    assert set(memory.messages) == {OURS}
    assert "named" not in memory.messages[OURS]


def test_before_a_dead_letter_it_has_its_own_wamid_and_no_error_of_the_letter(memory):
    memory.run(seen("sent"))
    failed, sent = told(memory.run(result(sends.FAILED))[0])
    assert (failed.data.status, failed.data.wamid, failed.data.error.code) == ("failed", None, 131026)
    assert (sent.data.status, sent.data.delivery_status, sent.data.message_id) == ("sent", "failed", "m1")
    assert (sent.data.wamid, sent.data.error) == ("wamid.OUT1", None)


def test_the_first_result_of_any_kind_names_it(memory):
    memory.run(seen("sent"))
    waits, sent = told(memory.run(result(sends.QUEUED, due=seen_at()))[0])
    assert (waits.data.status, waits.data.due) == ("queued", seen_at())
    assert (sent.data.status, sent.data.message_id, sent.data.due) == ("sent", "m1", None)
    assert [event.data.status for event in told(memory.run(result())[0])] == ["accepted"]


def seen_at():
    return told(Memory().run(seen("sent"))[0])[0].data.timestamp


def test_of_a_send_that_meta_took_twice_each_status_has_its_wamid(memory):
    memory.run(seen("sent", wamid="wamid.A"), seen("sent", wamid="wamid.B"))
    events = told(memory.run(result(wamid="wamid.B"))[0])
    assert [event.data.wamid for event in events] == ["wamid.B", "wamid.A", "wamid.B"]


def test_what_a_signed_status_took_over_is_told_with_the_names_too(memory):
    memory.run(status("sent", ours=False))
    memory.run(seen("delivered"))
    events = told(memory.run(result())[0])
    assert sorted(event.data.status for event in events) == ["accepted", "delivered", "sent"]
    assert {event.data.message_id for event in events} == {"m1"}


def test_a_duplicate_before_the_result_has_its_names_already(memory):
    memory.run(seen("sent"))
    memory.run(result(sends.DUPLICATE))
    assert [event.data.status for event in told(memory.run(result())[0])] == ["accepted", "sent"]


def test_it_goes_to_the_account_of_the_send_and_not_to_the_present_owner_of_the_number(memory):
    memory.run(seen("sent"), chatbots={NUMBER: "heir"})
    for event in told(memory.run(result(), chatbots={NUMBER: "heir"})[0]):
        assert (event.data.chatbot_id, event.data.message_id) == ("bot", "m1")


@pytest.mark.parametrize("first", [0, 1])
def test_in_one_batch_each_is_told_once_with_its_names_also_in_a_replay_that_is_cut_otherwise(memory, first):
    records = [seen("sent"), result()]
    records = records if first == 0 else records[::-1]
    made = told(memory.run(*records)[0])
    replayed = [event for record in records for event in told(memory.run(record)[0])]
    for events in (made, replayed):
        assert sorted(event.data.status for event in events) == ["accepted", "sent"]
        assert {event.data.message_id for event in events} == {"m1"}
    assert {event.id for event in made} == {event.id for event in replayed}


def test_a_replay_of_the_status_together_with_the_result_tells_it_once(memory):
    record, later = seen("sent"), result()
    memory.run(record)  # and a crash before its event was published
    events = told(memory.run(record, later)[0])
    assert sorted(event.data.status for event in events) == ["accepted", "sent"]
    assert {event.data.message_id for event in events} == {"m1"}


@given(st.permutations(["result", "sent", "delivered", "read", "failed"]), st.sets(st.integers(1, 4)))
def test_whatever_the_order_each_is_told_once_with_its_names(order, cuts):
    memory, events = Memory(), []
    records = [result() if word == "result" else seen(word) for word in order]
    for begin, end in itertools.pairwise((0, *sorted(cuts), len(records))):
        made, _ = memory.run(*records[begin:end])
        assert [event.value for event in memory.run(*records[begin:end])[0]] == [event.value for event in made]
        events += told(made)
    named = [event.data.status for event in events if event.data.message_id == "m1"]
    assert sorted(named) == ["accepted", "delivered", "failed", "read", "sent"]
    assert len({event.id for event in events}) == len(events)
    assert memory.run(*map(again, records))[0] == []


def test_of_a_history_that_is_full_no_more_is_told_than_is_in_it(memory):
    memory.run(*(seen("sent", wamid=f"wamid.{n}") for n in range(MAX_STATUSES + 5)))
    events = told(memory.run(result())[0])
    assert len(events) == MAX_STATUSES


def test_what_an_erasure_has_taken_from_the_history_is_not_told(memory):
    record = result()
    memory.run(seen("sent", recipient_participant_user_id="DE.1"))
    memory.run(record)
    memory.messages[OURS]["statuses"] = memory.messages[OURS]["statuses"][1:]
    assert len(told(memory.run(record)[0])) == 2  # the places have moved; nothing fails


def test_the_read_api_does_not_show_how_it_was_named(memory):
    memory.run(seen("sent"))
    memory.run(result(), chatbots=BOT)
    assert "named" in memory.messages[OURS]
    assert "named" not in message_view(memory.messages[OURS])
