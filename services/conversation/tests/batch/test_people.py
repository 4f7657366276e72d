"""Who is the same person: changed numbers and ids, recycled numbers, several notations, shared numbers."""

import itertools
from datetime import timedelta

import pytest
from conversation_builders import BOT, NOW, NUMBER, Memory, message, read, result, status, webhook
from hypothesis import given, settings
from hypothesis import strategies as st

from common.contracts import webhooks
from common.contracts.contacts import Contact
from common.contracts.envelope import decode, decoder
from common.contracts.messages import IncomingMessage
from conversation.batch.core import plan
from conversation.batch.working_set import Known

MINUTE = timedelta(minutes=1)
PHONE, NEXT = "491510000001", "491510000002"
FIRST, SECOND = Contact(user_id="DE.1", wa_id=PHONE, name="First"), Contact(user_id="DE.2", wa_id=PHONE, name="Second")
_incoming = decoder(IncomingMessage)
_wamids = map("wamid.{}".format, itertools.count())


@pytest.fixture
def memory():
    return Memory()


def batched(records, size):
    return [records[start : start + size] for start in range(0, len(records), size)]


def standing(memory):
    return [one for one in memory.conversations.values() if "mergedInto" not in one]


def write(memory, contact, at=NOW, **more):
    """The conversation that a message is in."""
    (event,), _ = memory.run(message(next(_wamids), contact=contact, at=at, **more))
    return decode(_incoming, event.value).data.conversation_id


def system(memory, contact, at=NOW, kind="user_changed_number", **ids):
    wamid = next(_wamids)
    raw = {"id": wamid, "type": "system", "timestamp": "1", "system": {"type": kind, "body": "changed", **ids}}
    (event,), _ = memory.run(webhook(webhooks.MESSAGE, raw, contact=contact, wamid=wamid, at=at))
    return decode(_incoming, event.value).data


def holder(memory, phone=PHONE):
    return [c["_id"] for c in standing(memory) if f"{NUMBER}|p:{phone}" in c["aliases"]]


@pytest.mark.feature("automatic conversation")
def test_a_recycled_number_is_another_person_and_takes_the_number_along(memory):
    first, second = write(memory, FIRST), write(memory, SECOND, at=NOW + MINUTE)
    assert first != second
    assert holder(memory) == [second]
    assert memory.conversations[first]["contact"] == {"userId": "DE.1", "name": "First"}
    assert write(memory, Contact(wa_id=PHONE), at=NOW + 2 * MINUTE) == second
    assert write(memory, Contact(user_id="DE.1"), at=NOW + 2 * MINUTE) == first


def test_a_number_of_which_no_person_was_known_joins_the_first_who_is_named_with_it(memory):
    unknown = write(memory, Contact(wa_id=PHONE))
    assert write(memory, FIRST) == unknown
    assert write(memory, SECOND) != unknown


@pytest.mark.feature("automatic conversation")
def test_what_comes_late_from_the_owner_before_does_not_take_the_number_back(memory):
    write(memory, FIRST)
    second = write(memory, SECOND, at=NOW + 2 * MINUTE)
    late = write(memory, FIRST, at=NOW + MINUTE)
    assert late != second
    assert holder(memory) == [second]
    assert "waId" not in memory.conversations[late]["contact"]


def test_a_status_or_a_result_that_knows_the_phone_alone_goes_to_its_present_owner(memory):
    write(memory, FIRST)
    second = write(memory, SECOND, at=NOW + MINUTE)
    memory.run(result(to=f"+{PHONE}"))
    memory.run(status("failed", wamid="wamid.THEIRS", ours=False, contact=Contact(wa_id=PHONE)))
    outbound = [m for m in memory.messages.values() if m["direction"] == "outbound"]
    assert {m["conversationId"] for m in outbound} == {second}
    assert len(standing(memory)) == 2


def test_a_status_names_the_new_owner_of_a_number(memory):
    first = write(memory, FIRST)
    memory.run(status("delivered", contact=SECOND, at=NOW + MINUTE))
    (second,) = [c["_id"] for c in standing(memory) if c["_id"] != first]
    assert holder(memory) == [second]


@pytest.mark.parametrize("cut", range(1, 4))
def test_owners_of_one_number_one_after_the_other_stay_as_many(memory, cut):
    people = [Contact(user_id=f"DE.{i}", wa_id=PHONE) for i in range(40)]
    records = [message(next(_wamids), contact=one, at=NOW + i * MINUTE) for i, one in enumerate(people)]
    for batch in batched(records, 40 // cut):
        memory.run(*batch)
    assert len(standing(memory)) == 40
    assert [c["inboundCount"] for c in standing(memory)] == [1] * 40
    assert len(holder(memory)) == 1


@pytest.mark.parametrize("size", [1, 2, 5])
def test_those_who_leave_one_number_one_after_the_other_stay_as_many(memory, size):
    """Each conversation begins with the number that was left, and those of one batch at the same time."""
    records = []
    for i in range(5):
        wamid, new = next(_wamids), Contact(user_id=f"DE.{i}", wa_id=f"49151000001{i}")
        told = {"type": "user_changed_number", "customer": PHONE, "wa_id": new.wa_id, "user_id": new.user_id}
        raw = {"id": wamid, "type": "system", "timestamp": "1", "system": told}
        records.append(webhook(webhooks.MESSAGE, raw, contact=new, wamid=wamid, at=NOW + i * MINUTE))
    for batch in batched(records, size):
        memory.run(*batch)
    assert {c["contact"]["userId"] for c in standing(memory)} == {f"DE.{i}" for i in range(5)}
    assert [c["inboundCount"] for c in standing(memory)] == [1] * 5
    assert len({m["conversationId"] for m in memory.messages.values()}) == 5


def identities(person):
    """Phone alone, in two notations; BSUID alone; and both, which is what shows that they are one."""
    other, today = f"5541{80_000_000 + person}", f"55419{80_000_000 + person}"
    user_id = f"BR.{person}"
    return [
        Contact(wa_id=other),
        Contact(wa_id=today),
        Contact(user_id=user_id),
        Contact(user_id=user_id, wa_id=other),
    ]


@pytest.mark.feature("automatic conversation")
@settings(max_examples=25)
@given(st.randoms(use_true_random=False), st.integers(1, 200))
def test_forty_people_with_three_identities_each_stay_forty_whatever_comes_first(random, size):
    memory = Memory()
    records = [message(next(_wamids), contact=one) for person in range(40) for one in identities(person)]
    random.shuffle(records)
    for batch in batched(records, size):
        memory.run(*batch)
    assert len(standing(memory)) == 40
    assert {c["inboundCount"] for c in standing(memory)} == {4}
    assert {len(c["aliases"]) for c in standing(memory)} == {3}


def test_two_who_exchange_their_numbers_in_one_batch_stay_two(memory):
    one, two = Contact(user_id="DE.1", wa_id=PHONE), Contact(user_id="DE.2", wa_id=NEXT)
    first, second = write(memory, one), write(memory, two)
    swapped = [Contact(user_id="DE.1", wa_id=NEXT), Contact(user_id="DE.2", wa_id=PHONE)]
    memory.run(*(message(next(_wamids), contact=contact, at=NOW + MINUTE) for contact in swapped))
    assert (holder(memory, NEXT), holder(memory, PHONE)) == ([first], [second])


@pytest.mark.parametrize(
    ("dialled", "canonical"),
    [("+5541988887777", "554188887777"), ("+525512345678", "5215512345678"), ("+541123456789", "5491123456789")],
)
@pytest.mark.feature("automatic conversation")
def test_one_person_has_one_conversation_whichever_notation_a_producer_uses(memory, dialled, canonical):
    written = write(memory, Contact(wa_id=canonical))
    memory.run(result(to=dialled, contact=Contact(wa_id=canonical)))
    memory.run(result(to=dialled, message_id="m2", wamid="wamid.2"))
    assert {m["conversationId"] for m in memory.messages.values()} == {written}


def test_a_conversation_that_is_stored_under_another_notation_is_found(memory):
    written = write(memory, Contact(wa_id="554188887777"))
    memory.conversations[written]["aliases"] = [f"{NUMBER}|p:554188887777"]  # as earlier versions stored it
    assert write(memory, Contact(wa_id="5541988887777")) == written


def test_meta_s_answer_teaches_a_notation_that_no_rule_knows(memory):
    memory.run(result(to="+22560000001", contact=Contact(wa_id="2250160000001")))
    first = write(memory, Contact(wa_id="2250160000001"))
    assert write(memory, Contact(wa_id="22560000001")) == first


def test_meta_s_answer_joins_no_two_who_are_known_to_be_different(memory):
    dialled = write(memory, Contact(user_id="CI.1", wa_id="22560000001"))
    answered = write(memory, Contact(user_id="CI.2", wa_id="2250160000001"))
    memory.run(result(to="+22560000001", contact=Contact(wa_id="2250160000001")))
    assert {c["_id"] for c in standing(memory)} == {dialled, answered}
    assert [m["conversationId"] for m in memory.messages.values() if m["direction"] == "outbound"] == [answered]


CHANGES = [
    {"wa_id": NEXT},
    {"new_wa_id": NEXT},
    {"wa_id": f"+{NEXT}"},
    {"wa_id": PHONE, "new_wa_id": NEXT},
    {"wa_id": NEXT, "user_id": "DE.9", "previous_user_id": "DE.1"},
    {"new_wa_id": int(NEXT), "customer": PHONE},
]


@pytest.mark.feature("automatic conversation")
@pytest.mark.parametrize("ids", CHANGES)
@pytest.mark.parametrize("named", [FIRST, Contact(wa_id=PHONE), Contact(user_id="DE.1")])
@pytest.mark.parametrize("afterwards", ["DE.1", "DE.9", None])
def test_after_a_change_of_number_the_new_one_is_shown_reported_and_written_to(memory, ids, named, afterwards):
    first = write(memory, FIRST)
    told = system(memory, named, at=NOW + MINUTE, **ids)
    assert told.conversation_id == first
    assert (told.contact.wa_id, told.contact.user_id) == (NEXT, ids.get("user_id"))
    shown = memory.conversations[first]["contact"]
    assert (shown["waId"], shown.get("userId"), shown["name"]) == (NEXT, ids.get("user_id"), "First")
    assert write(memory, Contact(user_id=afterwards, wa_id=NEXT), at=NOW + 2 * MINUTE) == first
    assert len(standing(memory)) == 1


@pytest.mark.parametrize("ids", CHANGES)
def test_the_number_of_before_can_be_another_person_s_then(memory, ids):
    first = write(memory, FIRST)
    system(memory, FIRST, at=NOW + MINUTE, **ids)
    second = write(memory, SECOND, at=NOW + 2 * MINUTE)
    assert second != first
    assert (holder(memory, PHONE), holder(memory, NEXT)) == ([second], [first])


@pytest.mark.parametrize("ids", CHANGES)
def test_the_former_owner_of_the_new_number_stays_another_person(memory, ids):
    before = write(memory, Contact(user_id="DE.7", wa_id=NEXT))
    first = write(memory, FIRST)
    system(memory, FIRST, at=NOW + MINUTE, **ids)
    assert holder(memory, NEXT) == [first]
    assert "waId" not in memory.conversations[before]["contact"]


@pytest.mark.parametrize("ids", CHANGES)
def test_a_message_from_the_new_number_may_be_read_before_the_change(memory, ids):
    first = write(memory, FIRST)
    second = write(memory, Contact(user_id="DE.9", wa_id=NEXT, name="First"), at=NOW + 2 * MINUTE)
    assert first != second
    assert system(memory, FIRST, at=NOW + MINUTE, **ids).conversation_id == first
    (left,) = standing(memory)
    assert (left["contact"]["waId"], left["contact"]["userId"]) == (NEXT, "DE.9")
    assert write(memory, Contact(user_id="DE.8", wa_id=NEXT), at=NOW + 3 * MINUTE) != first


def test_a_new_number_waits_for_one_bsuid_alone(memory):
    first = write(memory, FIRST)
    system(memory, FIRST, at=NOW + MINUTE, wa_id=NEXT)
    assert write(memory, Contact(user_id="DE.9", wa_id=NEXT), at=NOW + 2 * MINUTE) == first
    assert write(memory, Contact(user_id="DE.8", wa_id=NEXT), at=NOW + 3 * MINUTE) != first


@pytest.mark.parametrize("before", ["DE.1", "", None, 7, {"user_id": "DE.1"}])
def test_a_message_may_name_the_id_of_before(memory, before):
    first = write(memory, FIRST)
    second = write(memory, SECOND, at=NOW + MINUTE, previous_user_id=before)
    assert (second == first) == (before == "DE.1")
    assert memory.conversations[second]["contact"]["userId"] == "DE.2"


def test_a_changed_id_is_written_to_and_one_that_is_not_told_is_not_made_up(memory):
    first = write(memory, FIRST)
    told = system(memory, Contact(user_id="DE.1"), kind="user_changed_user_id", user_id="DE.9", previous_user_id="DE.1")
    assert (told.conversation_id, told.contact.user_id) == (first, "DE.9")
    assert memory.conversations[first]["contact"]["userId"] == "DE.9"


@pytest.mark.parametrize("system_part", [None, 7, [], {"wa_id": {}}, {"user_id": 7, "wa_id": ["x"]}, {"wa_id": ""}])
def test_a_system_message_that_is_not_understood_changes_nothing(memory, system_part):
    first = write(memory, FIRST)
    (event,), _ = memory.run(message(next(_wamids), contact=FIRST, type="system", system=system_part))
    assert decode(_incoming, event.value).data.conversation_id == first
    assert memory.conversations[first]["contact"]["waId"] == PHONE


def test_a_late_message_does_not_bring_the_number_of_before_back(memory):
    first = write(memory, FIRST)
    system(memory, FIRST, at=NOW + 2 * MINUTE, wa_id=NEXT)
    assert write(memory, FIRST, at=NOW + MINUTE) == first
    memory.run(status("read", contact=FIRST, at=NOW + MINUTE))
    shown = memory.conversations[first]["contact"]
    assert (shown["waId"], shown.get("userId")) == (NEXT, None)


CARDS = [
    {"contacts": [{"phones": [{"phone": "+49 151 0000001"}], "origin": "contact_request"}]},
    {"origin": "contact_request", "contacts": [{"phones": [{"phone": PHONE}]}]},
    {"contacts": {"phones": {"wa_id": PHONE, "phone": "0151"}, "origin": "contact_request"}},
]


@pytest.mark.feature("automatic conversation")
@pytest.mark.parametrize("card", CARDS)
def test_a_phone_that_was_asked_for_joins_its_bsuid(memory, card):
    hidden = write(memory, Contact(user_id="DE.1"))
    by_phone = write(memory, Contact(wa_id=PHONE))
    assert write(memory, Contact(user_id="DE.1"), at=NOW + MINUTE, type="contacts", **card) == hidden
    (left,) = standing(memory)
    assert left["contact"] == {"userId": "DE.1", "waId": PHONE}
    assert by_phone != hidden


def test_any_other_card_joins_no_people(memory):
    card = {"contacts": [{"phones": [{"phone": f"+{PHONE}"}], "origin": "other"}]}
    hidden = write(memory, Contact(user_id="DE.1"), type="contacts", **card)
    assert holder(memory) == []
    assert memory.conversations[hidden]["contact"] == {"userId": "DE.1"}


@pytest.mark.parametrize("name", ["", "  ", None])
def test_an_empty_name_does_not_stand_in_the_place_of_a_known_one(memory, name):
    first = write(memory, FIRST)
    write(memory, Contact(user_id="DE.1", wa_id=PHONE, name=name, username=name), at=NOW + MINUTE)
    assert memory.conversations[first]["contact"]["name"] == "First"
    assert "username" not in memory.conversations[first]["contact"]


def test_an_empty_name_in_a_status_is_none(memory):
    memory.run(status("read", contact=Contact(wa_id=PHONE, name="", username=" ")))
    (one,) = standing(memory)
    assert one["contact"] == {"waId": PHONE}


def test_a_number_that_is_stored_in_one_notation_stays_whole(memory):
    """What comes late takes no notation of a number from its owner, also not one that is not stored."""
    owner = write(memory, Contact(user_id="BR.1", wa_id="554188887777"), at=NOW + MINUTE)
    memory.conversations[owner]["aliases"] = [f"{NUMBER}|u:BR.1", f"{NUMBER}|p:554188887777"]
    late = write(memory, Contact(user_id="BR.2", wa_id="5541988887777"))
    assert memory.conversations[late]["aliases"] == [f"{NUMBER}|u:BR.2"]
    assert "phoneAt" not in memory.conversations[late]
    assert write(memory, Contact(wa_id="5541988887777"), at=NOW + MINUTE) == owner


def test_each_owner_of_a_number_has_a_conversation_of_their_own_also_when_the_one_between_is_erased(memory):
    first = write(memory, Contact(wa_id=PHONE))
    assert write(memory, FIRST) == first
    second = write(memory, SECOND, at=NOW + MINUTE)
    del memory.conversations[second]
    met = [c for c in memory.conversations.values() if f"{NUMBER}|p:{PHONE}" in c["aliases"]]
    assert met == []  # so MongoDB finds none
    third = plan([read(message("wamid.3", contact=Contact(wa_id=PHONE)))], Known(), BOT, NOW + 2 * MINUTE)
    assert first not in third.working.conversations


def test_a_person_whose_first_name_was_forgotten_can_be_met_by_it_again(memory):
    write(memory, Contact(user_id="DE.0"))
    for n in range(60):
        changed = {"user_id": f"DE.{n + 1}", "previous_user_id": f"DE.{n}"}
        system(memory, Contact(user_id=f"DE.{n}"), kind="user_changed_user_id", **changed)
    (before,) = standing(memory)
    assert f"{NUMBER}|u:DE.0" not in before["aliases"]
    _, done = memory.run(message(next(_wamids), contact=Contact(user_id="DE.0")), now=NOW + MINUTE)
    (made,) = [one for one in done.working.conversations.values() if one.new]
    assert made.id != before["_id"]
