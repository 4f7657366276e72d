"""Meta's windows: what opens them, how long, and what a conversation remembers of it."""

from datetime import timedelta

import pytest
from conversation_builders import ADA, BOT, NOW, Memory, message, webhook
from hypothesis import given
from hypothesis import strategies as st

from common.contracts import webhooks
from common.contracts.people import Contact
from conversation.views import conversation_view
from conversation.windows import answer_of, open_until, window_of

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
AD = {"source_type": "ad", "source_id": "1", "ctwa_clid": "fake"}


def kept(memory):
    (conversation,) = memory.conversations.values()
    return conversation


@pytest.mark.feature("windows")
@pytest.mark.parametrize(
    ("ago", "is_open"), [(-SECOND, True), (0 * HOUR, True), (24 * HOUR - SECOND, True), (24 * HOUR, False)]
)
def test_the_window_is_open_for_a_day(ago, is_open):
    document = {"lastInboundAt": NOW - ago}
    assert window_of(document, NOW) == {"open": is_open, "until": NOW - ago + 24 * HOUR}


def test_who_never_wrote_has_no_window():
    assert window_of({}, NOW) == {"open": False}
    assert open_until({}) is None
    assert answer_of({}) == {"lastInboundAt": None, "until": None}


def test_a_free_entry_lasts_three_days_and_opens_nothing_by_itself():
    document = {"lastInboundAt": NOW - 30 * HOUR, "freeEntryAt": NOW - 30 * HOUR}
    assert window_of(document, NOW) == {"open": False, "until": NOW - 6 * HOUR, "freeEntryUntil": NOW + 42 * HOUR}


def test_a_conversation_shows_its_window():
    view = conversation_view({"_id": "c", "lastInboundAt": NOW}, NOW + HOUR)
    assert view == {"id": "c", "lastInboundAt": NOW, "window": {"open": True, "until": NOW + 24 * HOUR}}


@pytest.mark.feature("windows")
def test_a_message_by_an_ad_is_a_free_entry_and_the_next_one_is_not():
    memory = Memory()
    memory.run(message("wamid.1", referral=AD))
    memory.run(message("wamid.2", at=NOW + HOUR))
    assert (kept(memory)["freeEntryAt"], kept(memory)["lastInboundAt"]) == (NOW, NOW + HOUR)


@pytest.mark.parametrize("referral", [None, "ad", [], 7])
def test_a_referral_that_is_no_object_is_none(referral):
    memory = Memory()
    memory.run(message(referral=referral))
    assert "freeEntryAt" not in kept(memory)


@given(st.lists(st.tuples(st.integers(-100, 100), st.booleans()), min_size=1, max_size=8))
def test_both_times_only_go_forward_whatever_order_messages_come_in(arrivals):
    memory = Memory()
    for number, (hours, referred) in enumerate(arrivals):
        more = {"referral": AD} if referred else {}
        memory.run(message(f"wamid.{number}", at=NOW + hours * HOUR, **more))
    entries = [NOW + hours * HOUR for hours, referred in arrivals if referred]
    assert kept(memory)["lastInboundAt"] == max(NOW + hours * HOUR for hours, _ in arrivals)
    assert kept(memory).get("freeEntryAt") == max(entries, default=None)


def test_a_repetition_by_meta_moves_nothing():
    memory = Memory()
    memory.run(message("wamid.1"))
    memory.run(message("wamid.1", at=NOW + HOUR, referral=AD))
    assert kept(memory)["lastInboundAt"] == NOW
    assert "freeEntryAt" not in kept(memory)


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_conversations_that_are_one_the_later_times_stay(first):
    memory, people = Memory(), [Contact(wa_id=ADA.wa_id), Contact(user_id=ADA.user_id)]
    memory.run(message("wamid.1", contact=people[first], at=NOW + 2 * HOUR, referral=AD))
    memory.run(message("wamid.2", contact=people[1 - first], at=NOW + HOUR, referral=AD))
    memory.run(message("wamid.3", at=NOW))
    (stayed,) = [c for c in memory.conversations.values() if "mergedInto" not in c]
    assert (stayed["lastInboundAt"], stayed["freeEntryAt"]) == (NOW + 2 * HOUR, NOW + 2 * HOUR)


def test_what_meta_says_about_a_person_opens_nothing():
    memory = Memory()
    system = {"type": "user_changed_number", "body": "changed", "wa_id": "491510000002"}
    raw = {"id": "wamid.S", "type": "system", "timestamp": "1793525400", "system": system}
    memory.run(webhook(webhooks.MESSAGE, raw, contact=ADA, wamid="wamid.S"), chatbots=BOT)
    assert "lastInboundAt" not in kept(memory)
    assert kept(memory)["lastMessageAt"] == NOW


@pytest.mark.parametrize("kind", ["text", "reaction", "button", "unsupported", "hologram"])
def test_whatever_else_a_person_sends_opens_it(kind):
    memory = Memory()
    memory.run(message(type=kind))
    assert kept(memory)["lastInboundAt"] == NOW
