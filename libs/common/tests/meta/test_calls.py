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


ANA = {"wa_id": "5511987654321", "user_id": "BR.1", "profile": {"name": "Ana"}}


@pytest.mark.parametrize("missing", [{}, {"from": None, "from_user_id": ""}, {"from": []}])
@pytest.mark.parametrize("count", [1, 2])
def test_a_call_that_names_no_person_is_the_only_contacts(missing, count):
    found = callers({"contacts": [ANA], "calls": [{"id": f"wacid.{n}", **missing} for n in range(count)]})
    assert [(caller.user_id, caller.wa_id, caller.name) for caller in found] == [("BR.1", ANA["wa_id"], "Ana")] * count


def test_one_person_who_is_listed_twice_is_the_only_one():
    listed = [{"wa_id": "551187654321"}, ANA, {"profile": {"name": "A"}}]
    (caller,) = callers({"contacts": listed, "calls": [{"id": "wacid.1"}]})
    assert (caller.user_id, caller.name) == ("BR.1", "Ana")


def test_between_two_contacts_none_is_guessed():
    assert callers({"contacts": [ANA, {"user_id": "BR.2"}], "calls": [{"id": "wacid.1"}]}) == []


def test_the_only_contact_is_the_caller_who_is_named_unless_it_contradicts():
    (caller,) = callers({"contacts": [{"user_id": "BR.1"}], "calls": [{"id": "c", "from": "5511987654321"}]})
    assert (caller.user_id, caller.wa_id) == ("BR.1", "5511987654321")
    (caller,) = callers({"contacts": [ANA], "calls": [{"id": "c", "from_user_id": "BR.2"}]})
    assert (caller.user_id, caller.wa_id) == ("BR.2", None)


@pytest.mark.parametrize(
    "beside",
    [
        {"calls": [{"id": "d", "from": "15551230001"}]},
        {"calls": [{"id": "d", "direction": "BUSINESS_INITIATED", "from": "1", "to": "15551230001"}]},
        {"messages": [{"id": "w", "from": "15551230001"}]},
        {"statuses": [{"id": "w", "recipient_id": "15551230001"}]},
    ],
)
def test_beside_another_person_the_only_contact_is_not_taken_for_the_caller(beside):
    call = {"id": "c", "from": "5511987654321"}
    value = {"contacts": [{"user_id": "BR.1"}], **beside, "calls": [call, *beside.get("calls", [])]}
    assert callers(value)[0].user_id is None


def test_a_callers_parent_is_known_too():
    parent = {"parent_user_id": "BR.P", "user_id": "BR.1"}
    (caller,) = callers({"contacts": [parent], "calls": [{"id": "c", "from_parent_user_id": "BR.P"}]})
    assert (caller.user_id, caller.parent_user_id) == ("BR.1", "BR.P")
