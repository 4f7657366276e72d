"""The contracts: derived ids, envelopes, people, topics and send requests."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.contracts import accounts, contacts, envelope, ids, outbound, sends, topics
from common.errors import InvalidInput

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_derived_ids_are_equal_exactly_when_the_facts_are(left, right):
    assert (ids.derive_id("fact", *left) == ids.derive_id("fact", *right)) == (left == right)


@pytest.mark.parametrize(
    ("given_timestamp", "expected"),
    [
        ("1793491200", datetime(2026, 11, 1, tzinfo=UTC)),
        (1793491200, datetime(2026, 11, 1, tzinfo=UTC)),
        ("1793491200000", datetime(2026, 11, 1, tzinfo=UTC)),  # seen in milliseconds
        (None, NOW),
        ("", NOW),
        ("yesterday", NOW),
        ("9" * 400, NOW),
        ("253402214400000", NOW),  # in the year 9999: a window that begins there would end after the last day
        ("nan", NOW),
        ("inf", NOW),
    ],
)
def test_metas_timestamps_are_read_whatever_their_form(given_timestamp, expected):
    assert envelope.from_unix(given_timestamp, fallback=NOW) == expected


def test_an_event_survives_the_wire_and_is_camel_case():
    event = accounts.AccountChanged(
        id="1",
        type=accounts.CHANGED,
        version=accounts.VERSION,
        occurred_at=NOW,
        recorded_at=NOW,
        correlation_id="c",
        data=accounts.AccountData(chatbot_id="b", phone_number_id="1", status="active", revision=1),
    )
    wire = envelope.encode(event)
    assert b'"phoneNumberId":"1"' in wire
    assert b"causationId" not in wire
    assert envelope.decode(envelope.decoder(accounts.AccountChanged), wire) == event


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b'{"id": 1}', b"\xff\xfe", b'{"id":"\\ud800"'])
def test_a_record_that_is_not_understood_says_why(value):
    with pytest.raises(InvalidInput) as caught:
        envelope.decode(envelope.decoder(accounts.AccountChanged), value)
    assert caught.value.error_code in {"empty_record", "undecodable_record"}


def test_a_verify_token_digest_matches_only_its_token():
    digest = accounts.TokenDigest.of("fake-verify-token", salt="00ff")
    assert digest.matches("fake-verify-token")
    assert not digest.matches("fake-verify-tokeN")
    assert "fake" not in digest.sha256


@pytest.mark.parametrize(
    ("to", "aliases"),
    [
        ("+49 151 000-0001", ("p:491510000001",)),
        ("491510000001", ("p:491510000001",)),
        ("US.13491208655302741918", ("u:US.13491208655302741918",)),
        ("US.ENT.506847293015824", ("u:US.ENT.506847293015824",)),
    ],
)
def test_a_recipient_is_a_phone_number_in_any_notation_or_a_bsuid(to, aliases):
    assert contacts.contact_of_recipient(to).aliases() == aliases


def test_the_key_of_a_contact_is_its_strongest_id():
    person = contacts.Contact(user_id="US.1", wa_id="491510000001")
    assert contacts.contact_key("106", person) == "106:u:US.1"
    assert contacts.contact_key("106", contacts.Contact(wa_id="4915")) == "106:p:4915"
    assert contacts.contact_key("106", contacts.Contact(group_id="g1", user_id="US.1")) == "106:g:g1"
    assert contacts.contact_key("106", contacts.Contact()) == "106"


def test_topic_names_are_unique_and_the_send_family_is_co_partitioned():
    assert len({topic.name for topic in topics.ALL}) == len(topics.ALL)
    assert len({topic.partitions for topic in topics.SEND_FAMILY}) == 1
    assert [delay for _, delay in topics.RETRIES] == [2_000, 4_000, 8_000]


@pytest.mark.feature("outgoing")
def test_the_plain_text_form_of_a_send_request_is_enough():
    request = sends.SendRequest.model_validate_json(
        b'{"chatbotId": "bot", "to": "+491510000001", "message": "Hello", "metadata": {"orderId": 17}}'
    )
    assert request.typed() == outbound.Text(type="text", body="Hello")
    assert request.metadata == {"orderId": 17}


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"type": "text", "body": "Hi", "preview_url": True}, outbound.Text),
        ({"type": "image", "link": "https://example.test/a.png", "caption": "A"}, outbound.Image),
        ({"type": "video", "id": "1"}, outbound.Video),
        ({"type": "document", "id": "1", "filename": "a.pdf"}, outbound.Document),
        ({"type": "audio", "id": "1", "voice": True}, outbound.Audio),
        ({"type": "sticker", "id": "1"}, outbound.Sticker),
        ({"type": "location", "latitude": 48.1, "longitude": 11.5}, outbound.Location),
        ({"type": "contacts", "contacts": [{"name": {"formatted_name": "A"}}]}, outbound.Contacts),
        ({"type": "reaction", "message_id": "wamid.X", "emoji": ""}, outbound.Reaction),
        (
            {"type": "interactive", "interactive": {"type": "voice_call", "body": {"text": "b"}, "action": {}}},
            outbound.Interactive,
        ),
        ({"type": "template", "template": {"name": "hello", "language": {"code": "en"}}}, outbound.Template),
        ({"type": "read", "message_id": "wamid.X", "typing": True}, outbound.MarkAsRead),
    ],
)
def test_every_kind_of_message_is_typed(message, kind):
    request = sends.SendRequest.model_validate({"chatbotId": "bot", "to": "491510000001", "message": message})
    assert isinstance(request.typed(), kind)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"message": ""}, "message"),
        ({"message": "x" * 4097}, "message"),
        ({"message": {"type": "text", "body": "x" * 4097}}, "message"),
        ({"message": {"type": "image"}}, "message"),
        ({"message": {"type": "image", "id": "1", "link": "https://example.test/a"}}, "message"),
        ({"message": {"type": "image", "link": "ftp://example.test/a"}}, "message"),
        ({"message": {"type": "telegram"}}, "message"),
        ({"message": {"type": "location", "latitude": 91, "longitude": 0}}, "message"),
        ({"to": ""}, "to"),
        ({"chatbotId": ""}, "chatbotId"),
        ({"expiresAt": "2026-11-01T00:00:00"}, "expiresAt"),  # without a time zone it means nothing
        ({"expireAt": "2026-11-01T00:00:00Z"}, "expireAt"),
    ],
)
def test_a_request_out_of_bounds_is_refused_by_field(change, field):
    request = {"chatbotId": "bot", "to": "491510000001", "message": "Hi", **change}
    with pytest.raises(ValidationError) as caught:
        sends.SendRequest.model_validate(request)
    assert field in {str(error["loc"][0]) for error in caught.value.errors()}


def test_a_record_goes_at_most_a_day_after_its_time():
    for topic in topics.ALL:
        config = topic.config()
        if topic.compacted:
            assert "segment.ms" not in config
        else:
            assert int(config["segment.ms"]) == topic.segment_ms <= min(24 * 60 * 60 * 1000, topic.retention_ms)
