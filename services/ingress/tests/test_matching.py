"""Whom messages and statuses are about: contacts are found however their ids are written, and whatever they lack."""

import json
from datetime import UTC, datetime

import pytest

from common.contracts import webhooks
from common.contracts.envelope import decode, decoder
from ingress.records import records
from ingress.telemetry import begin

NOW = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
NUMBER = "200000000000001"
MORE_THAN_ARE_LOOKED_THROUGH = 9
received = decoder(webhooks.WebhookReceived)


def person(name="Ana", **ids):
    return {"profile": {"name": name}, **ids}


def others(count):
    return [person("Other", wa_id=f"1555900{n:04}", user_id=f"US.{n}") for n in range(count)]


def told(contacts, *, padding=0, **lists):
    """The records of one value, each with its key and the contact in it."""
    value = {"metadata": {"phone_number_id": NUMBER}, "contacts": contacts, **lists}
    body = json.dumps({"entry": [{"changes": [{"field": "messages", "value": value}]}]}).encode() + b" " * padding
    found = records(body, begin("body-1", None), now=NOW)
    return [(record.key, decode(received, record.value).data.contact) for record in found]


def of_message(contacts, *, padding=0, **message):
    ((key, contact),) = told(contacts, padding=padding, messages=[{"id": "wamid.1", **message}])
    return key, contact


def of_status(contacts, **status):
    ((key, contact),) = told(contacts, statuses=[{"id": "wamid.1", "status": "read", **status}])
    return key, contact


NOTATIONS = {
    "Brazil, without its 9": ("5511987654321", "551187654321"),
    "Brazil, with its 9": ("551187654321", "5511987654321"),
    "Mexico, without its 1": ("5215512345678", "525512345678"),
    "Mexico, with its 1": ("525512345678", "5215512345678"),
    "Argentina, without its 9": ("5491123456789", "541123456789"),
    "Argentina, with its 9": ("541123456789", "5491123456789"),
}


@pytest.mark.parametrize(("listed", "named"), NOTATIONS.values(), ids=NOTATIONS)
@pytest.mark.parametrize("beside", [0, MORE_THAN_ARE_LOOKED_THROUGH])
@pytest.mark.parametrize("padding", [0, 20_000], ids=["small", "large"])
def test_a_person_is_found_by_another_notation_of_its_number(listed, named, beside, padding):
    contacts = [*others(beside), person(wa_id=listed, user_id="BR.1")]
    key, contact = of_message(contacts, padding=padding, **{"from": named})
    assert (key, contact.user_id, contact.name) == (f"{NUMBER}:u:BR.1", "BR.1", "Ana")
    key, contact = of_status(contacts, recipient_id=named)
    assert (key, contact.user_id, contact.name) == (f"{NUMBER}:u:BR.1", "BR.1", "Ana")


@pytest.mark.parametrize(("listed", "named"), [("551133334444", "5511933334444"), ("15551230001", "15551230002")])
@pytest.mark.parametrize("beside", [1, MORE_THAN_ARE_LOOKED_THROUGH])
def test_a_person_of_another_number_is_not_taken(listed, named, beside):
    key, contact = of_message([*others(beside), person(wa_id=listed, user_id="BR.1")], **{"from": named})
    assert (key, contact.user_id, contact.name) == (f"{NUMBER}:p:{named}", None, None)


@pytest.mark.parametrize("listed", ["16505551234", "+16505551234", "1 650-555-1234"])
@pytest.mark.parametrize("named", ["16505551234", "+16505551234", "1 650-555-1234", " +1 (650) 555.1234 "])
@pytest.mark.parametrize("beside", [0, MORE_THAN_ARE_LOOKED_THROUGH])
def test_a_number_is_its_digits(listed, named, beside):
    contacts = [*others(beside), person(wa_id=listed, parent_user_id=" US.ENT.1 ")]
    for key, contact in (of_message(contacts, **{"from": named}), of_status(contacts, recipient_id=named)):
        assert (key, contact.wa_id, contact.name) == (f"{NUMBER}:p:16505551234", "16505551234", "Ana")
        assert contact.parent_user_id == "US.ENT.1"
    key, contact = of_message((), type="system", system={"wa_id": named})
    assert key == f"{NUMBER}:p:16505551234"
    if not beside:
        key, contact = of_message(contacts)
        assert key == f"{NUMBER}:p:16505551234"


@pytest.mark.parametrize("blank", ["", " ", "  ", "\t", "+", " - "])
def test_a_number_of_blanks_is_none(blank):
    for key, contact in (of_message((), **{"from": blank}), of_status((), recipient_id=blank)):
        assert (key, contact.aliases()) == (NUMBER, ())
    key, _ = of_message([person(wa_id="15551230001")], **{"from": blank})
    assert key == f"{NUMBER}:p:15551230001"


@pytest.mark.parametrize("blank", ["", " ", "\n"])
def test_an_id_of_blanks_is_none(blank):
    ids = {"from_user_id": blank, "group_id": blank, "from_parent_user_id": blank}
    key, contact = of_message([person(wa_id="15551230001", user_id=blank)], **{"from": "15551230001"}, **ids)
    assert (key, contact.parent_user_id) == (f"{NUMBER}:p:15551230001", None)
    key, _ = of_status((), recipient_user_id=blank, recipient_id="15551230001", recipient_type="individual")
    assert key == f"{NUMBER}:p:15551230001"
    key, contact = of_status([person(user_id="US.1")], recipient_type="group", recipient_id=blank)
    assert key == f"{NUMBER}:u:US.1"


GROUP = "Y2FwaV9ncm91cDoxMjAzNjMwMjU="


@pytest.mark.parametrize("kind", ["group", "GROUP", " group ", None, [], "individual", 5])
def test_a_status_of_a_group_is_the_group_s_whatever_its_type_says(kind):
    contacts = [person(wa_id="15551230001", user_id="US.1")]
    key, contact = of_status(contacts, recipient_type=kind, recipient_id=GROUP, recipient_participant_id="15551230001")
    assert (key, contact.group_id, contact.wa_id) == (f"{NUMBER}:g:{GROUP}", GROUP, None)


def test_a_text_that_is_no_number_stays_as_it_is():
    key, _ = of_message((), **{"from": "ana-1"})
    assert key == f"{NUMBER}:p:ana-1"


W, U, PARENT = "15551230001", "US.1", "US.ENT.1"
ALONE = {  # the contacts, the message, and who is known then
    "the same person twice, once with one id": ([person(wa_id=W, user_id=U), {"wa_id": W}], {}, (U, W, None, "Ana")),
    "once with one id, first": ([{"wa_id": W}, person(wa_id=W, user_id=U)], {}, (U, W, None, "Ana")),
    "in parts": ([{"wa_id": W}, {"user_id": U}, person(wa_id=f"+{W}", user_id=U)], {}, (U, W, None, "Ana")),
    "a parent alone": ([person(parent_user_id=PARENT)], {}, (None, None, PARENT, "Ana")),
    "a parent, and a number": ([person(parent_user_id=PARENT)], {"from": W}, (None, W, PARENT, "Ana")),
    "found by the parent": (
        [person("Other", user_id="US.9"), person(user_id=U, parent_user_id=PARENT)],
        {"from_parent_user_id": PARENT},
        (U, None, PARENT, "Ana"),
    ),
    "a user id, and a number": ([person(user_id=U)], {"from": W}, (U, W, None, "Ana")),
    "a number, and a user id": ([person(wa_id=W)], {"from_user_id": U}, (U, W, None, "Ana")),
    "a name alone": ([person()], {"from": W}, (None, W, None, "Ana")),
    "another number": ([person(wa_id="15551239999", user_id=U)], {"from": W}, (None, W, None, None)),
    "another user id": ([person(user_id="US.9")], {"from_user_id": U, "from": W}, (U, W, None, None)),
    "another parent": (
        [person(user_id="US.9", parent_user_id="US.ENT.9")],
        {"from": W, "from_parent_user_id": PARENT},
        (None, W, PARENT, None),
    ),
    "two people": ([person(user_id=U), person(user_id="US.9")], {"from": W}, (None, W, None, None)),
    "two people of one number": ([person(user_id=U, wa_id=W), person(user_id="US.9", wa_id=W)], {}, (None,) * 4),
    "one beside one that is not understood": ([17, person(user_id=U)], {"from": W}, (None, W, None, None)),
}
NAMES = {
    "from": "recipient_id",
    "from_user_id": "recipient_user_id",
    "from_parent_user_id": "recipient_parent_user_id",
}


@pytest.mark.parametrize(("contacts", "message", "known"), ALONE.values(), ids=ALONE)
@pytest.mark.parametrize("padding", [0, 20_000], ids=["small", "large"])
def test_the_only_person_is_found_where_nothing_contradicts(contacts, message, known, padding):
    status = {NAMES[name]: value for name, value in message.items()}
    told_of_message = told(contacts, padding=padding, messages=[{"id": "wamid.1", **message}])
    told_of_status = told(contacts, padding=padding, statuses=[{"id": "wamid.1", "status": "read", **status}])
    for (_, contact), *_ in (told_of_message, told_of_status):
        assert (contact.user_id, contact.wa_id, contact.parent_user_id, contact.name) == known


def test_the_only_contact_is_guessed_for_all_messages_of_one_person_and_for_none_of_two():
    contacts = [person(user_id=U)]
    one = [{"id": "1", "from": W}, {"id": "2", "from": f"+{W}"}, {"id": "3"}]
    assert [key for key, _ in told(contacts, messages=one)] == [f"{NUMBER}:u:{U}"] * 3
    two = [{"id": "1", "from": W}, {"id": "2", "from": "15551239999"}]
    assert [contact.user_id for _, contact in told(contacts, messages=two)] == [None, None]
    statuses = [{"id": "2", "status": "read", "recipient_id": "15551239999"}]
    assert [contact.user_id for _, contact in told(contacts, messages=two[:1], statuses=statuses)] == [None, None]
