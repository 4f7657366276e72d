"""Callback data: which statuses may speak of a send."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contracts import ids
from common.security.callbacks import CallbackSettings

OLD, NEW = (base64.b64encode(letter * 32).decode() for letter in (b"o", b"n"))
JOURNAL = ids.journal_id("bot", "order-17")
NUMBER = "106540352242922"
CALL = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def callbacks(primary="old", unsigned=False, **keys):
    chosen = keys or {"old": OLD}
    return CallbackSettings(
        callback_keys=chosen, callback_primary_key=primary, callback_accept_unsigned=unsigned
    ).callbacks()


@pytest.mark.parametrize("traceparent", [None, CALL])
def test_what_was_sent_comes_back_as_its_journal_id(traceparent):
    data = callbacks().data_of(JOURNAL, NUMBER, traceparent)
    assert callbacks().journal_id_of(data, NUMBER) == ids.journal_id_in(data) == JOURNAL
    assert len(data) <= 512  # Meta's limit
    assert ids.traceparent_in(f'{{"biz_opaque_callback_data": "{data}"}}'.encode()) == traceparent


def test_a_trace_is_found_nowhere_else_in_a_status():
    for elsewhere in (f'{{"text": ";{CALL}"}}', f'{{"biz_opaque_callback_data": ";{CALL}"}}'):
        assert ids.traceparent_in(elsewhere.encode()) is None


def test_what_was_sent_from_one_number_says_nothing_on_another():
    data = callbacks().data_of(JOURNAL, NUMBER)
    for other in ("106540352242923", "", None, NUMBER + "0"):
        assert callbacks().journal_id_of(data, other) is None


def test_what_names_another_send_is_refused():
    data = callbacks().data_of(JOURNAL, NUMBER)
    assert callbacks().journal_id_of(data.replace(JOURNAL, ids.journal_id("bot", "order-18")), NUMBER) is None


@pytest.mark.parametrize(
    "foreign",
    [
        *(None, "", "order-17", "wce:", "wce:not-a-uuid", "{}", f"wce:{JOURNAL}", f"wce:{JOURNAL};{CALL}"),
        *(f"wce:{JOURNAL}.", f"wce:{JOURNAL}.old", f"wce:{JOURNAL}.old.", f"wce:{JOURNAL}.old.{'0' * 32}"),
        *(f"wce:{JOURNAL}.none.{'0' * 32}", f"wce:{JOURNAL}..{'0' * 32}", f" wce:{JOURNAL}.old.{'0' * 32}"),
        f"wce:{JOURNAL.upper()}.old.{'0' * 32}",
    ],
)
def test_what_we_did_not_sign_is_not_ours(foreign):
    assert callbacks().journal_id_of(foreign, NUMBER) is None


def test_a_digest_counts_only_as_a_whole():
    data = callbacks().data_of(JOURNAL, NUMBER)
    for changed in (data[:-1], data + "0", data[:-2], data.upper(), data + "\n", data.replace(".old.", ".OLD.")):
        assert callbacks().journal_id_of(changed, NUMBER) is None


@given(st.text(max_size=200), st.text(max_size=40))
def test_no_text_of_others_is_ours(tail, number):
    for text in (tail, f"wce:{tail}", f"wce:{JOURNAL}.{tail}", f"wce:{JOURNAL}.old.{tail}"):
        assert callbacks().journal_id_of(text, number) is None


def test_keys_rotate_while_statuses_are_on_their_way():
    both, then = {"old": OLD, "new": NEW}, callbacks("new", new=NEW)
    before = callbacks().data_of(JOURNAL, NUMBER)
    after = callbacks("new", **both).data_of(JOURNAL, NUMBER)
    for known in (callbacks("old", **both), callbacks("new", **both)):
        assert known.journal_id_of(before, NUMBER) == known.journal_id_of(after, NUMBER) == JOURNAL
    assert then.journal_id_of(before, NUMBER) is None
    assert then.journal_id_of(after, NUMBER) == JOURNAL


def test_data_without_a_digest_counts_only_while_an_upgrade_says_so():
    unsigned = callbacks(unsigned=True)
    for data in (f"wce:{JOURNAL}", f"wce:{JOURNAL};{CALL}", unsigned.data_of(JOURNAL, NUMBER)):
        assert unsigned.journal_id_of(data, NUMBER) == JOURNAL
    assert unsigned.journal_id_of(f"wce:{JOURNAL}", None) is None
    assert unsigned.journal_id_of(f"wce:{JOURNAL}.old.{'0' * 32}", NUMBER) is None
