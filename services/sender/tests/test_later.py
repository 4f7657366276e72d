"""What Meta reports of a message after it has accepted it: a failure is told by `GET /send`, and costs one write."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from common.contracts import messages
from common.contracts.envelope import encode
from common.contracts.journal import State
from common.contracts.messages import MetaError, StatusData
from sender.delivery.doubt.reconcile import StatusReconciler, transition_of
from sender.delivery.transitions import new_entry
from sender.journal.standing import shown

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
EXPIRED = MetaError(code=131047, title="Re-engagement message")


def entry(state=State.ACCEPTED, **more):
    made = new_entry("j", "bot", "m", "+491510000001", NOW, "1065")
    return replace(made, **{"state": state, "wamid": "w", "token": "old", "attempt": 1, **more})


def status(word, stands=None, **more):
    told = {"wamid": "w", "timestamp": LATER, "error": EXPIRED if word == "failed" else None, **more}
    return StatusData(
        status=word,
        delivery_status=stands or word,
        journal_id="j",
        phone_number_id="1065",
        chatbot_id="bot",
        **told,
    )


class Journal:
    """The store and the group commit in one: it counts what is written."""

    def __init__(self, *entries):
        self.entries = {entry.id: entry for entry in entries}
        self.failed, self.written = [], []

    async def unsettled_among(self, _ids, failed):
        self.failed += failed
        return list(self.entries.values())

    async def submit(self, move):
        assert move.expected == self.entries[move.entry.id].token
        self.written.append(move.entry)
        self.entries[move.entry.id] = move.entry
        return move.entry

    async def hear(self, *statuses):
        await StatusReconciler(self, self).handle([Record(status) for status in statuses])
        return shown(self.entries["j"])


class Record:
    offset = 0

    def __init__(self, data):
        event = messages.MessageStatus(
            id="e",
            type=messages.STATUS,
            version=1,
            occurred_at=NOW,
            recorded_at=NOW,
            correlation_id="c",
            data=data,
        )
        self.value = encode(event)


async def test_a_message_that_failed_after_meta_had_accepted_it_is_shown_as_failed_with_code_and_time():
    journal = Journal(entry())
    seen = await journal.hear(status("sent"), status("failed"))
    assert (seen["state"], seen["error"]["code"], seen["failedAt"]) == ("failed", 131047, LATER.isoformat())
    assert (seen["wamid"], seen["at"]) == ("w", NOW.isoformat())
    assert journal.failed == ["j"]


async def test_each_failed_message_is_one_write_and_other_statuses_of_ends_are_none():
    journal = Journal(entry())
    await journal.hear(*[status(word) for word in ("sent", "delivered", "read")])
    assert (journal.written, journal.failed) == ([], [])
    for _ in range(3):
        await journal.hear(status("failed"), status("failed", error=MetaError(code=131026)))
    assert [written.failure.code for written in journal.written] == [131047]


async def test_the_end_itself_stays_what_it_was_for_retries_replays_and_retention():
    journal = Journal(entry())
    await journal.hear(status("failed"))
    (written,) = journal.written
    assert (written.state, written.at, written.letter) == (State.ACCEPTED, NOW, False)


async def test_a_failure_settles_a_doubt_and_is_told():
    seen = await Journal(entry(State.IN_DOUBT, wamid=None)).hear(status("failed"))
    assert (seen["state"], seen["error"]["code"], seen["wamid"]) == ("failed", 131047, "w")


async def test_what_was_delivered_all_the_same_has_not_failed():
    """Several devices: Meta may report both, in any order, and conversation says what the message stands at."""
    before = await Journal(entry()).hear(status("failed", "delivered"))
    after = await Journal(entry()).hear(status("failed"), status("sent", "failed"), status("read"))
    for seen in (before, after):
        assert (seen["state"], "error" in seen, "failedAt" in seen) == ("accepted", False, False)


@pytest.mark.parametrize(
    "standing",
    [entry(wamid="another"), entry(State.FAILED), entry(State.CANCELLED), entry(State.EXPIRED)],
    ids=["an earlier call's message", "failed before", "cancelled", "expired"],
)
def test_a_failure_of_what_meta_did_not_accept_in_this_call_says_nothing(standing):
    assert transition_of(standing, status("failed"), token="new", now=LATER) is None


def test_a_failure_without_a_time_or_a_reason_is_one_all_the_same():
    move = transition_of(entry(), status("failed", timestamp=None, error=None), token="new", now=LATER)
    assert (move.entry.failed_at, move.entry.failure.reason) == (LATER, "unknown")
