"""One definition of the journal's document: what a writer stores, every reader understands."""

from datetime import UTC, datetime

import pytest

from common.contracts.contacts import Contact
from common.contracts.journal import ENDED, FIELDS, UNDER_WAY, WAITING, Entry, State, from_document, to_document
from common.contracts.messages import MetaError

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LEAST = Entry(
    id="j", state=State.CLAIMED, attempt=0, token="t", owner="me", at=NOW, created_at=NOW, chatbot_id="b",
    message_id="m", to="+49",
)  # fmt: skip
ALL = Entry(
    id="j", state=State.FAILED, attempt=2, token="t", owner="me", at=NOW, created_at=NOW, chatbot_id="b",
    message_id="m", to="+49", phone_number_id="15", due=NOW, doubted_at=NOW, first_failed_at=NOW, wamid="w",
    message_status="accepted", contact=Contact(wa_id="49"), error=MetaError(code=1), letter=True, replays=1,
    apart="offer", digest="d", failure=MetaError(code=2), failed_at=NOW, template="offer",
)  # fmt: skip


def test_a_document_has_the_names_and_values_that_earlier_versions_stored():
    assert to_document(LEAST, expireAt=None) == {
        "_id": "j", "state": "claimed", "attempt": 0, "token": "t", "owner": "me", "at": NOW, "createdAt": NOW,
        "chatbotId": "b", "messageId": "m", "to": "+49",
    }  # fmt: skip
    assert to_document(ALL, expireAt=NOW) == {
        "_id": "j", "state": "failed", "attempt": 2, "token": "t", "owner": "me", "at": NOW, "createdAt": NOW,
        "chatbotId": "b", "messageId": "m", "to": "+49", "phoneNumberId": "15", "due": NOW, "doubtedAt": NOW,
        "firstFailedAt": NOW, "wamid": "w", "messageStatus": "accepted", "contact": {"waId": "49"},
        "error": {"code": 1}, "letter": True, "replays": 1, "apart": "offer", "digest": "d", "failure": {"code": 2},
        "failedAt": NOW, "template": "offer", "expireAt": NOW,
    }  # fmt: skip
    assert type(to_document(LEAST)["state"]) is str


@pytest.mark.parametrize("entry", [LEAST, ALL])
def test_what_was_stored_is_read_again_with_fields_beside_it(entry):
    document = to_document(entry, expireAt=NOW, erasedAt=NOW, optedOut="b|49", optedOutAt=NOW)
    assert from_document(document) == entry
    assert document.keys() <= FIELDS


def test_each_state_is_in_one_group():
    groups = (UNDER_WAY, WAITING, ENDED)
    assert sorted(state for group in groups for state in group) == sorted(State)
    assert (LEAST.ended, ALL.ended) == (False, True)
