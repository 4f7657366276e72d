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


def test_a_text_that_is_no_number_stays_as_it_is():
    key, _ = of_message((), **{"from": "ana-1"})
    assert key == f"{NUMBER}:p:ana-1"
