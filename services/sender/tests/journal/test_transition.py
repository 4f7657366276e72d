"""Which changes of a send there are, and what is written for each outcome."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from common.contracts.contacts import Contact
from common.contracts.journal import ENDED, Entry, State
from common.contracts.messages import MetaError
from sender.delivery.transitions import claim, new_entry, record, reopen, settle
from sender.journal.transition import TRANSITIONS, Transition
from sender.outcomes import Apart, Dead, Defer, InDoubt, Retry, Sent

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=2)
ERROR = MetaError(code=131000)
FRESH = new_entry("j", "b", "m", "+49", NOW, "15")
OPEN = [state for state in State if state not in ENDED]


def standing(state, attempt=1, owner="me"):
    return replace(FRESH, state=state, attempt=attempt, owner=owner, token="old", due=LATER, error=ERROR)


ALLOWED = {
    None: {"claimed", "deferred", "failed", "expired", "cancelled"},
    "claimed": {"claimed", "retrying", "deferred", "in_doubt", "accepted", "failed", "expired", "cancelled"},
    "retrying": {"claimed", "deferred", "accepted", "failed", "expired", "cancelled"},
    "deferred": {"claimed", "deferred", "accepted", "failed", "expired", "cancelled"},
    "in_doubt": {"in_doubt", "claimed", "accepted", "failed"},
    "accepted": {"accepted"},
    "failed": {"retrying", "failed"},
    "expired": set(),
    "cancelled": set(),
}


@pytest.mark.parametrize("before", [None, *State])
@pytest.mark.parametrize("then", list(State))
def test_the_table_of_changes(before, then):
    entry = replace(FRESH, state=then)
    assert set(TRANSITIONS) == {None, *State}
    if then in ALLOWED[before]:
        assert Transition(entry, expected="x", before=before).entry is entry
    else:
        with pytest.raises(ValueError, match="cannot become"):
            Transition(entry, expected="x", before=before)


@pytest.mark.parametrize("before", [None, *(standing(s) for s in (State.RETRYING, State.DEFERRED, State.IN_DOUBT))])
def test_a_claim_expects_what_was_read(before):
    move = claim(before, FRESH, 2, phone_number_id="16", owner="me", token="new", now=LATER)
    assert move.expected == ("old" if before else None)
    assert move.won == "new"
    assert (move.entry.state, move.entry.attempt, move.entry.phone_number_id) == (State.CLAIMED, 2, "16")
    assert (move.entry.at, move.entry.due, move.entry.created_at) == (LATER, None, NOW)


def write(before, outcome, owner="me"):
    return record(before, FRESH, outcome, owner=owner, token="new", now=LATER)


def test_a_sent_message_is_accepted_and_its_old_error_forgotten():
    entry = write(standing(State.CLAIMED), Sent("w", Contact(wa_id="49"))).entry
    assert (entry.state, entry.wamid, entry.contact, entry.error, entry.due) == (
        State.ACCEPTED, "w", Contact(wa_id="49"), None, None,
    )  # fmt: skip


def test_metas_word_for_an_accepted_message_is_kept_and_settling_knows_none():
    assert write(standing(State.CLAIMED), Sent("w", None, "paused")).entry.message_status == "paused"
    assert settle(standing(State.IN_DOUBT), "w", None, token="new", now=LATER).entry.message_status is None


def test_a_doubt_that_another_session_left_behind_arose_when_it_arose():
    first = write(standing(State.CLAIMED), InDoubt(LATER)).entry
    taken_over = write(replace(first, owner="other", doubted_at=NOW), InDoubt(LATER)).entry
    of_earlier_version = write(replace(first, owner="other", doubted_at=None, at=NOW), InDoubt(LATER)).entry
    assert (first.doubted_at, taken_over.doubted_at, of_earlier_version.doubted_at) == (LATER, NOW, NOW)
    assert write(replace(first, state=State.CLAIMED), InDoubt(LATER)).entry.doubted_at == LATER
    assert write(first, Sent("w")).entry.doubted_at is None


def test_a_failed_attempt_counts_and_the_first_failure_is_remembered():
    first = write(standing(State.CLAIMED), Retry(LATER, ERROR, 1)).entry
    assert (first.state, first.attempt, first.due, first.first_failed_at) == (State.RETRYING, 1, LATER, LATER)
    again = replace(first, state=State.CLAIMED, first_failed_at=NOW)
    assert write(again, Retry(LATER, ERROR, 2)).entry.first_failed_at == NOW


def test_a_deferred_attempt_is_given_back():
    entry = write(standing(State.CLAIMED, attempt=3), Defer(LATER, ERROR)).entry
    assert (entry.state, entry.attempt, entry.due) == (State.DEFERRED, 2, LATER)


@pytest.mark.parametrize("before", [None, standing(State.RETRYING), standing(State.DEFERRED)])
def test_what_only_waits_is_not_written(before):
    assert write(before, Defer(LATER, ERROR)) is None


@pytest.mark.parametrize("before", [None, *(standing(state) for state in OPEN)])
def test_an_end_is_written_once(before):
    entry = write(before, Dead(ERROR, letter=True)).entry
    assert (entry.state, entry.error, entry.letter) == (State.FAILED, ERROR, True)
    assert write(entry, Dead(ERROR, letter=True)) is None
    assert write(replace(entry, state=State.ACCEPTED), Sent("w")) is None


def test_an_expired_request_says_so():
    assert write(None, Dead(ERROR, state=State.EXPIRED)).entry.state is State.EXPIRED


def test_a_doubt_is_written_by_each_owner_once():
    doubt = write(standing(State.CLAIMED, owner="other"), InDoubt(LATER, ERROR)).entry
    assert (doubt.state, doubt.due, doubt.owner, doubt.attempt) == (State.IN_DOUBT, LATER, "me", 1)
    assert write(doubt, InDoubt(LATER, ERROR)) is None
    assert write(doubt, InDoubt(LATER, ERROR), owner="next").entry.owner == "next"


@pytest.mark.parametrize("state", OPEN)
def test_a_status_settles_whatever_has_not_ended(state):
    move = settle(standing(state), "w", None, token="new", now=LATER)
    assert (move.expected, move.entry.state, move.entry.wamid, move.entry.owner) == ("old", State.ACCEPTED, "w", "me")


@pytest.mark.parametrize("state", sorted(ENDED))
def test_a_status_changes_no_end(state):
    assert settle(replace(standing(state), wamid="known"), "w", None, token="new", now=LATER) is None


def test_a_status_for_a_failed_send_leaves_its_wamid():
    move = settle(standing(State.FAILED), "w", None, token="new", now=LATER)
    assert (move.entry.state, move.entry.wamid, move.expected) == (State.FAILED, "w", "old")


def test_a_reopened_dead_letter_has_all_its_attempts_again():
    dead = replace(standing(State.FAILED, attempt=4), letter=True)
    move = reopen(dead, 1, owner="me", token="new", now=LATER)
    entry = move.entry
    assert (entry.state, entry.attempt, entry.replays, entry.letter, entry.due) == (State.RETRYING, 0, 1, False, None)


def test_entries_know_whether_they_ended():
    assert {state for state in State if Entry.ended.fget(standing(state))} == ENDED


@pytest.mark.parametrize(
    ("before", "attempt"),
    [
        (None, 0),
        (standing(State.CLAIMED, 2), 1),
        (standing(State.RETRYING, 2), 2),
        (standing(State.DEFERRED, 1), 1),
    ],
)
def test_what_waits_apart_says_for_what_since_when_and_spends_nothing(before, attempt):
    entry = write(before, Apart(LATER + timedelta(seconds=9), ERROR, "template a")).entry
    assert (entry.state, entry.attempt, entry.apart, entry.error) == (State.DEFERRED, attempt, "template a", ERROR)
    assert (entry.due, entry.first_failed_at) == (LATER + timedelta(seconds=9), LATER)
    again = record(entry, FRESH, Apart(entry.due, ERROR, "template a"), owner="o", token="x", now=LATER)
    assert again is None
    later = record(entry, FRESH, Apart(entry.due + timedelta(days=1), ERROR, "template a"),
                   owner="o", token="x", now=entry.due)  # fmt: skip
    assert later.entry.first_failed_at == LATER
    claimed = claim(entry, FRESH, 1, phone_number_id="15", owner="me", token="new", now=LATER).entry
    assert claimed.apart == ""
