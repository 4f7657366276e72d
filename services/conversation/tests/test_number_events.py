"""What the sender is told of numbers."""

from datetime import timedelta

import pytest
from conversation_builders import NOW, NUMBER, message, read, status, webhook

from common.contracts import number_events, topics, webhooks
from common.contracts.envelope import decode, decoder
from conversation.number_events import FRESH, number_records

EVENT = decoder(number_events.NumberNews)


def told(*records, now=NOW):
    made = number_records([read(record) for record in records], now)
    assert {record.topic for record in made} <= {topics.NUMBERS.name}
    return [(record.key, decode(EVENT, record.value)) for record in made]


def change(field, raw):
    record = webhook(webhooks.CHANGE, raw, number=None, account_id="2000")
    return type(record)(record.value.replace(b'"field":"messages"', f'"field":"{field}"'.encode()))


def test_messages_are_counted_by_number_and_statuses_are_not():
    records = [message(f"wamid.{n}") for n in range(3)] + [message("wamid.other", number="99"), status("delivered")]
    assert [(key, event.type, event.data.inbound) for key, event in told(*records)] == [
        (NUMBER, number_events.TRAFFIC, 3),
        ("99", number_events.TRAFFIC, 1),
    ]


def test_what_came_long_ago_is_not_counted():
    assert told(message(), now=NOW + FRESH) == []
    assert len(told(message(), now=NOW + FRESH - timedelta(milliseconds=1))) == 1


def test_a_change_of_limits_is_passed_on():
    upgrade = change("phone_number_quality_update", {"display_phone_number": "49151", "event": "THROUGHPUT_UPGRADE"})
    ((key, event),) = told(upgrade)
    assert (key, event.type) == ("2000", number_events.CHANGED)
    assert (event.data.display_phone_number, event.data.field) == ("49151", "phone_number_quality_update")
    ((_, event),) = told(change("business_capability_update", {"max_phone_numbers_per_business": 2}))
    assert event.data.display_phone_number is None


@pytest.mark.parametrize("display", ["", "9" * 65, "9" * 1_200_000, 49151, 10**30, None, True, ["49151"], {"a": 1}])
def test_what_is_no_number_is_not_passed_on(display):
    ((_, event),) = told(change("phone_number_quality_update", {"display_phone_number": display}))
    assert event.data.display_phone_number is None


def test_other_changes_are_not():
    assert told(change("message_template_status_update", {"event": "APPROVED"})) == []


def test_a_replay_says_the_same_again():
    record = message()
    assert told(record) == told(record)
