"""The decisions, as tables."""

import json
import math
from datetime import UTC, datetime, timedelta

import pytest

from common.contracts.accounts import AccountData
from common.contracts.contacts import Contact
from common.contracts.journal import Entry, State
from common.contracts.messages import MetaError
from common.contracts.sends import SendRequest
from common.meta.client import Answered, NotSent, Unclear
from sender.delivery.core import Rules, after, before, is_repeatable
from sender.outcomes import Call, Dead, Defer, Hold, InDoubt, Retry, Sent

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RULES = Rules(in_doubt_seconds=30, in_doubt_resend=True, pause_seconds=30, pause_cap_seconds=300)
FAIL_RULES = Rules(in_doubt_seconds=30, in_doubt_resend=False, pause_seconds=30, pause_cap_seconds=300)
ACCOUNT = AccountData(chatbot_id="b", phone_number_id="15", status="active", revision=1)
INACTIVE = AccountData(chatbot_id="b", phone_number_id="15", status="deactivated", revision=1)
ERROR = MetaError(code=131000, reason="unknown_error")
ME, OTHER = "me", "other"


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def request(**fields):
    return SendRequest.model_validate({"chatbotId": "b", "to": "+4915112345678", "message": "hi", **fields})


def entry(state, attempt=1, *, owner=ME, due=None, **fields):
    return Entry(
        id="j", state=state, attempt=attempt, token="t", owner=owner, at=NOW, created_at=NOW, chatbot_id="b",
        message_id="m", to="+4915112345678", due=due, **fields,
    )  # fmt: skip


def decide(entry=None, account=ACCOUNT, rules=RULES, the_request=None, now=NOW, silence=math.inf):
    return before(the_request or request(), account, entry, owner=ME, now=now, rules=rules, silence=silence)


def test_a_new_request_is_called_once():
    assert decide() == Call(1)


def test_what_has_ended_is_told_again_and_not_called():
    contact = Contact(wa_id="49")
    assert decide(entry(State.ACCEPTED, wamid="w", contact=contact)) == Sent("w", contact)
    assert decide(entry(State.FAILED, error=ERROR, letter=True)) == Dead(ERROR, letter=True)
    assert decide(entry(State.EXPIRED, error=ERROR)) == Dead(ERROR, state=State.EXPIRED)


@pytest.mark.parametrize("account", [None, INACTIVE])
def test_what_has_ended_stays_so_whatever_the_account(account):
    assert decide(entry(State.ACCEPTED, wamid="w"), account) == Sent("w")


@pytest.mark.parametrize("state", [State.RETRYING, State.DEFERRED])
def test_a_waiting_send_is_called_when_due(state):
    assert decide(entry(state, due=at(3), error=ERROR)) == Defer(at(3), ERROR)
    assert decide(entry(state, due=NOW)) == Call(2)
    assert decide(entry(state, attempt=0, due=None)) == Call(1)


@pytest.mark.parametrize("owner", [ME, OTHER])
def test_a_claim_without_an_end_is_a_doubt(owner):
    decision = decide(entry(State.CLAIMED, owner=owner))
    assert isinstance(decision, InDoubt)
    assert decision.until == at(30)
    assert decision.error.reason == "no_record"


def test_a_claimed_read_mark_is_just_made_again():
    read = request(message={"type": "read", "message_id": "wamid.x"})
    assert is_repeatable(read)
    assert decide(entry(State.CLAIMED, owner=OTHER), the_request=read) == Call(2)


def test_a_doubt_of_another_owner_begins_again():
    assert decide(entry(State.IN_DOUBT, owner=OTHER, due=at(-100), error=ERROR)) == InDoubt(at(30), ERROR)


def test_owners_that_change_all_the_time_do_not_keep_a_doubt_open_for_ever():
    begun = {"owner": OTHER, "error": ERROR, "first_failed_at": NOW}
    # For three windows in all, each owner listens for a whole one; after that for fifteen seconds.
    assert decide(entry(State.IN_DOUBT, due=at(30), **begun), now=at(10)).until == at(40)
    assert decide(entry(State.IN_DOUBT, due=at(40), **begun), now=at(70)).until == at(90)
    assert decide(entry(State.IN_DOUBT, due=at(90), **begun), now=at(89)).until == at(104)
    assert decide(entry(State.IN_DOUBT, due=at(300), **begun), now=at(89)).until == at(300)


def test_a_doubt_waits_for_its_window_and_then_for_the_policy():
    assert decide(entry(State.IN_DOUBT, due=at(5), error=ERROR)) == InDoubt(at(5), ERROR)
    assert decide(entry(State.IN_DOUBT, due=NOW)) == Call(2)
    failed = decide(entry(State.IN_DOUBT, due=NOW), rules=FAIL_RULES)
    assert isinstance(failed, Dead)
    assert (failed.letter, failed.error.reason) == (True, "in_doubt_unresolved")


@pytest.mark.parametrize("rules", [RULES, FAIL_RULES])
@pytest.mark.parametrize(("silence", "waits"), [(0.0, 30.0), (12.5, 17.5), (29.9, 0.5)])
def test_a_doubt_whose_silence_was_ours_is_neither_resent_nor_failed(rules, silence, waits):
    doubt = entry(State.IN_DOUBT, due=at(-3600), error=ERROR)
    assert decide(doubt, rules=rules, silence=silence) == InDoubt(at(waits), ERROR)
    assert not isinstance(decide(doubt, rules=rules, silence=30.0), InDoubt)
    # Its end is no reason to give it up sooner: Meta may have it.
    assert decide(doubt, the_request=request(expiresAt=at(-1).isoformat()), silence=silence) == InDoubt(
        at(waits), ERROR
    )


def test_a_doubt_is_not_resent_after_its_expiry_nor_called_expired():
    decision = decide(entry(State.IN_DOUBT, due=NOW), the_request=request(expiresAt=at(-1).isoformat()))
    assert isinstance(decision, Dead)
    assert (decision.state, decision.error.reason) == (State.FAILED, "in_doubt_unresolved")


@pytest.mark.parametrize("state", [State.IN_DOUBT, State.RETRYING])
def test_attempts_end(state):
    decision = decide(entry(state, attempt=4, due=NOW, error=ERROR))
    assert isinstance(decision, Dead)
    assert decision.letter


@pytest.mark.parametrize(
    ("the_request", "account", "reason", "letter", "state"),
    [
        (MetaError(reason="invalid_request"), ACCOUNT, "invalid_request", True, State.FAILED),
        (request(expiresAt=NOW.isoformat()), ACCOUNT, "expired", False, State.EXPIRED),
        (request(), None, "unknown_account", True, State.FAILED),
        (request(), INACTIVE, "account_deactivated", False, State.FAILED),
    ],
)
@pytest.mark.parametrize("standing", [None, entry(State.RETRYING, due=NOW), entry(State.DEFERRED, attempt=0)])
def test_what_cannot_be_sent_ends_before_meta_is_asked(the_request, account, reason, letter, state, standing):
    decision = decide(standing, account, the_request=the_request)
    assert isinstance(decision, Dead)
    assert (decision.error.reason, decision.letter, decision.state) == (reason, letter, state)


def answered(status, body):
    return Answered(status, json.dumps(body).encode())


def refused(code, status=400):
    return answered(status, {"error": {"code": code, "message": "no", "error_data": {"details": "why"}}})


def meaning(end, attempt=1, *, repeatable=False, strikes=0):
    return after(end, attempt=attempt, repeatable=repeatable, strikes=strikes, now=NOW, rules=RULES)


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"messages": [{"id": "w"}], "contacts": [{"wa_id": "49"}]}, Sent("w", Contact(wa_id="49"))),
        ({"messages": [{"id": "w"}], "contacts": [{"user_id": "DE.1"}]}, Sent("w", Contact(user_id="DE.1"))),
        ({"messages": [{"id": "w", "message_status": "paused"}]}, Sent("w", None, "paused")),
        ({"messages": [{"id": "w", "message_status": "held_" * 99}]}, Sent("w", None, ("held_" * 99)[:64])),
        ({"messages": [{"id": "w", "message_status": ["paused"]}]}, Sent("w")),
        ({"messages": [{"id": "w", "message_status": ""}]}, Sent("w")),
        ({"messages": [{"id": "w"}], "contacts": [{"input": "49"}]}, Sent("w")),
        ({"messages": [{"id": "w"}], "contacts": "?"}, Sent("w")),
        ({"success": True}, Sent(None)),
    ],
)
def test_an_accepted_message_is_sent(body, sent):
    assert meaning(answered(200, body)) == sent


@pytest.mark.parametrize(
    "end",
    [
        Unclear("timeout"),
        Answered(502, b"<html>bad gateway</html>"),
        Answered(500, b""),
        Answered(200, b"{"),
        Answered(200, b"[]"),
        Answered(200, b"[" * 50_000),
        answered(200, {}),
        answered(200, {"messages": []}),
        answered(200, {"messages": [{"id": 7}]}),
    ],
)
def test_what_may_have_been_taken_is_in_doubt(end):
    outcome = meaning(end)
    assert isinstance(outcome, InDoubt)
    assert outcome.until == at(30)
    assert isinstance(meaning(end, repeatable=True), Retry)


@pytest.mark.parametrize("code", [2, 131000, 131016, 1, 133004, 999999])
@pytest.mark.parametrize(("attempt", "seconds"), [(1, 2), (2, 4), (3, 8), (4, None)])
def test_transient_errors_are_tried_again_after_2_4_and_8_seconds(code, attempt, seconds):
    outcome = meaning(refused(code, 500), attempt)
    if seconds is None:
        assert isinstance(outcome, Dead)
        assert outcome.letter
    else:
        assert isinstance(outcome, Retry)
        assert (outcome.due, outcome.attempt) == (at(seconds), attempt)
    assert outcome.error.code == code


@pytest.mark.parametrize("code", [100, 131008, 131026, 131047, 131049, 131050, 131207, 132001])
def test_permanent_errors_end_without_a_letter(code):
    outcome = meaning(refused(code))
    assert isinstance(outcome, Dead)
    assert (outcome.letter, outcome.state) == (False, State.FAILED)
    assert (outcome.error.code, outcome.error.title, outcome.error.details) == (code, "no", "why")


@pytest.mark.parametrize(
    ("end", "hold"),
    [
        (refused(130429), Hold(1, 60)),
        (refused(80007), Hold(1, 60)),
        (refused(4), Hold(1, 60)),
        (Answered(429, b""), Hold(1, 60)),
        (refused(131057, 500), Hold(60, 60)),
        (refused(190, 401), Hold(30, 300, rejected=True, refused=True)),
        (refused(0, 401), Hold(30, 300, rejected=True, refused=True)),
        (refused(131042), Hold(30, 300, refused=True)),
        (refused(368, 403), Hold(30, 300, refused=True)),
        (refused(131048), Hold(300, 3600, refused=True)),
    ],
)
def test_what_concerns_the_number_holds_it_and_spends_nothing(end, hold):
    for attempt in (1, 4):
        outcome = meaning(end, attempt)
        assert isinstance(outcome, Defer)
        assert (outcome.until, outcome.hold) == (NOW, hold)


@pytest.mark.parametrize(("strikes", "seconds"), [(0, 1), (1, 4), (2, 16), (3, 64), (4, 64), (5_000, 64)])
def test_a_throttled_pair_backs_off_alone(strikes, seconds):
    outcome = meaning(refused(131056), strikes=strikes)
    assert isinstance(outcome, Defer)
    assert (outcome.until, outcome.hold) == (at(seconds), None)


@pytest.mark.parametrize(("strikes", "seconds"), [(0, 1), (1, 2), (4, 16), (5, 30), (5_000, 30)])
def test_an_unreachable_meta_spends_nothing(strikes, seconds):
    outcome = meaning(NotSent("refused"), 4, strikes=strikes)
    assert isinstance(outcome, Defer)
    assert (outcome.until, outcome.hold) == (at(seconds), None)


@pytest.mark.parametrize(
    "body",
    [
        rb'{"messages":[{"id":"wamid.1"}],"contacts":[{"input":"\ud83d"}]}',
        b'{"messages":[{"id":"wamid.1"}],"x":"\xff"}',
        b'\xef\xbb\xbf{"messages":[{"id":"wamid.1"}]}',
    ],
)
def test_a_success_with_a_torn_text_is_a_success(body):
    outcome = meaning(Answered(200, body))
    assert isinstance(outcome, Sent)
    assert outcome.wamid == "wamid.1"


@pytest.mark.parametrize("wa_id", ["+491510000001", "491510000001 ", " +491510000001"])
def test_a_phone_in_the_answer_is_no_group(wa_id):
    body = json.dumps({"messages": [{"id": "wamid.1"}], "contacts": [{"wa_id": wa_id}]}).encode()
    assert meaning(Answered(200, body)).contact == Contact(wa_id="491510000001")
