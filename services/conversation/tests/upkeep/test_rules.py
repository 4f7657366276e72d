"""How long documents are kept, and which have been kept long enough."""

from datetime import UTC, datetime, timedelta

import pytest

from common.contracts.accounts import Retention
from conversation.upkeep.rules import Cutoffs, Kept, by_cutoff, cutoffs, may_go

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
KEPT = Kept(messages=365, conversations=730, usage=180)


def days(count):
    return NOW - timedelta(days=count)


@pytest.mark.parametrize(
    ("account", "kept"),
    [
        (None, KEPT),
        (Retention(), KEPT),
        (Retention(messages_days=0), Kept(0, 730, 180)),
        (Retention(messages_days=7, conversations_days=1, usage_days=36_500), Kept(7, 1, 36_500)),
    ],
)
def test_an_account_s_own_days_count_where_it_has_any(account, kept):
    assert KEPT.of(account) == kept


def test_what_is_kept_for_good_has_no_cutoff():
    assert cutoffs(KEPT, NOW) == Cutoffs(days(365), days(730), days(180), days(30))
    assert cutoffs(Kept(0, 0, 0), NOW) == Cutoffs(None, None, None, days(30))


def test_a_conversation_stays_while_the_usage_log_names_it():
    assert cutoffs(Kept(30, 40, 180), NOW).conversations == days(180)
    assert cutoffs(Kept(30, 40, 0), NOW).conversations is None
    assert cutoffs(Kept(30, 0, 180), NOW).conversations is None


def of(chatbot):
    own = {"short": Kept(7, 7, 7), "for good": Kept(0, 0, 0)}
    return cutoffs(own.get(chatbot, KEPT), NOW)


def test_conversations_are_looked_through_by_what_their_account_says():
    page = [
        {"_id": "1", "chatbotId": "short"},
        {"_id": "2", "chatbotId": "for good"},
        {"_id": "3"},
        {"_id": "4", "chatbotId": "x"},
    ]
    assert by_cutoff(page, of) == {days(7): ["1"], days(365): ["3", "4"]}


@pytest.mark.parametrize(
    ("conversation", "goes"),
    [
        ({"lastMessageAt": days(731)}, True),
        ({"lastMessageAt": days(730)}, False),
        ({"lastMessageAt": days(731), "mergedInto": "c"}, True),
        ({"chatbotId": "for good", "lastMessageAt": days(10_000)}, False),
        ({"chatbotId": "short", "lastMessageAt": days(8)}, True),
        ({"lastMessageAt": days(731), "absorbs": ["c"]}, False),
        ({"createdAt": days(731)}, True),
        ({"createdAt": days(1)}, False),
        ({}, False),
    ],
)
def test_a_conversation_goes_when_its_last_message_is_old(conversation, goes):
    assert may_go(conversation, of) is goes
