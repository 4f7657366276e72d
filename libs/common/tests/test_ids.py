"""Ids made by hand are the ids that the standard library makes."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from common.contracts.ids import NAMESPACE, derive_id, random_id


@given(st.text(), st.lists(st.text(), max_size=4))
def test_a_derived_id_is_the_uuid5_of_its_parts(kind, parts):
    name = kind + "".join(f"|{len(part)}:{part}" for part in parts)
    try:
        name.encode()
    except UnicodeEncodeError:  # a lone surrogate is no text of Meta's that could have come through JSON as UTF-8
        return
    assert derive_id(kind, *parts) == str(uuid.uuid5(NAMESPACE, name))


def test_random_ids_are_uuids_and_do_not_repeat():
    drawn = [random_id() for _ in range(1_000)]
    assert len(set(drawn)) == 1_000
    assert {(uuid.UUID(one).version, uuid.UUID(one).variant) for one in drawn} == {(4, uuid.RFC_4122)}
    assert all(str(uuid.UUID(one)) == one for one in drawn)
