"""Who called: the person of a call is found by its ids, however they are written."""

from datetime import UTC, datetime

import msgspec
import pytest

from common.meta.calls import calls_of

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)


def callers(value):
    return [call.contact for call in calls_of(msgspec.Raw(msgspec.json.encode(value)), NOW)]


@pytest.mark.parametrize(
    ("listed", "named"),
    [
        ("5511987654321", "551187654321"),
        ("551187654321", "5511987654321"),
        ("5215512345678", "+52 55 1234 5678"),
        ("541123456789", "5491123456789"),
    ],
)
def test_a_caller_is_found_by_another_notation_of_its_number(listed, named):
    people = [
        {"wa_id": "15551230001", "user_id": "US.1", "profile": {"name": "Other"}},
        {"wa_id": listed, "user_id": "BR.1", "profile": {"name": "Ana"}},
    ]
    (caller,) = callers({"contacts": people, "calls": [{"id": "wacid.1", "from": named}]})
    assert (caller.user_id, caller.name) == ("BR.1", "Ana")


def test_a_call_of_our_own_number_in_another_notation_is_no_persons():
    value = {"metadata": {"display_phone_number": "+55 11 98765-4321"}, "calls": [{"id": "c", "from": "551187654321"}]}
    assert callers(value) == []


def test_a_caller_of_another_number_is_not_taken():
    people = [{"wa_id": "551133334444", "user_id": "BR.1"}]
    (caller,) = callers({"contacts": people, "calls": [{"id": "wacid.1", "from": "5511933334444"}]})
    assert (caller.user_id, caller.wa_id) == (None, "5511933334444")
