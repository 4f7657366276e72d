"""Ids made by hand are the ids that the standard library makes."""

import uuid
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from common.contracts import ids
from common.contracts.ids import NAMESPACE, derive_id, ordered_id, random_id


@given(st.text(), st.lists(st.text(), max_size=4))
def test_a_derived_id_is_the_uuid5_of_its_parts(kind, parts):
    name = kind + "".join(f"|{len(part)}:{part}" for part in parts)
    try:
        name.encode()
    except UnicodeEncodeError:  # a lone surrogate is no text of Meta's that could have come through JSON as UTF-8
        return
    assert derive_id(kind, *parts) == str(uuid.uuid5(NAMESPACE, name))


def test_an_ordered_id_is_a_uuid_that_begins_with_its_time():
    at = datetime(2026, 11, 30, 12, tzinfo=UTC)
    first, same = ordered_id(at, "usage", "a", "b"), ordered_id(at, "usage", "a", "b")
    assert first == same
    assert (UUID(first).version, UUID(first).variant) == (8, RFC_4122)
    assert int(first[:8], 16) == at.timestamp()
    assert ordered_id(at, "usage", "a", "c") != first
    assert (
        ordered_id(at - timedelta(seconds=1), "usage", "z") < first < ordered_id(at + timedelta(seconds=1), "usage", "")
    )


def test_random_ids_are_uuids_and_do_not_repeat():
    drawn = [random_id() for _ in range(1_000)]
    assert len(set(drawn)) == 1_000
    assert {(uuid.UUID(one).version, uuid.UUID(one).variant) for one in drawn} == {(4, uuid.RFC_4122)}
    assert all(str(uuid.UUID(one)) == one for one in drawn)


def test_ids_of_messages_differ_by_number_and_account():
    inbound = {ids.inbound_message_id(number, "wamid.1") for number in (None, "1", "2")}
    outbound = {
        ids.outbound_message_id(number, bot, "wamid.1") for number in (None, "1", "2") for bot in (None, "a", "b")
    }
    assert len(inbound | outbound | {ids.message_id_before("wamid.1")}) == 3 + 9 + 1
