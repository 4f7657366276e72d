"""What a message says of its sender's own ids, in every shape that Meta has had for it."""

import json

import msgspec
import pytest

from common.contracts.contacts import Contact, named
from common.meta.identities import NOTHING, read_identity

OLD, NEW = "491510000001", "491510000002"


def identity(kind, **message):
    return read_identity(kind, msgspec.Raw(json.dumps(message).encode()))


@pytest.mark.parametrize(
    ("system", "now", "before"),
    [
        ({"wa_id": NEW}, Contact(wa_id=NEW), []),
        ({"new_wa_id": NEW}, Contact(wa_id=NEW), []),
        ({"new_wa_id": NEW, "wa_id": OLD}, Contact(wa_id=NEW), [Contact(wa_id=OLD)]),
        ({"wa_id": NEW, "customer": OLD}, Contact(wa_id=NEW), [Contact(wa_id=OLD)]),
        ({"wa_id": {}, "customer": OLD}, Contact(), [Contact(wa_id=OLD)]),
        ({"customer": OLD, "identity": "x"}, Contact(), [Contact(wa_id=OLD)]),
        ({"user_id": " DE.2 ", "previous_user_id": "DE.1"}, Contact(user_id="DE.2"), [Contact(user_id="DE.1")]),
        ({"user_id": "", "previous_user_id": None, "wa_id": True}, Contact(wa_id=None), []),
        ([{"wa_id": NEW, "customer": OLD}], Contact(wa_id=NEW), [Contact(wa_id=OLD)]),
        ({}, Contact(), []),
    ],
)
def test_a_system_message_has_the_ids_of_now_and_of_before(system, now, before):
    found = identity("system", system=system)
    assert (found.now, list(found.before), found.changed) == (now, before, True)


@pytest.mark.parametrize("system", [None, 7, "text", [], [[{"wa_id": NEW}]]])
def test_what_is_no_object_says_nothing(system):
    assert identity("system", system=system) is NOTHING
    assert identity("contacts", contacts=system) is NOTHING
    assert identity("text", text=system) is NOTHING
    assert read_identity("system", msgspec.Raw(b"[")) is NOTHING


@pytest.mark.parametrize(
    ("phones", "shared"),
    [
        ([{"phone": f"+{OLD}"}], OLD),
        ([{"phone": "+49 (151) 000-0001"}], OLD),
        ([{"phone": "0151 0000001"}, {"wa_id": OLD}], OLD),
        ([{"phone": "0151 0000001"}], None),
        ([{"type": "CELL"}, 7], None),
        (None, None),
    ],
)
def test_a_number_that_was_asked_for_is_the_sender_s_own(phones, shared):
    found = identity("contacts", contacts=[{"origin": "contact_request", "phones": phones}])
    assert found.applied_to(Contact(user_id="DE.1")) == Contact(user_id="DE.1", wa_id=shared)
    assert found.applied_to(Contact(wa_id=NEW)) == Contact(wa_id=NEW)  # Meta's own word counts for more
    assert identity("contacts", contacts=[{"origin": "other", "phones": phones}]) is NOTHING


@pytest.mark.parametrize(
    ("written", "shared"),
    [
        ("+49 (0)151 12345678", "4915112345678"),
        ("0049 151 12345678", "4915112345678"),
        ("\u202a+49 151 12345678\u202c", "4915112345678"),
        ("+\u0664\u0669\u0661\u0665\u0661\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668", "4915112345678"),
        ("tel:+49-151-12345678", "4915112345678"),
        ("+52 044 55 1234 5678", "525512345678"),
        ("+49 151 12345678 ext 5", None),
        ("+49 151 12345678,5", None),
        ("+49 151 12345678, +49 151 12345679", None),
        ("+49 151 12345678 (2)", None),
        ("4915112345678.0", None),
        ("4915112345678@s.whatsapp.net", None),
        ("15112345678", None),  # a German number without its country code
        ("+49 151" + " " * 100_000 + "12345678", None),  # refused at once
        ("abc 12", None),
        ("12", None),
        ("", None),
        (4915112345678, None),
        (True, None),
        (["+49 151 12345678"], None),
    ],
)
def test_a_card_s_number_is_read_as_a_recipient_is(written, shared):
    found = identity("contacts", contacts=[{"origin": "contact_request", "phones": [{"phone": written}]}])
    assert found.now.wa_id == shared
    second = [{"phone": written}, {"phone": f"+{OLD}"}]
    found = identity("contacts", contacts=[{"origin": "contact_request", "phones": second}])
    assert found.now.wa_id == (shared or OLD)


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (OLD, OLD),
        (f" +{OLD} ", OLD),
        (int(OLD), OLD),
        ("+49 (0)151 12345678", "4915112345678"),
        ("49151", "49151"),  # Meta's word counts, whatever its length
        ("15112345678", "15112345678"),
        ("0151 0000001", None),
        ("49151x1", None),
        ("abc 12", None),
        (f"{OLD},{NEW}", None),
        (True, None),
    ],
)
def test_an_id_that_meta_gives_is_taken_as_it_is(given, number):
    assert identity("system", system={"wa_id": given}).now.wa_id == number


def test_a_new_number_that_is_the_old_one_in_another_notation_is_none():
    told = Contact(user_id="BR.1", wa_id="554188887777")
    found = identity("system", system={"wa_id": "5541988887777"})
    assert not found.moves(told)
    assert found.applied_to(told).user_id == "BR.1"


@pytest.mark.parametrize("name", ["", " ", "\u200e", "\u200b\ufeff", "\u00a0\t"])
def test_a_name_of_which_nothing_is_seen_is_none(name):
    assert named(Contact(wa_id="491510000001", name=name, username="ada")).name is None
    assert named(Contact(wa_id="491510000001", name=f"{name}Ada")).name == f"{name}Ada"
