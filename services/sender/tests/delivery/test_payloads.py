"""Each outbound type as Meta takes it."""

import json

import pytest

from common.contracts.sends import SendRequest
from sender.delivery.payloads import payload, recipient

CALLBACK = "wce:11111111-2222-5333-8444-555555555555.k.d1"
GROUP = "Y2FwaV9ncm91cDoxNTU1MDAwMDAwMQZD"


def sent(message, **fields):
    request = SendRequest.model_validate({"chatbotId": "b", "to": "+4915112345678", "message": message, **fields})
    return json.loads(payload(request, CALLBACK))


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ("hi", {"type": "text", "text": {"body": "hi", "preview_url": False}}),
        (
            {"type": "text", "body": "see https://x.test", "preview_url": True},
            {"type": "text", "text": {"body": "see https://x.test", "preview_url": True}},
        ),
        ({"type": "image", "id": "7"}, {"type": "image", "image": {"id": "7"}}),
        (
            {"type": "video", "link": "https://x.test/v", "caption": "c"},
            {"type": "video", "video": {"link": "https://x.test/v", "caption": "c"}},
        ),
        (
            {"type": "document", "id": "7", "filename": "a.pdf"},
            {"type": "document", "document": {"id": "7", "filename": "a.pdf"}},
        ),
        ({"type": "audio", "id": "7", "voice": True}, {"type": "audio", "audio": {"id": "7", "voice": True}}),
        ({"type": "sticker", "id": "7"}, {"type": "sticker", "sticker": {"id": "7"}}),
        (
            {"type": "location", "latitude": 1.5, "longitude": -2.5, "name": "n"},
            {"type": "location", "location": {"latitude": 1.5, "longitude": -2.5, "name": "n"}},
        ),
        (
            {"type": "contacts", "contacts": [{"name": {"formatted_name": "A"}}]},
            {"type": "contacts", "contacts": [{"name": {"formatted_name": "A"}}]},
        ),
        (
            {"type": "reaction", "message_id": "wamid.x", "emoji": ""},
            {"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": ""}},
        ),
        (
            {
                "type": "interactive",
                "interactive": {"type": "order_status", "body": {"text": "b"}, "action": {"x": None, "y": 1}},
            },
            {
                "type": "interactive",
                "interactive": {"type": "order_status", "body": {"text": "b"}, "action": {"y": 1}},
            },
        ),
        (
            {"type": "template", "template": {"name": "t", "language": {"code": "de"}}},
            {"type": "template", "template": {"name": "t", "language": {"code": "de"}}},
        ),
    ],
)
def test_a_message_of_each_type(message, content):
    assert sent(message) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+4915112345678",
        "biz_opaque_callback_data": CALLBACK,
        **content,
    }


@pytest.mark.parametrize("typing", [False, True])
def test_a_read_mark_is_no_message(typing):
    expected = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x"}
    if typing:
        expected["typing_indicator"] = {"type": "text"}
    assert sent({"type": "read", "message_id": "wamid.x", "typing": typing}) == expected


@pytest.mark.parametrize(
    ("to", "kind"), [("+4915112345678", "individual"), ("DE.1349", "individual"), (GROUP, "group")]
)
def test_only_a_group_is_sent_to_as_a_group(to, kind):
    request = SendRequest.model_validate({"chatbotId": "b", "to": to, "message": "hi"})
    body = json.loads(payload(request, CALLBACK))
    assert body["recipient_type"] == kind
    assert ("to" in body) is not ("recipient" in body)


@pytest.mark.parametrize("days", [7, "7"])
def test_a_pin_goes_to_its_group_as_meta_has_it(days):
    pin = {"type": "pin", "message_id": "wamid.x", "expiration_days": days}
    assert sent({"type": "pin", "pin": pin}, to=GROUP) == {
        "messaging_product": "whatsapp",
        "recipient_type": "group",
        "to": GROUP,
        "type": "pin",
        "pin": {**pin, "expiration_days": 7},
        "biz_opaque_callback_data": CALLBACK,
    }


def test_an_unpin_has_no_days():
    pin = {"type": "unpin", "message_id": "wamid.x"}
    assert sent({"pin": pin}, to=GROUP)["pin"] == pin


def test_a_reply_names_what_it_answers():
    assert sent("hi", replyTo="wamid.x")["context"] == {"message_id": "wamid.x"}
    assert "context" not in sent("hi")


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("4915112345678", {"to": "+4915112345678"}),
        ("+49 (151) 1234-5678", {"to": "+4915112345678"}),
        ("DE.13491208655302741918", {"recipient": "DE.13491208655302741918"}),
        (GROUP, {"recipient_type": "group", "to": GROUP}),
        ("+5215512345678", {"to": "+5215512345678"}),
    ],
)
def test_a_recipient_is_a_number_with_its_plus_or_a_bsuid_or_a_group(to, expected):
    assert recipient(to) == expected


@pytest.mark.parametrize("text", ["hi", "https://x.test", 'é\n"\u2028', "x" * 4_096, "0", "null"])
@pytest.mark.parametrize("to", ["+4915112345678", "DE.13491208655302741918"])
@pytest.mark.parametrize("more", [{}, {"replyTo": "wamid.x"}])
def test_a_plain_string_is_a_text_byte_for_byte(text, to, more):
    plain, typed = (
        payload(SendRequest.model_validate({"chatbotId": "b", "to": to, "message": message, **more}), CALLBACK)
        for message in (text, {"type": "text", "body": text})
    )
    assert plain == typed
