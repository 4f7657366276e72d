"""Meta's windows: what opens them, how long, and what a conversation remembers of it."""

from datetime import UTC, datetime, timedelta

import pytest
from conversation_builders import ADA, BOT, NOW, Memory, message, result, status, webhook
from hypothesis import given
from hypothesis import strategies as st

from common.contracts import sends, webhooks
from common.contracts.contacts import Contact
from common.contracts.envelope import decode, decoder
from common.contracts.messages import IncomingMessage, MetaError
from conversation.batch.service_window import answer_of, open_until, window_of
from conversation.read_api.queries import times_of
from conversation.read_api.views import conversation_view

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
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
    assert answer_of({"lastMessageAt": NOW})["until"] is None  # we have written to them: it may be open all the same


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


@pytest.mark.feature("windows")
@pytest.mark.parametrize("kind", ["request_welcome", "edit", "revoke", "system"])
@pytest.mark.parametrize("passed_on", [True, False])
def test_what_is_no_message_of_a_person_opens_nothing(kind, passed_on):
    memory = Memory()
    memory.run(message(type=kind) if passed_on else message(type="unsupported", unsupported={"type": kind}))
    assert "lastInboundAt" not in kept(memory)
    assert answer_of(kept(memory))["until"] is None


UNTRUE = [datetime(2009, 2, 13, 23, 31, 30, tzinfo=UTC), NOW - 8 * 24 * HOUR, NOW + HOUR, NOW + 9_000 * HOUR]


@pytest.mark.feature("windows")
@pytest.mark.parametrize("told", UNTRUE)
def test_a_time_that_cannot_be_true_counts_as_that_of_receipt(told):
    memory = Memory()
    (event,), _ = memory.run(message(at=told, received=NOW, referral=AD))
    assert answer_of(kept(memory))["until"] == NOW + 24 * HOUR
    assert (kept(memory)["lastMessageAt"], kept(memory)["freeEntryAt"]) == (NOW, NOW)
    assert {m["timestamp"] for m in memory.messages.values()} == {NOW}
    assert decode(decoder(IncomingMessage), event.value).occurred_at == NOW


@pytest.mark.parametrize("ago", [7 * 24 * HOUR, HOUR, 0 * HOUR, -4 * MINUTE])
def test_a_time_that_can_be_true_counts(ago):
    memory = Memory()
    memory.run(message(at=NOW - ago, received=NOW))
    assert kept(memory)["lastInboundAt"] == NOW - ago


def call(*calls, people=(), field="calls", received=NOW):
    value = {"metadata": {"display_phone_number": "+1 555 000-0001"}, "contacts": list(people), "calls": list(calls)}
    return webhook(webhooks.CHANGE, value, received=received)


def ring(at=NOW, **more):
    timestamp = str(int(at.timestamp()))
    return {"id": "wacid.1", "event": "connect", "timestamp": timestamp, "direction": "USER_INITIATED", **more}


@pytest.mark.feature("windows")
@pytest.mark.parametrize(
    ("made", "people"),
    [
        (ring(**{"from": ADA.wa_id}), ()),
        (ring(**{"from": f"+{ADA.wa_id}"}), ()),
        (ring(from_user_id=ADA.user_id), ()),
        (ring(), [{"wa_id": ADA.wa_id, "user_id": ADA.user_id, "profile": {"name": ""}}]),
        (ring(**{"from": int(ADA.wa_id or 0)}), [{"wa_id": "1"}, {"wa_id": ADA.wa_id, "user_id": ADA.user_id}]),
        ({"from": ADA.wa_id, "timestamp": 1_234_567_890}, 7),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_a_call_of_a_person_opens_the_window(made, people, known):
    memory = Memory()
    if known:
        memory.run(message(at=NOW - 30 * HOUR))
    events, _ = memory.run(call(made, people=people if isinstance(people, list) else []))
    assert events == []
    assert answer_of(kept(memory))["until"] == NOW + 24 * HOUR
    assert window_of(kept(memory), NOW)["open"]
    assert kept(memory).get("name", "Ada") == "Ada"


@pytest.mark.parametrize(
    "made",
    [
        ring(direction="BUSINESS_INITIATED", **{"from": "15550000001", "to": ADA.wa_id}),
        ring(direction="business_initiated", **{"from": "15550000001", "to": ADA.wa_id}),
        {"from": "15550000001", "to": ADA.wa_id},
        ring(),
        ring(**{"from": {}}),
        7,
        None,
    ],
)
def test_a_call_of_ours_or_without_a_caller_opens_nothing(made):
    memory = Memory()
    memory.run(message(at=NOW - 30 * HOUR), call(made))
    assert answer_of(kept(memory))["until"] == NOW - 6 * HOUR


def test_a_call_that_has_ended_counts_from_its_beginning():
    memory = Memory()
    ended = {"event": "terminate", "start_time": str(int((NOW - HOUR).timestamp()))}
    memory.run(call(ring(**ended, **{"from": ADA.wa_id})))
    assert answer_of(kept(memory))["until"] == NOW + 23 * HOUR


@pytest.mark.feature("windows")
@pytest.mark.parametrize("how", ["result", "status"])
def test_meta_s_refusal_is_remembered_until_the_person_writes(how):
    memory, closed = Memory(), {"code": 131047, "title": "Re-engagement message"}
    if how == "result":
        memory.run(result(sends.FAILED, error=MetaError(**closed)))
    else:
        memory.run(status("failed", errors=[closed]))
    assert answer_of(kept(memory))["until"] == NOW
    memory.run(message(at=NOW - MINUTE))  # and this was under way
    assert answer_of(kept(memory))["until"] == NOW - MINUTE + 24 * HOUR


@pytest.mark.parametrize("code", [131026, None])
def test_another_refusal_says_nothing_of_the_window(code):
    memory = Memory()
    memory.run(result(sends.FAILED, error=MetaError(code=code)))
    assert answer_of(kept(memory))["until"] is None


def test_of_several_conversations_of_a_person_the_latest_times_count():
    first = {"aliases": ["1|p:49"], "lastInboundAt": NOW}
    second = {"aliases": ["1|p:49", "1|u:DE.1"], "lastInboundAt": NOW - HOUR, "windowClosedAt": NOW}
    found = times_of([["1|p:49"], ["1|u:DE.1"], ["1|p:50"]], [first, second])
    assert [answer_of(times)["until"] for times in found] == [NOW + 24 * HOUR, NOW + 23 * HOUR, None]


@pytest.mark.parametrize("what", [None, 7, [], {}, {"type": None}, {"type": ["edit"]}, {"type": "poll"}])
def test_a_message_that_meta_does_not_pass_on_opens_it_all_the_same(what):
    memory = Memory()
    memory.run(message(type="unsupported", unsupported=what))
    assert kept(memory)["lastInboundAt"] == NOW


@pytest.mark.parametrize("kind", ["text", "reaction", "button", "unsupported", "hologram"])
def test_whatever_else_a_person_sends_opens_it(kind):
    memory = Memory()
    memory.run(message(type=kind))
    assert kept(memory)["lastInboundAt"] == NOW
