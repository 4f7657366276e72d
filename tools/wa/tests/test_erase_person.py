"""How `wa erase` names a person, finds the names in texts, and says what it cannot reach."""

import re

import pytest
from erase_world import ADA_PHONE, ADA_USER

from wa.erase import reach
from wa.erase.person import Person


@pytest.mark.parametrize("contact", ["", "ann", "12345", "DE.1", "+49 151 zero", "0151 0007001", "+0151 0007001"])
def test_who_could_not_be_found_safely_or_at_all_is_refused(contact):
    with pytest.raises(ValueError, match="neither a phone number"):
        Person.named(contact)


@pytest.mark.parametrize("to", ["+49 (0)151 0007001", "0049 151 000-7001", "491510007001", "+491510007001"])
def test_a_send_is_found_in_the_notations_that_it_may_be_written_in(to):
    assert Person.named("0049 151 0007001").is_recipient(to)
    assert not Person.named("+491510007002").is_recipient(to)


def test_a_phone_with_two_notations_is_found_under_both():
    person = Person.named("+5215512345678")
    assert person.is_recipient("+52 55 1234 5678")
    assert all(re.search(person.as_alias, f"b|p:{digits}") for digits in ("5215512345678", "525512345678"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f'{{"recipient_id":"{ADA_PHONE}"}}', True),
        ("+49 151 000-7001", True),
        (f"u:{ADA_USER}", True),
        (f"{ADA_PHONE}9", False),
        (f"1{ADA_PHONE}", False),
        (ADA_USER.replace(".", "x"), False),
    ],
)
def test_names_are_found_in_texts_however_they_are_written_and_not_inside_others(text, found):
    assert Person(frozenset({ADA_USER}), frozenset({ADA_PHONE})).is_named_in(text) is found


def test_every_topic_with_people_is_named_with_its_retention():
    told = "\n".join(reach.out_of_reach())
    for name in ("whatsapp-cloud-webhooks", "incoming-messages", "whatsapp-cloud-send-results"):
        assert re.search(rf"{name} +7 days", told)
    assert "whatsapp-cloud-accounts" not in told
